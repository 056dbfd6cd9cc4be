// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

const runHelp = `Usage:  coracle run [OPTIONS] IMAGE [COMMAND] [ARG...]

Options:
  -d, --detach            Run container in background
      --name string       Assign a name
  -p, --publish list      Publish a port
      --a-name-that-is-too-long-for-one-line string
                          And what it is
  -i, --interactive       Keep STDIN open
`

// said is a program whose help is known.
func said() *program {
	top := parse("Commands:\n  run         Create and run\n  compose     Define\n\nGlobal Options:\n      --root string   Where\n")
	return &program{helps: map[string]*help{
		"": top, "run": parse(runHelp), "compose": parse("Options:\n  -f, --file list   Files\n\nCommands:\n  up          Start\n"), "compose up": parse("Options:\n  -d, --detach   Behind\n"),
		"compose away": nil, "away": nil,
	}}
}

func TestCheck(t *testing.T) {
	for line, want := range map[string]string{
		"coracle run -d --name a -p 80:80 busybox ls --not-ours":               "",
		"$ coracle run -di --name=a busybox":                                   "",
		"coracle run -p80:80 --a-name-that-is-too-long-for-one-line x busybox": "",
		"coracle run --nothing busybox":                                        "no such option",
		"coracle run -dx busybox":                                              "no such option",
		"coracle away":                                                         "no such command",
		"coracle --root /x compose -f a.yaml up -d web":                        "",
		"coracle compose up -d web --detach":                                   "",
		"coracle compose away":                                                 "no such command",
		"coracle compose up --away":                                            "no such option",
		"coracle COMMAND --help":                                               "",
		"coracle run […]":                                                      "",
		"A=b coracle away":                                                     "no such command",
		"echo x | coracle away":                                                "no such command",
		"coracle run -d busybox # --away":                                      "",
		"(cd x && coracle compose up --away)":                                  "no such option",
	} {
		p, wrong := said(), ""
		for _, words := range typed(line) {
			wrong += p.check(words)
		}
		if (want == "") != (wrong == "") || !strings.Contains(wrong, want) {
			t.Errorf("%s: %q, want %q", line, wrong, want)
		}
	}
}

func TestDocument(t *testing.T) {
	t.Chdir(t.TempDir())
	var wrong []string
	d := document{name: "a.md", text: "# A `title`, of *two*\n[here](#a-title-of-two) [there](#b) [gone](gone.md) [web](https://example.com/)\n`hack/gone.sh` `hack` CORACLE_GONE CORACLE_HERE\n```\n[no](link)\n```\n",
		wrong: func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }}
	if got := headings(d.text); !slices.Equal(got, []string{"a-title-of-two"}) {
		t.Errorf("headings: %q", got)
	}
	d.links()
	d.paths()
	d.variables(map[string]bool{"CORACLE_HERE": true})
	want := []string{"a link leads to #b, which is not there", "a link leads to gone.md, which is not there", "there is no hack/gone.sh", "nothing reads CORACLE_GONE"}
	if slices.Sort(wrong); len(wrong) == len(want)+1 { // a.md itself is not written
		wrong = slices.DeleteFunc(wrong, func(w string) bool { return strings.Contains(w, "#a-title-of-two") })
	}
	if slices.Sort(want); !slices.Equal(wrong, want) {
		t.Errorf("got %q, want %q", wrong, want)
	}
}

func TestVerbs(t *testing.T) {
	var wrong []string
	d := document{text: "x\n\nThe verbs are `up`, `down`\nand `away`; and one more.\n\n`coracle compose install`, `ps`\n", wrong: func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }}
	d.verbs([]string{"up", "down", "install", "ps", "new"})
	if want := []string{"there is no verb away", "it does not say that there is the verb new"}; !slices.Equal(wrong, want) {
		t.Errorf("got %q, want %q", wrong, want)
	}
}
