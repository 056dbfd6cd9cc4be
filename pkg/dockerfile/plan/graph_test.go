// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/moby/buildkit/frontend/dockerfile/parser"

	"coracle/pkg/dockerfile/parse"
)

func parsed(t *testing.T, text string) *parse.File {
	t.Helper()
	f, err := parse.Parse("Dockerfile", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// input is what a plan of text is made from, with an empty image for each name
// that in does not know.
func input(t *testing.T, text string, in Input) *Input {
	t.Helper()
	in.File = parsed(t, text)
	if in.Images == nil {
		in.Images = map[string]Found{}
	}
	needs, err := Needs(&in)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range needs {
		if _, ok := in.Images[n.Key()]; !ok {
			in.Images[n.Key()] = Found{}
		}
	}
	return &in
}

// planned is the last stage, planned after those that it needs.
func planned(t *testing.T, text string, in Input) *stage {
	t.Helper()
	n, err := newNeeds(input(t, text, in))
	if err != nil {
		t.Fatal(err)
	}
	m := &maker{needs: n, done: map[int]*stage{}, shared: map[string]*Vertex{}}
	for i := range n.in.File.Stages {
		if n.stages[i] {
			if m.done[i], err = m.stage(i); err != nil {
				t.Fatalf("%q: %v", text, err)
			}
		}
	}
	return m.done[n.target]
}

var update = flag.Bool("update", false, "write what the plans are into testdata")

const mark = "-- plan --\n"

// Each file of testdata is a Dockerfile and its plan: the graph, the keys with
// placeholders for what only the world knows, the history.
func TestPlans(t *testing.T) {
	names, err := filepath.Glob("testdata/*.plan")
	if err != nil || len(names) == 0 {
		t.Fatalf("no plans: %v", err)
	}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		text, want, _ := strings.Cut(string(data), mark)
		got := described(input(t, text, Input{
			Platform: "linux/amd64", BuildArgs: map[string]string{"GIVEN": "given", "HTTP_PROXY": "http://proxy"},
			Contexts: map[string]Context{"dir": {Dir: "/host/dir"}}, NoCacheFilter: []string{"fresh"},
		}))
		if *update {
			if err := os.WriteFile(name, []byte(text+mark+got), 0o644); err != nil {
				t.Fatal(err)
			}
		} else if got != want {
			t.Errorf("%s: the plan is\n%s\nwant\n%s", name, got, want)
		}
	}
}

func described(in *Input) string {
	g, err := Make(in)
	if err != nil {
		var at *parser.LocationError
		if errors.As(err, &at) {
			return fmt.Sprintf("line %d: %v\n", at.Locations[0][0].Start.Line, err)
		}
		return err.Error() + "\n"
	}
	var b strings.Builder
	b.WriteString(g.String())
	number := map[*Vertex]int{}
	for i, v := range g.Vertices {
		number[v] = i
		facts := Facts{Layers: func(v *Vertex) []string { return []string{fmt.Sprintf("<%d>", number[v])} }, Files: []string{"<files>"}}
		if r, ok := v.Op.(Run); ok {
			facts.Files = make([]string, len(r.Mounts))
			for i := range facts.Files {
				facts.Files[i] = fmt.Sprintf("<files %d>", i)
			}
		} else if c, ok := v.Op.(Copy); ok && c.From != nil {
			facts.Files = nil
		}
		if key := v.Op.Key(facts); len(key) > 0 {
			fmt.Fprintf(&b, "key %d %q\n", i, key)
		}
	}
	for _, h := range g.Result.History {
		fmt.Fprintf(&b, "history %q empty=%t\n", h.CreatedBy, h.EmptyLayer)
	}
	o := g.Outline()
	fmt.Fprintf(&b, "target %q default=%t %s\n", o.Target.Name, o.Target.Default, o.Target.Description)
	for _, a := range o.Args {
		fmt.Fprintf(&b, "argument %s=%q %s\n", a.Name, a.Value, a.Description)
	}
	for _, s := range o.Secrets {
		fmt.Fprintf(&b, "secret %s required=%t\n", s.ID, s.Required)
	}
	for _, w := range g.Warnings {
		b.WriteString("warning " + w + "\n")
	}
	return b.String()
}

// Two lists of facts are one key only where they decide the same.
func TestKeysFollowTheFacts(t *testing.T) {
	const base = "FROM scratch AS s\nWORKDIR /s\nFROM scratch\nWORKDIR /w\nENV E=1\n"
	key := func(text string, layer, file string) string {
		v := planned(t, text, Input{}).top
		return fmt.Sprintf("%q", v.Op.Key(Facts{Layers: func(*Vertex) []string { return []string{layer} }, Files: []string{file}}))
	}
	for _, tt := range []struct {
		a, b string
		same bool
	}{
		{"RUN x", "RUN  x", true},
		{"RUN x", "LABEL a=b\nRUN x", true},
		{"RUN x", "USER u\nRUN x", false},
		{"RUN x", "ENV E=2\nRUN x", false},
		{"RUN x", "ARG A=1\nRUN x", false},
		{"RUN x", "RUN --network=none x", false},
		{"RUN x", "SHELL [\"/bin/ash\", \"-c\"]\nRUN x", false},
		{"RUN --mount=type=tmpfs,target=/a x", "RUN --mount=type=tmpfs,target=/b x", false},
		{"RUN --mount=type=cache,id=1,target=/a x", "RUN --mount=type=cache,id=2,target=/a x", true},
		{"COPY a /x", "COPY b /x", true}, // their files decide
		{"COPY a x", "COPY a /w/x", true},
		{"COPY a x", "COPY a x/", false},
		{"COPY --chown=1 a x", "COPY --chown=2 a x", false},
		{"COPY --from=s a /x", "COPY --from=s b /x", false},
		{"COPY --from=s a /x", "COPY --from=0 a /x", true},
		{"WORKDIR a", "WORKDIR /w/a", true},
		{"WORKDIR a", "USER u\nWORKDIR a", false},
	} {
		if got := key(base+tt.a+"\n", "l", "f") == key(base+tt.b+"\n", "l", "f"); got != tt.same {
			t.Errorf("%q and %q: one key is %t, want %t", tt.a, tt.b, got, tt.same)
		}
	}
	if key(base+"COPY a /x\n", "l", "f") == key(base+"COPY a /x\n", "l", "g") {
		t.Error("other files give the same key")
	}
	if key(base+"COPY --from=s a /x\n", "l", "") == key(base+"COPY --from=s a /x\n", "m", "") {
		t.Error("another layer gives the same key")
	}
}

func TestTargets(t *testing.T) {
	f := parsed(t, "# one the first\nFROM a AS one\nFROM one\nFROM b AS two\n# two again\nFROM c AS two\n# four is not described by this\nFROM d\n")
	want := []Target{{"one", false, "the first"}, {"two", false, "again"}, {"", true, ""}}
	if got := Targets(f); !slices.Equal(got, want) {
		t.Errorf("targets are %+v, want %+v", got, want)
	}
}

func TestContextPaths(t *testing.T) {
	for text, want := range map[string]string{
		"FROM scratch\nRUN x":                                             "[] false",
		"FROM scratch\nCOPY a ./b/../c /d e/*.go /":                       "[a c d e/*.go] true",
		"FROM scratch\nCOPY a /\nCOPY . /":                                "[] true",
		"FROM scratch\nARG A=x\nCOPY $A/y /":                              "[x/y] true",
		"FROM scratch\nCOPY a\\\\b /":                                     "[] true",
		"FROM scratch\nADD https://example.com/x git@example.com:r z /y/": "[z] true",
		"FROM scratch\nRUN --mount=type=bind,target=/x y":                 "[] true",
		"FROM scratch\nRUN --mount=type=bind,source=s,target=/x y":        "[s] true",
		"FROM scratch AS other\nCOPY a /\nFROM scratch\nCOPY b /":         "[b] true",
		"FROM scratch AS other\nCOPY a /\nFROM other":                     "[a] true",
	} {
		g, err := Make(input(t, text, Input{}))
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		paths, some := g.ContextPaths()
		if got := fmt.Sprint(paths, some); got != want {
			t.Errorf("%q takes %s, not %s", text, got, want)
		}
	}
}

// The instructions are those of the stages that are built, in the order of the
// Dockerfile, with the steps that do their work.
func TestInstructions(t *testing.T) {
	const text = "ARG V=1\nFROM base AS a\nRUN a\nENV A=$V\nFROM scratch AS unused\nRUN unused\nFROM a AS b\nONBUILD RUN trigger\nFROM dir AS named\nFROM b\nCOPY --from=named \\\n  x /\nRUN --mount=from=other,target=/o <<EOF\nlong\nEOF\nWORKDIR /w\n"
	g, err := Make(input(t, text, Input{Contexts: map[string]Context{"dir": {Dir: "/host/dir"}}}))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, in := range g.Instructions {
		title := ""
		if in.Vertex != nil {
			title, _, _ = strings.Cut(in.Vertex.Title, "]")
		}
		got = append(got, fmt.Sprintf("%d %t %s %s", in.On, in.Trigger, title, in.Text))
	}
	want := []string{
		"0 false  ARG V=1", "0 false [a 1/2 FROM base AS a", "2 false [a 2/2 RUN a", "3 false  ENV A=$V", "4 false  FROM a AS b", "5 false  ONBUILD RUN trigger",
		"0 false [context dir FROM dir AS named", "6 false  FROM b", "8 true [stage-4 1/4 RUN trigger", "9 false [stage-4 2/4 COPY --from=named   x /",
		"10 false [stage-4 3/4 RUN --mount=from=other,target=/o <<EOF", "11 false [stage-4 4/4 WORKDIR /w",
	}
	if !slices.Equal(got, want) {
		t.Errorf("instructions are\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
