// SPDX-License-Identifier: Apache-2.0

package parse

import (
	"slices"
	"strings"
	"testing"
)

func parsed(t *testing.T, text string) *File {
	t.Helper()
	f, err := Parse("Dockerfile", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestParseErrors(t *testing.T) {
	tests := []struct{ text, want, mark string }{
		{"FROM x\n\nXYZZY bar\n", "dockerfile parse error on line 3: unknown instruction: XYZZY", "   3 | >>> XYZZY bar"},
		{"FROM x\nCOPY a\n", "dockerfile parse error on line 2: COPY requires at least two arguments, but only one was provided. Destination could not be determined", "   2 | >>> COPY a"},
		{"RUN x\n", "dockerfile parse error on line 1: no build stage in current context", "   1 | >>> RUN x"},
		{"\n", "dockerfile parse error: file with no instructions", ""},
		{"ARG A\n", "dockerfile contains no stages to build", ""},
		{strings.Repeat("ARG A\n", maxInstructions) + "FROM x\n", "dockerfile parse error: 20001 instructions are more than 20000", ""},
		{"#" + strings.Repeat("x", MaxSize), "dockerfile parse error: larger than 16777216 bytes", ""},
		{"FROM\n", "dockerfile parse error on line 1: FROM requires either one or three arguments", "   1 | >>> FROM"},
	}
	for _, tt := range tests {
		f, err := Parse("Dockerfile", []byte(tt.text))
		if err == nil || err.Error() != tt.want {
			t.Errorf("%q: error is %v, want %s", tt.text, err, tt.want)
			continue
		}
		if got := f.Excerpt(err); !strings.Contains(got, tt.mark) {
			t.Errorf("%q: excerpt is\n%s", tt.text, got)
		}
	}
}

func TestExcerpt(t *testing.T) {
	f := parsed(t, "FROM a\n# one\n# two\nRUN x \\\n  y\n# three\n# four\n# five\n")
	got := f.lines(f.Stages[0].Commands[0].Location())
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
	f := parsed(t, "FROM a AS one\nFROM b AS Two\nFROM c\n")
	for name, want := range map[string]int{"": 2, "one": 0, "ONE": 0, "two": 1} {
		if got, err := f.Target(name); err != nil || got != want {
			t.Errorf("target %q: got %d, %v, want %d", name, got, err, want)
		}
	}
	for name, meant := range map[string]string{"three": "", "0": "", "2": "", "-1": "", "tow": " (did you mean two?)"} {
		if _, err := f.Target(name); err == nil || err.Error() != `target stage "`+name+`" could not be found`+meant {
			t.Errorf("target %q: error is %v", name, err)
		}
	}
}

func TestStages(t *testing.T) {
	f := parsed(t, "FROM a AS one\nFROM b AS one\nFROM c\n")
	for _, tt := range []struct {
		name          string
		limit         int
		named, either int
	}{
		{"one", 3, 1, 1}, {"One", 1, 0, 0}, {"one", 0, -1, -1}, {"2", 3, -1, 2}, {"2", 2, -1, -1}, {"-1", 3, -1, -1}, {"", 3, -1, -1},
	} {
		if n, e := f.Stage(tt.name, tt.limit), f.StageOrNumber(tt.name, tt.limit); n != tt.named || e != tt.either {
			t.Errorf("%q before %d: got %d and %d, want %d and %d", tt.name, tt.limit, n, e, tt.named, tt.either)
		}
	}
	if a, b := f.NameOf(0), f.NameOf(2); a != "one" || b != "stage-2" {
		t.Errorf("names are %q and %q", a, b)
	}
}

func TestSources(t *testing.T) {
	for line, want := range map[string][]string{
		"COPY a b": nil, "COPY --from=x a b": {"x"}, "RUN a": nil, "ADD a b": nil,
		"RUN --mount=from=x,target=$T --mount=type=cache,target=/c --mount=type=cache,from=2,target=/d a": {"x", "2"},
	} {
		f := parsed(t, "FROM a\n"+line+"\n")
		if got := Sources(f.Stages[0].Commands[0]); !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", line, got, want)
		}
	}
}

func TestDirectives(t *testing.T) {
	f := parsed(t, "# syntax=docker/dockerfile:1\n# escape=`\nARG A\nFROM a\nRUN a `\n b\n")
	if f.Escape != '`' || len(f.Meta) != 1 || len(f.Stages[0].Commands) != 1 {
		t.Errorf("got %+v", f)
	}
}

func TestTrigger(t *testing.T) {
	if cmd, err := Trigger("RUN x"); err != nil || cmd.Name() != "RUN" {
		t.Errorf("got %v, %v", cmd, err)
	}
	for text, want := range map[string]string{
		"":             `parse ONBUILD trigger "": file with no instructions`,
		"RUN a\nRUN b": `parse ONBUILD trigger "RUN a\nRUN b": want one instruction`,
		"COPY a":       `parse ONBUILD trigger "COPY a": COPY requires at least two arguments`,
	} {
		if _, err := Trigger(text); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: error is %v, want %s", text, err, want)
		}
	}
}
