// SPDX-License-Identifier: Apache-2.0

package flags

import (
	"strings"
	"testing"

	"github.com/urfave/cli/v2"
)

func TestUsageLine(t *testing.T) {
	app := program()
	for _, c := range []struct {
		words string
		want  string
	}{
		{"", "coracle [OPTIONS] COMMAND [ARG...]"},
		{"run", "coracle run [OPTIONS] IMAGE [COMMAND] [ARG...]"},
		{"container", "coracle container COMMAND"},
		{"container run", "coracle container run [OPTIONS] IMAGE [COMMAND] [ARG...]"},
		{"container ls", "coracle container ls"},
	} {
		var cmd *cli.Command
		for w := range strings.FieldsSeq(c.words) {
			from := app.Commands
			if cmd != nil {
				from = cmd.Subcommands
			}
			cmd = FindCommand(from, w)
		}
		if got := UsageLine("coracle", cmd, c.words); got != c.want {
			t.Errorf("%q: %q, want %q", c.words, got, c.want)
		}
	}
}

// TestUsageOfGroup: a group's own options stand in its help, before its commands.
func TestUsageOfGroup(t *testing.T) {
	group := &cli.Command{Name: "compose", Usage: "Define", Flags: []cli.Flag{List("file", Short("f"), "Files")}, Subcommands: []*cli.Command{{Name: "up", Usage: "Start"}}}
	want := `Usage:  coracle compose [OPTIONS] COMMAND

Define

Options:
  -f, --file list   Files

Commands:
  up          Start

Run 'coracle compose COMMAND --help' for more information on a command.
`
	if got := UsageText(&cli.App{Name: "coracle", Commands: []*cli.Command{group}}, group, "compose"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// TestUsageOfCommand: the help of a command is Docker's to the column: options by
// name, those that are not supported in a list of their own, and no line wider than
// 80.
func TestUsageOfCommand(t *testing.T) {
	app := program()
	app.Commands[0].Flags = append([]cli.Flag{
		Text("network", nil, "Connect a container to a network"), Text("memory", Short("m"), "Memory limit"),
		&cli.IntFlag{Name: "stop-timeout", Usage: "Timeout (in seconds) to stop a container that goes on for longer than a line has columns", Value: 10},
		&cli.StringFlag{Name: "pull", Usage: `Pull image before running ("always", "missing", "never")`, Value: "missing"},
		Bool("interactive", Short("i"), "Keep STDIN open even if not attached"), &cli.BoolFlag{Name: "sig-proxy", Usage: "Proxy signals", Value: true},
		&cli.BoolFlag{Name: "secret", Hidden: true}, List("gateway", nil, "Gateways"), Text("blkio-weight", nil, "Block IO"),
		&cli.IntFlag{Name: "retries", Usage: "Retries"},
	}, Absent("there is no daemon", Text("isolation", nil, "lost"))...)
	want := `Usage:  coracle run [OPTIONS] IMAGE [COMMAND] [ARG...]

Create and run a new container from an image

Aliases:
  coracle run

Options:
      --blkio-weight uint   Block IO
      --gateway ips         Gateways
  -i, --interactive         Keep STDIN open even if not attached
  -m, --memory bytes        Memory limit
      --network network     Connect a container to a network
      --pull string         Pull image before running ("always", "missing",
                            "never") (default "missing")
      --retries int         Retries
      --sig-proxy           Proxy signals (default true)
      --stop-timeout int    Timeout (in seconds) to stop a container that goes
                            on for longer than a line has columns (default 10)

Options of Docker that are not supported:
      --isolation string   Not supported: there is no daemon
`
	want = strings.Replace(want, "\nAliases:\n  coracle run\n", "", 1) // there is but one
	got := UsageText(app, app.Commands[0], "run")
	if got != want {
		t.Errorf("%s\nwant:\n%s", got, want)
	}
	for line := range strings.Lines(got) {
		if len(line) > 80 {
			t.Errorf("%d columns: %s", len(line), line)
		}
	}
}

// TestUsageOfProgram lists groups and commands by name, without those that are hidden.
func TestUsageOfProgram(t *testing.T) {
	app := program()
	got := UsageText(app, nil, "")
	for _, want := range []string{
		"Usage:  coracle [OPTIONS] COMMAND\n", "\nManagement Commands:\n  builder     Manage builds\n  container   Manage containers\n  network     Manage networks\n",
		"\nCommands:\n  commit      Commit\n  create      Create and run", "  -D, --debug              Enable debug mode\n",
		"  -l, --log-level string   Set the logging level\n", "\nRun 'coracle COMMAND --help' for more information on a command.\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("has no %q:\n%s", want, got)
		}
	}
	if strings.Contains(got, "hidden") {
		t.Error("shows what is hidden")
	}
	got = UsageText(app, FindCommand(app.Commands, "container"), "container")
	want := `Usage:  coracle container COMMAND

Manage containers

Commands:
  ls          List
  run         Create and run a new container from an image

Run 'coracle container COMMAND --help' for more information on a command.
`
	if got != want {
		t.Errorf("%s\nwant:\n%s", got, want)
	}
}

// TestAliases: a command that stands in a group and by itself names both, the group's
// first.
func TestAliases(t *testing.T) {
	app := program()
	run := FindCommand(app.Commands, "run")
	got := UsageText(app, run, "run")
	if !strings.Contains(got, "\nAliases:\n  coracle container run, coracle run, coracle create\n") {
		t.Errorf("%s", got)
	}
	if got := UsageText(app, FindCommand(app.Commands, "ps"), "ps"); strings.Contains(got, "Aliases") {
		t.Errorf("ps has others:\n%s", got)
	}
	ls := FindCommand(app.Commands, "container").Subcommands[1]
	if got := UsageText(app, ls, "container ls"); !strings.Contains(got, "  coracle container ls, coracle container list\n") {
		t.Errorf("%s", got)
	}
}

func TestWrapText(t *testing.T) {
	for _, c := range []struct {
		text          string
		indent, width int
		want          string
	}{
		{"", 4, 30, ""},
		{"one", 4, 30, "one"},
		{"words of  a\nline", 4, 79, "words of a line"},
		{"aaaaaaaaaa bbbbbbbbbb cccccccccc", 4, 28, "aaaaaaaaaa bbbbbbbbbb\n    cccccccccc"},
		{"aaaaaaaaaa bbbbbbbbbbbbb c", 0, 24, "aaaaaaaaaa bbbbbbbbbbbbb\nc"},                 // to the last column
		{"aaaaaaaaaa bbbbbbbbbbbbbb", 0, 24, "aaaaaaaaaa\nbbbbbbbbbbbbbb"},                   // and not past it
		{"aaaaaaaaaa bbbbbbbbbb c", 60, 62, "aaaaaaaaaa bbbbbbbbbb c"},                       // never narrower than 24
		{strings.Repeat("x", 40) + " y", 2, 26, strings.Repeat("x", 40) + "\n" + "  " + "y"}, // a word stays whole
	} {
		if got := wrapText(c.text, c.indent, c.width); got != c.want {
			t.Errorf("%q: %q, want %q", c.text, got, c.want)
		}
	}
}
