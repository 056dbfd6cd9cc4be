// SPDX-License-Identifier: Apache-2.0

package dockerfile

import (
	"maps"
	"slices"
	"testing"
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
		b := parsed(t, text, Options{})
		i, err := b.file.Target(target)
		if err != nil {
			t.Fatal(err)
		}
		need, err := b.needed(i)
		if err != nil {
			t.Fatal(err)
		}
		if got := slices.Sorted(maps.Keys(need)); !slices.Equal(got, want) {
			t.Errorf("target %q needs %v, want %v", target, got, want)
		}
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
		b := parsed(t, "FROM a\n"+tt.text, Options{})
		s := &stage{args: newArgScope()}
		cmds := b.file.Stages[0].Commands
		for _, c := range cmds[:len(cmds)-1] {
			if err := b.command(s, c); err != nil {
				t.Fatal(err)
			}
		}
		got, err := s.command(runOf(t, cmds[len(cmds)-1]))
		if err != nil {
			t.Errorf("%q: %v", tt.text, err)
		} else if !slices.Equal(got.args, tt.args) || got.script != tt.script || got.note != tt.note {
			t.Errorf("%q: got %+v", tt.text, got)
		}
	}
}
