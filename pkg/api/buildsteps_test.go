// SPDX-License-Identifier: Apache-2.0

package api

import (
	"strings"
	"testing"

	"coracle/pkg/dockerfile"
)

// planned are the events that come first: "NAME > TEXT", "! NAME > TEXT" of a trigger.
func planned(lines ...string) (list []dockerfile.Event) {
	for i, l := range lines {
		e := dockerfile.Event{Kind: dockerfile.Planned, Step: i}
		if rest, ok := strings.CutPrefix(l, "! "); ok {
			l, e.Kind = rest, dockerfile.Trigger
		}
		if name, text, ok := strings.Cut(l, " > "); ok {
			e.Name, e.Text = name, text
		} else {
			e.Text = l
		}
		list = append(list, e)
	}
	return list
}

// TestBuildSteps: whatever the order in which things happen, they are told of in the
// order of the Dockerfile.
func TestBuildSteps(t *testing.T) {
	const k, l, m = "0123456789abcdef", "fedcba9876543210", "aaaaaaaaaaaaffff"
	ev := func(kind dockerfile.Kind, name, what string) dockerfile.Event {
		e := dockerfile.Event{Kind: kind, Name: name}
		if kind == dockerfile.Output {
			e.Data = []byte(what)
		} else {
			e.ID = what
		}
		return e
	}
	two := planned("from > FROM a", "one > RUN one", "FROM scratch", "two > RUN two")
	two[2].Step = 0
	for name, tt := range map[string]struct {
		plan   []dockerfile.Event
		events []dockerfile.Event
		image  string // empty: the build fails
		want   string
	}{
		"one after the other": {planned("from > FROM a", "one > RUN one", "CMD x"), []dockerfile.Event{
			ev(dockerfile.Cached, "from", k), ev(dockerfile.Started, "one", l), ev(dockerfile.Output, "one", "hello\n"), ev(dockerfile.Done, "one", m),
		}, k, "Step 1/3 : FROM a| ---> 0123456789ab|Step 2/3 : RUN one| ---> Running in fedcba987654|hello| ---> Removed intermediate container fedcba987654| ---> aaaaaaaaaaaa|Step 3/3 : CMD x| ---> 0123456789ab|"},
		"stages at the same time": {two, []dockerfile.Event{
			ev(dockerfile.Started, "two", k), ev(dockerfile.Output, "two", "2\n"), ev(dockerfile.Cached, "from", k), ev(dockerfile.Started, "one", l),
			ev(dockerfile.Done, "two", k), ev(dockerfile.Output, "one", "1\n"), ev(dockerfile.Done, "one", m),
		}, l, "Step 1/4 : FROM a| ---> 0123456789ab|Step 2/4 : RUN one| ---> Running in fedcba987654|1| ---> Removed intermediate container fedcba987654| ---> aaaaaaaaaaaa|" +
			"Step 3/4 : FROM scratch| ---> |Step 4/4 : RUN two| ---> Running in 0123456789ab|2| ---> Removed intermediate container 0123456789ab| ---> fedcba987654|"},
		"a later stage fails": {two, []dockerfile.Event{
			ev(dockerfile.Cached, "from", k), ev(dockerfile.Started, "one", l), ev(dockerfile.Started, "two", k), ev(dockerfile.Output, "two", "no\n"), ev(dockerfile.Failed, "two", k), ev(dockerfile.Canceled, "one", l),
		}, "", "Step 1/4 : FROM a| ---> 0123456789ab|Step 2/4 : RUN one| ---> Running in fedcba987654|Step 4/4 : RUN two| ---> Running in 0123456789ab|no|"},
		"triggers": {planned("from > FROM a", "! one > COPY . /a", "! ENV A=1", "LABEL a=b"), []dockerfile.Event{
			ev(dockerfile.Cached, "from", k), ev(dockerfile.Cached, "one", l),
		}, m, "Step 1/2 : FROM a|# Executing 2 build triggers| ---> Using cache| ---> 57f09e9aec4e|Step 2/2 : LABEL a=b| ---> aaaaaaaaaaaa|"},
		"nothing to do":    {planned("FROM scratch"), nil, m, "Step 1/1 : FROM scratch| ---> aaaaaaaaaaaa|"},
		"nobody's events":  {planned("FROM scratch"), []dockerfile.Event{ev(dockerfile.Started, "exporting to image", ""), ev(dockerfile.Output, "", "x")}, m, "Step 1/1 : FROM scratch| ---> aaaaaaaaaaaa|"},
		"without any plan": {nil, []dockerfile.Event{ev(dockerfile.Done, "one", k)}, m, ""},
	} {
		var said strings.Builder
		b := &buildSteps{say: func(text string) { said.WriteString(text) }}
		for _, e := range append(tt.plan, tt.events...) {
			b.event(e)
		}
		if tt.image != "" {
			b.end(tt.image)
		} else {
			b.fail()
		}
		if got := strings.ReplaceAll(said.String(), "\n", "|"); got != tt.want {
			t.Errorf("%s:\n got %s\nwant %s", name, got, tt.want)
		}
	}
}

// TestWaitingOutput: what waits for its turn is bounded.
func TestWaitingOutput(t *testing.T) {
	w := &buildWork{}
	for range 5 {
		w.write(make([]byte, maxWaiting/2-10))
	}
	if text := string(w.output); len(text) > maxWaiting+100 || !strings.HasSuffix(text, "\n[output clipped, log limit 2MiB reached]\n") || strings.Count(text, "clipped") != 1 {
		t.Errorf("%d bytes, the last: %q", len(text), text[len(text)-60:])
	}
}
