// SPDX-License-Identifier: Apache-2.0

package docker

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/image"
	"github.com/moby/moby/api/types/volume"

	"coracle/pkg/container"
	"coracle/pkg/events"
	"coracle/pkg/overlay"
)

// wants compares an error with the words it should have; none for none.
func wants(t *testing.T, what string, err error, words string) {
	t.Helper()
	if words == "" && err != nil || words != "" && (err == nil || !strings.Contains(err.Error(), words)) {
		t.Errorf("%s: %v; want %q", what, err, words)
	}
}

func TestMoments(t *testing.T) {
	utc := time.Date(2026, 1, 2, 3, 4, 5, 600000000, time.UTC)
	for s, want := range map[string]time.Time{
		"2026-01-02T03:04:05.6Z": utc, "2026-01-02T04:04:05.6+01:00": utc, fmt.Sprint(utc.Unix()) + ".6": utc, fmt.Sprint(utc.Unix()): utc.Truncate(time.Second), "0": time.Unix(0, 0),
		"2026-01-02T03:04:05": time.Date(2026, 1, 2, 3, 4, 5, 0, time.Local), "2026-01-02T03:04": time.Date(2026, 1, 2, 3, 4, 0, 0, time.Local),
		"2026-01-02T03": time.Date(2026, 1, 2, 3, 0, 0, 0, time.Local), "2026-01-02": time.Date(2026, 1, 2, 0, 0, 0, 0, time.Local), "2026-01-02Z": time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC),
		"": {},
	} {
		if got, err := ParseMoment(s); err != nil || !got.Equal(want) {
			t.Errorf("%q: %v, %v; want %v", s, got, err, want)
		}
	}
	if got, err := ParseMoment("1h30m"); err != nil || time.Since(got).Round(time.Minute) != 90*time.Minute {
		t.Errorf("1h30m: %v, %v", got, err)
	}
	for _, s := range []string{"x", "1.2.3", "1.x", "2026-13-01", "1.0000000001", "yesterday"} {
		_, err := ParseMoment(s)
		wants(t, s, err, fmt.Sprintf("failed to parse value as time or duration: %q", s))
	}
}

// Both forms that clients of the API send give what the command line types.
func TestFiltersOfTheAPI(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "{}": "", "null": "",
		`{"label":["a=1","b"],"status":["exited"]}`:                  "label=a=1 label=b status=exited",
		`{"status":{"running":true,"exited":true},"id":{"x":false}}`: "id=x status=exited status=running",
	} {
		got, err := FilterTexts(text)
		if err != nil || strings.Join(got, " ") != want {
			t.Errorf("%s: %q, %v", text, got, err)
		}
	}
	for _, text := range []string{"x", "[]", `{"a":"b"}`, `{"a":[1]}`, `{"a":{"b":1}}`} {
		_, err := FilterTexts(text)
		wants(t, text, err, "invalid filter: ")
		if KindOf(err) != Invalid {
			t.Errorf("%s: %v", text, KindOf(err))
		}
	}
}

func TestFiltersThatAreRefused(t *testing.T) {
	of := func(parse func([]string) (Filters, error), kv, want string) {
		t.Helper()
		_, err := parse([]string{kv})
		wants(t, kv, err, want)
	}
	for kv, want := range map[string]string{
		"status=running": "", "health=none": "", "exited=0": "", "publish=80-90/tcp": "", "expose=53/udp": "", " Status =running": "",
		"isolation=default": "", "is-task=false": "", "is-task=1": "", "is-task=x": "invalid filter 'is-task=[x]'",
		"status=foo": "invalid filter 'status=foo'", "health=ill": "invalid filter 'health=ill'", "exited=x": "invalid filter 'exited=x'",
		"publish=x": "invalid filter 'publish=x'", "expose=9-8": "invalid filter 'expose=9-8'", "publish=70000": "invalid filter 'publish=70000'",
		"nosuch=1": "invalid filter 'nosuch'", "status": "bad format of filter (expected name=value)",
	} {
		of(ContainerFilters, kv, want)
	}
	for kv, want := range map[string]string{"type=custom": "", "type=x": "invalid filter: 'type'='x'", "dangling=x": "invalid filter 'dangling=[x]'", "dangling=": "invalid filter 'dangling=[]'", "until=1h": "invalid filter 'until'"} {
		of(NetworkFilters, kv, want)
	}
	for kv, want := range map[string]string{"driver=local": "", "dangling=2": "invalid filter 'dangling=[2]'", "type=x": "invalid filter 'type'"} {
		of(VolumeFilters, kv, want)
	}
	for kv, want := range map[string]string{"until=1h": "", "until=x": "failed to parse value", "dangling=x": "invalid filter 'dangling=[x]'"} {
		of(func(l []string) (Filters, error) { return ImageFilters(l, "web") }, kv, want)
		of(func(l []string) (Filters, error) { return PruneFilters(l, "dangling") }, kv, want)
	}
	of(func(l []string) (Filters, error) { return PruneFilters(l) }, "dangling=1", "invalid filter 'dangling'")
	of(VolumePruneFilters, "until=1h", "invalid filter 'until'")
	of(VolumePruneFilters, "all=x", "invalid filter 'all=[x]'")
	of(CacheFilters, "name=x", "invalid filter 'name'")
	of(EventFilters, "name=x", "invalid filter 'name'")
	_, err := PruneFilters([]string{"until=1h", "until=2h"})
	wants(t, "two moments", err, "more than one until filter specified")
	_, err = NetworkFilters([]string{"dangling=1", "dangling=0"})
	wants(t, "yes and no", err, "invalid filter 'dangling=[1 0]'")
}

func TestFiltersOfContainers(t *testing.T) {
	c := running()
	c.State.Ports = append(c.State.Ports, c.State.Ports[0])
	c.State.Ports[1].Proto, c.State.Ports[1].HostPort, c.State.Ports[1].ContainerPort = "udp", 5353, 53
	facts := ContainerFacts{Images: map[string]bool{testID: true}, Network: func(v string) []string {
		if v == "id of front" {
			return []string{"front"}
		}
		return nil
	}}
	for kv, want := range map[string]bool{
		"": true, "id=ba03": true, "id=a033": false, "name=we": true, "name=^web$": true, "name=^/web$": true, "name=/web": true, "name=^eb": false, "name=w.b": true, "name=(": false,
		"label=k": true, "label=k=v": true, "label=k=w": false, "label=x": false, "status=running": true, "status=exited": false, "health=unhealthy": true, "health=none": false,
		"exited=0": false, "ancestor=web": true, "volume=data": true, "volume=/dst": true, "volume=/src": true, "volume=x": false,
		"network=front": true, "network=back": true, "network=id of front": true, "network=bridge": false, "is-task=true": false, "is-task=false": true, "isolation=default": true,
		"publish=8080": true, "publish=8000-9000": true, "publish=80": false, "publish=8080/udp": false, "publish=5353/udp": true,
		"expose=80": true, "expose=443": true, "expose=443/udp": false, "expose=440-450/tcp": true, "expose=53/udp": true, "expose=8080": false,
	} {
		var list []string
		if kv != "" {
			list = []string{kv}
		}
		f, err := ContainerFilters(list)
		if got := f.MatchContainer(c, facts); err != nil || got != want {
			t.Errorf("%s: %t, %v", kv, got, err)
		}
	}
	f := Filters{"ancestor": {"other"}}
	if f.MatchContainer(c, ContainerFacts{}) {
		t.Error("a container of another image")
	}
	ended := created()
	ended.State = container.State{Status: container.Exited, ExitCode: 3}
	if f = (Filters{"exited": {"3", "4"}, "status": {"exited"}}); !f.MatchContainer(ended, facts) {
		t.Error("of the values of a key one has to match")
	}
}

func TestSpan(t *testing.T) {
	at := func(h int) time.Time { return testTime.Add(time.Duration(h) * time.Hour) }
	made := func(arg string) (time.Time, error) {
		if arg == "x" {
			return time.Time{}, &container.NotFoundError{Arg: arg}
		}
		return at(len(arg)), nil
	}
	s, err := Filters{"before": {"aaaaa", "aaaa", "aaaaaa"}, "since": {"a", "aa"}}.Span(made)
	if err != nil || s.holds(at(2)) || !s.holds(at(3)) || s.holds(at(4)) {
		t.Errorf("%+v, %v", s, err)
	}
	if !(Span{}).holds(at(0)) {
		t.Error("no bounds")
	}
	for _, key := range []string{"before", "since"} {
		if _, err := (Filters{key: {"x"}}).Span(made); KindOf(err) != NotFound {
			t.Error(err)
		}
	}
}

func TestFiltersOfNetworks(t *testing.T) {
	own := &Network{Name: "front", ID: "abc", Driver: "bridge", Scope: "local", Labels: map[string]string{"k": "v"}}
	host := &Network{Name: "host", ID: PredefinedID("host"), Driver: "host", Scope: "local"}
	for kv, want := range map[string][3]bool{ // used, not used, always there
		"name=front": {true, true, false}, "name=o": {true, true, true}, "name=^front_": {}, "name=f(": {}, "id=ab": {true, true, false}, "label=k=v": {true, true, false},
		"driver=bridge": {true, true, false}, "driver=host": {false, false, true}, "type=builtin": {false, false, true}, "type=custom": {true, true, false}, "scope=local": {true, true, true}, "scope=swarm": {},
		"dangling=true": {false, true, false}, "dangling=0": {true, false, true},
	} {
		f, err := NetworkFilters([]string{kv})
		if got := [3]bool{f.MatchNetwork(own, true), f.MatchNetwork(own, false), f.MatchNetwork(host, false)}; err != nil || got != want {
			t.Errorf("%s: %v, %v", kv, got, err)
		}
	}
}

func TestFiltersOfVolumes(t *testing.T) {
	v := &volume.Volume{Name: "data", Driver: "damaged", Labels: map[string]string{"k": "v"}}
	for kv, want := range map[string][2]bool{ // used, not used
		"name=at": {true, true}, "name=x": {}, "label=k": {true, true}, "driver=local": {true, true}, "driver=nfs": {}, "dangling=1": {false, true}, "dangling=false": {true, false},
	} {
		f, err := VolumeFilters([]string{kv})
		if got := [2]bool{f.MatchVolume(v, true), f.MatchVolume(v, false)}; err != nil || got != want {
			t.Errorf("%s: %v, %v", kv, got, err)
		}
	}
}

// The filter for references leaves the names that it is about; a digest stays
// with the tags of its repository.
func TestNamesThatAFilterLeaves(t *testing.T) {
	const digest = "@sha256:30ab4d13bf013a32bec5741cd1ca29519a23a5f3d8f505b35d2df609e47f542f"
	for _, c := range []struct {
		pattern       []string
		tags, digests []string
	}{
		{nil, []string{"web:1", "web:2", "me/db:1"}, []string{"web" + digest, "only" + digest}},
		{[]string{"web"}, []string{"web:1", "web:2"}, []string{"web" + digest}},
		{[]string{"web:2"}, []string{"web:2"}, []string{"web" + digest}},
		{[]string{"*/*"}, []string{"me/db:1"}, nil},
		{[]string{"only"}, nil, []string{"only" + digest}},
		{[]string{"me/*", "only"}, []string{"me/db:1"}, []string{"only" + digest}},
		{[]string{"nosuch"}, nil, nil},
		{[]string{"web" + digest}, nil, []string{"web" + digest}},
		{[]string{"docker.io/library/only" + digest}, nil, []string{"only" + digest}},
		{[]string{"me/db" + digest}, nil, nil},
	} {
		s := image.Summary{RepoTags: []string{"web:1", "web:2", "me/db:1"}, RepoDigests: []string{"web" + digest, "only" + digest}}
		some := (Filters{"reference": c.pattern}).KeepNames(&s)
		if !slices.Equal(s.RepoTags, c.tags) || !slices.Equal(s.RepoDigests, c.digests) || some != (len(c.tags)+len(c.digests) > 0) {
			t.Errorf("%v: %v %v", c.pattern, s.RepoTags, s.RepoDigests)
		}
	}
}

// What is kept of three images, of which the oldest has no name and the next a
// label, by each filter.
func TestFiltersOfImages(t *testing.T) {
	now := time.Now()
	images := []overlay.Image{
		{ID: "a", Names: []string{"docker.io/library/web:1"}, Created: now.Add(-time.Minute)},
		{ID: "b", Names: []string{"docker.io/library/db:1"}, Created: now.Add(-time.Hour), Labels: map[string]string{"k": "v"}},
		{ID: "c", Created: now.Add(-2 * time.Hour)},
	}
	lookup := func(arg string) (time.Time, error) {
		return map[string]time.Time{"web:1": images[0].Created, "db:1": images[1].Created}[arg], nil
	}
	for kv, want := range map[string]string{
		"dangling=true": "c", "dangling=1": "c", "dangling=false": "ab", "dangling=0": "ab", "label=k": "b", "label=k=v": "b", "label=k=w": "",
		"label!=k": "ac", "label!=k=w": "abc", "label!=x": "abc", "until=30m": "bc", "until=90m": "c", "until=3h": "", "before=web:1": "bc", "since=db:1": "a",
	} {
		f, err := ImageFilters([]string{kv}, "")
		made, serr := f.Span(lookup)
		kept := ""
		for _, img := range images {
			if f.MatchImage(img, made) {
				kept += img.ID
			}
		}
		if err != nil || serr != nil || kept != want {
			t.Errorf("%s: %q, %v, %v; want %q", kv, kept, err, serr, want)
		}
	}
}

func TestFiltersOfEvents(t *testing.T) {
	start := events.New(events.Container, "start", testID, map[string]string{"name": "web", "image": "nginx:1", "k": "v"})
	health := events.New(events.Container, "health_status: healthy", testID, nil)
	pull := events.New(events.Image, "pull", "nginx:1", map[string]string{"name": "nginx"})
	made := events.New(events.Volume, "create", "data", nil)
	joined := events.New(events.Network, "connect", "abcdef", map[string]string{"name": "front"})
	all := []events.Event{start, health, pull, made, joined}
	for kv, want := range map[string]string{
		"type=container": "01", "type=image": "2", "event=start": "0", "event=health_status": "1", "event=health_status: healthy": "1", "scope=local": "01234", "scope=swarm": "",
		"container=web": "0", "container=/web": "0", "container=" + testID[:12]: "01", "container=we": "", "image=nginx": "02", "image=nginx:1": "02",
		"volume=data": "3", "network=front": "4", "network=abc": "4", "label=k=v": "0", "daemon=x": "", "plugin=x": "",
	} {
		f, err := EventFilters([]string{kv})
		got := ""
		for i, ev := range all {
			if f.MatchEvent(ev) {
				got += fmt.Sprint(i)
			}
		}
		if err != nil || got != want {
			t.Errorf("%s: %q, %v; want %q", kv, got, err, want)
		}
	}
}

func FuzzMoment(f *testing.F) {
	for _, s := range []string{"1h", "12.5", "2026-01-02T03:04:05Z", "0"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		m, err := ParseMoment(s)
		if err != nil || s == "" || m.Year() < 0 || m.Year() > 9999 {
			return
		}
		if again, err := ParseMoment(m.Format(time.RFC3339Nano)); err != nil || !again.Equal(m) {
			t.Errorf("%q is %v, which is %v, %v", s, m, again, err)
		}
	})
}

func FuzzPortRange(f *testing.F) {
	f.Add("80-90/tcp")
	f.Fuzz(func(t *testing.T, s string) {
		low, high, proto, err := portRange(s)
		if err != nil {
			return
		}
		if a, b, p, err := portRange(fmt.Sprintf("%d-%d/%s", low, high, proto)); err != nil || a != low || b != high || p != proto || low > high {
			t.Errorf("%q: %d-%d/%s and %d-%d/%s, %v", s, low, high, proto, a, b, p, err)
		}
	})
}

func FuzzFilterTexts(f *testing.F) {
	f.Add(`{"label":["a"]}`)
	f.Fuzz(func(t *testing.T, s string) {
		list, err := FilterTexts(s)
		if err != nil {
			return
		}
		for _, kv := range list {
			if !strings.Contains(kv, "=") {
				t.Errorf("%q has %q", s, kv)
			}
		}
	})
}
