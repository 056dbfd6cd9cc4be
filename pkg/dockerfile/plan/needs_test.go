// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"maps"
	"runtime"
	"slices"
	"strings"
	"testing"

	"coracle/pkg/oci/platform"
)

func TestNeededStages(t *testing.T) {
	const text = `ARG BASE=one
FROM a AS one
FROM b AS two
FROM c AS three
FROM ${BASE} AS four
COPY --from=two / /
FROM d AS five
RUN --mount=type=bind,from=three,target=/x true
FROM scratch
COPY --from=4 / /
`
	for target, want := range map[string][]int{"one": {0}, "four": {0, 1, 3}, "five": {2, 4}, "": {2, 4, 5}} {
		n, err := newNeeds(input(t, text, Input{Target: target}))
		if err != nil {
			t.Fatal(err)
		}
		if got := slices.Sorted(maps.Keys(n.stages)); !slices.Equal(got, want) {
			t.Errorf("target %q needs %v, want %v", target, got, want)
		}
	}
}

func TestNeededImages(t *testing.T) {
	const text = `ARG V=1
FROM --platform=arm64 base:$V AS a
FROM a AS b
COPY --from=tool /t /t
RUN --mount=type=bind,from=reg.example/x@sha256:00,target=/x --mount=from=mine,target=/y true
FROM mine AS c
FROM unused AS d
FROM scratch
COPY --from=b / /
COPY --from=c / /
COPY --from=$V / /
COPY --from=99 / /
COPY --from=scratch / /
`
	in := input(t, text, Input{Contexts: map[string]Context{"mine": {Image: "real"}}})
	in.Images = nil
	needs, err := Needs(in)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, n := range needs {
		got = append(got, strings.Replace(n.Key(), platform.String(platform.Host())+" ", "here ", 1))
	}
	slices.Sort(got)
	want := []string{"here docker.io/library/real:latest", "linux/arm64 docker.io/library/base:1", "linux/arm64 docker.io/library/real:latest",
		"linux/arm64 docker.io/library/tool:latest", "linux/arm64 reg.example/x@sha256:00"}
	if runtime.GOARCH == "arm64" {
		t.Skip("both platforms are one")
	}
	if !slices.Equal(got, want) {
		t.Errorf("images are\n%q, want\n%q", got, want)
	}
}

// What an image asks for first may need more images, and stages.
func TestTriggersNeedMore(t *testing.T) {
	in := input(t, "FROM scratch AS tools\nWORKDIR /t\nFROM a\n", Input{})
	first := in.Images[Ref{Name: "a"}.Key()]
	first.Config.OnBuild = []string{"COPY --from=tools /t /t", "COPY --from=b /f /f", "RUN x"}
	in.Images = map[string]Found{Ref{Name: "a"}.Key(): first}
	needs, err := Needs(in)
	if err != nil || len(needs) != 2 || needs[1].Name != "b" {
		t.Fatalf("needs are %+v, %v", needs, err)
	}
	in.Images[Ref{Name: "b"}.Key()] = Found{}
	g, err := Make(in)
	if err != nil {
		t.Fatal(err)
	}
	var titles []string
	for _, v := range g.Vertices {
		if v.Title != "" {
			titles = append(titles, v.Title)
		}
	}
	want := []string{"[tools 1/1] WORKDIR /t", "[stage-1 1/4] FROM docker.io/library/a:latest", "[stage-1 2/4] COPY --from=tools /t /t",
		"[stage-1 3/4] COPY --from=b /f /f", "[stage-1 4/4] RUN x"}
	if !slices.Equal(titles, want) {
		t.Errorf("titles are\n%q, want\n%q", titles, want)
	}
}

func TestHeredocCommands(t *testing.T) {
	tests := []struct {
		text   string
		args   []string
		script string
		note   string
	}{
		{"RUN a b\n", []string{"/bin/sh", "-c", "a b"}, "", ""},
		{"RUN [\"a\", \"b c\"]\n", []string{"a", "b c"}, "", ""},
		{"RUN <<EOF\necho 1\necho 2\nEOF\n", []string{"/bin/sh", "-c", "echo 1\necho 2\n"}, "", " (echo 1...)"},
		{"RUN <<-EOF\n\techo 1\n\tEOF\n", []string{"/bin/sh", "-c", "echo 1\n"}, "", " (echo 1)"},
		{"RUN <<EOF\n#!/bin/cat\nx\nEOF\n", []string{"/dev/pipes/EOF"}, "#!/bin/cat\nx\n", " (#!/bin/cat...)"},
		{"RUN cat <<A <<B\n1\nA\n2\nB\n", []string{"/bin/sh", "-c", "cat <<A <<B\n1\nA\n2\nB"}, "", ""},
		{"SHELL [\"/bin/ash\", \"-e\"]\nRUN x\n", []string{"/bin/ash", "-e", "x"}, "", ""},
	}
	for _, tt := range tests {
		op := planned(t, "FROM a\n"+tt.text, Input{}).top
		got := op.Op.(Run)
		if !slices.Equal(got.Args, tt.args) || got.Script != tt.script || !strings.HasSuffix(op.Title, tt.note) {
			t.Errorf("%q: got %q %+v", tt.text, op.Title, got)
		}
	}
}

func TestNeedsRefusesWhatIsNoPlatform(t *testing.T) {
	for text, in := range map[string]Input{
		"FROM --platform=a/b/c/d scratch\n": {},
		"FROM scratch\n":                    {Platform: "a/b/c/d"},
	} {
		in.File = parsed(t, text)
		if _, err := Needs(&in); err == nil || !strings.HasPrefix(err.Error(), "failed to parse platform a/b/c/d: ") {
			t.Errorf("%q for %q: error is %v", text, in.Platform, err)
		}
	}
}
