// SPDX-License-Identifier: Apache-2.0

package dockerfile

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

func TestParseErrors(t *testing.T) {
	tests := []struct{ text, want, mark string }{
		{"FROM x\n\nXYZZY bar\n", "dockerfile parse error on line 3: unknown instruction: XYZZY", "   3 | >>> XYZZY bar"},
		{"FROM x\nCOPY a\n", "dockerfile parse error on line 2: COPY requires at least two arguments, but only one was provided. Destination could not be determined", "   2 | >>> COPY a"},
		{"RUN x\n", "dockerfile parse error on line 1: no build stage in current context", "   1 | >>> RUN x"},
		{"\n", "the Dockerfile (Dockerfile) cannot be empty", ""},
		{"FROM\n", "dockerfile parse error on line 1: FROM requires either one or three arguments", "   1 | >>> FROM"},
	}
	for _, tt := range tests {
		b := &builder{ctx: t.Context(), tell: &teller{}, o: Options{Source: strings.NewReader(tt.text), Dockerfile: "Dockerfile"}, used: map[string]bool{}}
		err := b.load()
		if err == nil || err.Error() != tt.want {
			t.Errorf("%q: error is %v, want %s", tt.text, err, tt.want)
			continue
		}
		e, ok := b.locate(err).(*Error)
		if !ok || !strings.Contains(e.Excerpt, tt.mark) {
			t.Errorf("%q: excerpt is\n%s", tt.text, e.Excerpt)
		}
	}
}

func TestExcerpt(t *testing.T) {
	b := parsed(t, "FROM a\n# one\n# two\nRUN x \\\n  y\n# three\n# four\n# five\n", Options{})
	got := b.file.excerpt(b.file.stages[0].Commands[0].Location())
	want := `Dockerfile:4
--------------------
   2 |     # one
   3 |     # two
   4 | >>> RUN x \
   5 | >>>   y
   6 |     # three
   7 |     # four
--------------------
`
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestTarget(t *testing.T) {
	b := parsed(t, "FROM a AS one\nFROM b AS Two\nFROM c\n", Options{})
	for name, want := range map[string]int{"": 2, "one": 0, "ONE": 0, "two": 1} {
		if got, err := b.file.target(name); err != nil || got != want {
			t.Errorf("target %q: got %d, %v, want %d", name, got, err, want)
		}
	}
	for name, meant := range map[string]string{"three": "", "0": "", "2": "", "-1": "", "tow": " (did you mean two?)"} {
		if _, err := b.file.target(name); err == nil || err.Error() != `target stage "`+name+`" could not be found`+meant {
			t.Errorf("target %q: error is %v", name, err)
		}
	}
}

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
		i, err := b.file.target(target)
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
		cmds := b.file.stages[0].Commands
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
