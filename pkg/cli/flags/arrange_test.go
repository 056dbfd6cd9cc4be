// SPDX-License-Identifier: Apache-2.0

package flags

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"
)

// program is one with commands that have flags of each form.
func program() *cli.App {
	run := func(name string) *cli.Command {
		return &cli.Command{
			Name: name, Usage: "Create and run a new container from an image", ArgsUsage: "IMAGE [COMMAND] [ARG...]",
			Flags: append([]cli.Flag{
				Bool("interactive", Short("i"), "Keep STDIN open"), Bool("tty", Short("t"), "Allocate a pseudo-TTY"),
				Bool("detach", Short("d"), "Run in background"), Bool("rm", nil, "Remove"),
				List("publish", Short("p"), "Publish a port"), List("env", Short("e"), "Set environment variables"),
				Text("name", nil, "Assign a name"), Text("memory", Short("m"), "Memory limit"), Text("user", Short("u"), "Username or UID"),
				&cli.IntFlag{Name: "stop-timeout", Usage: "Timeout (in seconds)"},
				&cli.Int64Flag{Name: "pids-limit", Usage: "Tune pids limit"},
				&cli.DurationFlag{Name: "health-interval", Usage: "Time between checks"},
			}, Absent("there is no daemon", Text("isolation", nil, ""), Bool("privileged-x", nil, ""), List("runtime", nil, ""))...),
		}
	}
	return &cli.App{
		Name:  "coracle",
		Flags: []cli.Flag{Bool("debug", Short("D"), "Enable debug mode"), Text("log-level", Short("l"), "Set the logging level")},
		Commands: []*cli.Command{
			run("run"), run("create"),
			{Name: "ps", Usage: "List containers", Flags: []cli.Flag{Bool("all", Short("a"), "Show all"), List("filter", Short("f"), "Filter"), Bool("size", Short("s"), "")}},
			{Name: "stop", Usage: "Stop", Flags: []cli.Flag{&cli.IntFlag{Name: "timeout", Aliases: []string{"time", "t"}, Usage: "Seconds"}}},
			{Name: "commit", Usage: "Commit", Flags: []cli.Flag{Bool("pause", Short("p"), ""), Bool("no-pause", nil, "")}},
			{Name: "plugin", SkipFlagParsing: true},
			{Name: "container", Usage: "Manage containers", Subcommands: []*cli.Command{run("run"), {Name: "ls", Aliases: []string{"list"}, Usage: "List"}}},
			{Name: "network", Usage: "Manage networks", Subcommands: []*cli.Command{
				{Name: "create", Usage: "Create a network", Flags: []cli.Flag{Text("driver", Short("d"), "Driver"), Bool("internal", nil, "")}},
			}},
			{Name: "builder", Usage: "Manage builds", Flags: []cli.Flag{Text("node", nil, "")}, Subcommands: []*cli.Command{{Name: "prune"}}},
			{Name: "hidden", Hidden: true},
		},
	}
}

// TestArrange: which ways to write a command line mean the same.
func TestArrange(t *testing.T) {
	for _, c := range []struct{ name, args, want string }{
		{"nothing", "", ""},
		{"a command", "ps", "ps --"},
		{"one letter", "ps -a", "ps --all=true --"},
		{"a long name", "ps --all", "ps --all=true --"},
		{"with a value", "ps --all=false", "ps --all=false --"},
		{"other words for it", "ps --all=0 --size=T", "ps --all=false --size=true --"},
		{"a letter with a value", "ps -a=false", "ps --all=false --"},
		{"a flag is no value of a switch", "ps --all false", "ps --all=true -- false"},
		{"a cluster", "run -it busybox", "run --interactive=true --tty=true -- busybox"},
		{"a cluster that ends in a value", "run -itp8080:80 busybox", "run --interactive=true --tty=true --publish=8080:80 -- busybox"},
		{"the value behind it", "run -itp 8080:80 busybox", "run --interactive=true --tty=true --publish=8080:80 -- busybox"},
		{"a cluster whose last switch is off", "run -it=false busybox", "run --interactive=true --tty=false -- busybox"},
		{"= behind a letter", "run -p=8080:80 busybox", "run --publish=8080:80 -- busybox"},
		{"a value that is a flag", "run --name -d busybox", "run --name=-d -- busybox"},
		{"a value that has =", "run -e A=B=C busybox", "run --env=A=B=C -- busybox"},
		{"an empty value", "run --name= busybox", "run --name= -- busybox"},
		{"often", "run -e A=1 -e B=2 busybox", "run --env=A=1 --env=B=2 -- busybox"},
		{"what follows an image is the command's", "run busybox ls -l --all", "run -- busybox ls -l --all"},
		{"also --", "run busybox -- -x", "run -- busybox -- -x"},
		{"-- ends the flags", "run --rm -- -image -it", "run --rm=true -- -image -it"},
		{"elsewhere flags stand anywhere", "stop web --timeout 3 db", "stop --timeout=3 -- web db"},
		{"until --", "stop web -- --timeout", "stop -- web --timeout"},
		{"an alias is the flag", "stop --time=3 web", "stop --timeout=3 -- web"},
		{"a lone dash is an argument", "stop - web", "stop -- - web"},
		{"a negative number is a value", "stop -t -1 web", "stop --timeout=-1 -- web"},
		{"glued too", "stop -t-1 web", "stop --timeout=-1 -- web"},
		{"numbers of other bases", "stop -t 0x10 web", "stop --timeout=0x10 -- web"},
		{"the program's flags first", "-D --log-level debug ps -a", "--debug=true --log-level=debug ps --all=true --"},
		{"a group", "container run -d busybox sh -c x", "container run --detach=true -- busybox sh -c x"},
		{"a group's list by its other name", "container list", "container list --"},
		{"create of networks shares the name, not the rule", "network create web --internal", "network create --internal=true -- web"},
		{"a flag of a group", "builder --node x prune", "builder --node=x prune --"},
		{"who reads its flags itself", "plugin --x -- y", "plugin --x -- y"},
		{"a duration", "run --health-interval 1m30s busybox", "run --health-interval=1m30s -- busybox"},
		{"what is not supported may be said to be off", "run --privileged-x=false --isolation= busybox", "run --privileged-x=false --isolation= -- busybox"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, notes, err := Arrange(program(), strings.Fields(c.args))
			if err != nil {
				t.Fatal(err)
			}
			if g := strings.Join(got, " "); g != c.want && g != c.want+"--" {
				t.Errorf("%s\nbecomes %s\nwant    %s", c.args, g, c.want)
			}
			for _, n := range notes {
				if !strings.HasPrefix(n, "Flag --") {
					t.Errorf("says %q", n)
				}
			}
		})
	}
}

// TestArrangedIsRead: what comes out is what urfave/cli reads, to the last value.
func TestArrangedIsRead(t *testing.T) {
	app := program()
	args, _, err := Arrange(app, []string{"run", "-itp", "1:2", "-e", "A=1,2", "--name", "--x", "--stop-timeout=-1", "image", "-c", "--", "x"})
	if err != nil {
		t.Fatal(err)
	}
	ran := false
	app.Commands[0].Action = func(c *cli.Context) error {
		ran = true
		if !c.Bool("interactive") || !c.Bool("t") || c.Bool("detach") || c.String("name") != "--x" || c.Int("stop-timeout") != -1 {
			t.Errorf("read as %v %v %q %d", c.Bool("interactive"), c.Bool("t"), c.String("name"), c.Int("stop-timeout"))
		}
		if got := c.Args().Slice(); !slices.Equal(got, []string{"image", "-c", "--", "x"}) {
			t.Errorf("arguments: %q", got)
		}
		if got := c.StringSlice("publish"); !slices.Equal(got, []string{"1:2"}) {
			t.Errorf("ports: %q", got)
		}
		return nil
	}
	if err := app.Run(append([]string{"coracle"}, args...)); err != nil || !ran {
		t.Errorf("ran: %v, %v", ran, err)
	}
}

// TestMistakes: what is said of a mistake, as Docker says it, with whose help, and
// how the program ends.
func TestMistakes(t *testing.T) {
	for _, c := range []struct {
		args, want, path string
		code             int
	}{
		{"ps --nosuch", "unknown flag: --nosuch", "ps", 125},
		{"ps --nosuch=1", "unknown flag: --nosuch", "ps", 125},
		{"ps --a", "unknown flag: --a", "ps", 125},
		{"ps -x", "unknown shorthand flag: 'x' in -x", "ps", 125},
		{"ps -axs", "unknown shorthand flag: 'x' in -axs", "ps", 125},
		{"run -itx busybox", "unknown shorthand flag: 'x' in -itx", "run", 125},
		{"--nosuch ps", "unknown flag: --nosuch", "", 125},
		{"-x ps", "unknown shorthand flag: 'x' in -x", "", 125},
		{"run --name", "flag needs an argument: --name", "run", 125},
		{"run -itp", "flag needs an argument: 'p' in -itp", "run", 125},
		{"container run --name", "flag needs an argument: --name", "container run", 125},
		{"ps --all=maybe", `invalid argument "maybe" for "-a, --all" flag: strconv.ParseBool: parsing "maybe": invalid syntax`, "ps", 125},
		{"ps --=x", "bad flag syntax: --=x", "ps", 125},
		{"ps ---all", "bad flag syntax: ---all", "ps", 125},
		{"stop -t soon web", `invalid argument "soon" for "-t, --timeout" flag: strconv.ParseInt: parsing "soon": invalid syntax`, "stop", 125},
		{"run --memory much busybox", `invalid argument "much" for "-m, --memory" flag: invalid size: 'much'`, "run", 125},
		{"run --isolation=x busybox", "--isolation is not supported: there is no daemon", "run", 125},
		{"run --privileged-x busybox", "--privileged-x is not supported: there is no daemon", "run", 125},
		{"run --runtime x busybox", "--runtime is not supported: there is no daemon", "run", 125},
		{"nosuch", "unknown command: coracle nosuch", "", 1},
		{"container nosuch", "unknown command: coracle container nosuch", "container", 1},
		{"builder --nosuch prune", "unknown flag: --nosuch", "builder", 125},
	} {
		_, _, err := Arrange(program(), strings.Fields(c.args))
		var u *UsageError
		if !errors.As(err, &u) {
			t.Errorf("%s: %v", c.args, err)
			continue
		}
		if u.Error() != c.want || u.Code != c.code || u.Path != c.path {
			t.Errorf("%s: %q of %q, %d\nwant %q of %q, %d", c.args, u.Message, u.Path, u.Code, c.want, c.path, c.code)
		}
		if (u.Cmd == nil) != (c.path == "") || u.Cmd != nil && !strings.HasSuffix(c.path, u.Cmd.Name) {
			t.Errorf("%s: of the command %v", c.args, u.Cmd)
		}
	}
}

// TestHelpIsAskedFor: --help is no mistake, wherever it stands among the flags, and
// behind the arguments of run it is the command's.
func TestHelpIsAskedFor(t *testing.T) {
	for _, c := range []struct {
		args, path string
		bare       bool
		notes      string
	}{
		{"--help", "", false, ""},
		{"-h", "", false, "Flag shorthand -h has been deprecated, use --help"},
		{"run --help", "run", false, ""},
		{"run --rm --help busybox", "run", false, ""},
		{"run -ith", "run", false, "Flag shorthand -h has been deprecated, use --help"},
		{"stop web --help", "stop", false, ""},
		{"container", "container", true, ""},
		{"container --help", "container", false, ""},
		{"container run --help", "container run", false, ""},
		{"builder", "builder", true, ""},
	} {
		_, _, err := Arrange(program(), strings.Fields(c.args))
		var h *HelpRequest
		if !errors.As(err, &h) {
			t.Errorf("%s: %v", c.args, err)
			continue
		}
		if h.Path != c.path || h.Bare != c.bare || strings.Join(h.Notes, "|") != c.notes || h.Error() == "" {
			t.Errorf("%s: %+v", c.args, h)
		}
	}
	if got, _, err := Arrange(program(), []string{"run", "busybox", "--help"}); err != nil || !slices.Contains(got, "--help") {
		t.Errorf("%v, %v", got, err)
	}
}

// TestDeprecated: flags that Docker takes for old scripts are taken with its words.
func TestDeprecated(t *testing.T) {
	for args, want := range map[string]string{
		"stop --time 3 web":     "Flag --time has been deprecated, use --timeout instead",
		"stop --timeout 3 web":  "",
		"stop -t 3 web":         "",
		"commit --pause web":    "Flag --pause has been deprecated, and enabled by default. Use --no-pause to disable pausing during commit.",
		"commit --no-pause web": "",
		"commit -p web":         "",
	} {
		_, notes, err := Arrange(program(), strings.Fields(args))
		if err != nil || strings.Join(notes, "|") != want {
			t.Errorf("%s: %q, %v", args, notes, err)
		}
	}
	for _, c := range []struct{ cmd, name, want string }{
		{"run", "kernel-memory", "Flag --kernel-memory has been deprecated, and no longer supported by the kernel"},
		{"pull", "disable-content-trust", "Flag --disable-content-trust has been deprecated, support for docker content trust was removed"},
		{"build", "disable-content-trust", "Flag --disable-content-trust has been deprecated, support for docker content trust was removed"},
		{"pause", "pause", ""}, {"run", "name", ""}, {"api", "time", ""},
	} {
		if got := deprecation(c.cmd, c.name); got != c.want {
			t.Errorf("%s --%s: %q", c.cmd, c.name, got)
		}
	}
}

func TestFindCommand(t *testing.T) {
	app := program()
	ls := FindCommand(FindCommand(app.Commands, "container").Subcommands, "list")
	if ls == nil || ls.Name != "ls" {
		t.Errorf("by an alias: %v", ls)
	}
	if c := FindCommand(app.Commands, "ru"); c != nil {
		t.Errorf("by a part of the name: %v", c.Name)
	}
}

func TestSplitCommas(t *testing.T) {
	for in, want := range map[string]string{"a": "a", "a,b": "a|b", "a, b|c": "a|b|c", "": "", "a,,b": "a||b"} {
		if got := strings.Join(SplitCommas(strings.Split(in, "|")), "|"); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	if got := SplitCommas(nil); got != nil {
		t.Errorf("%q", got)
	}
}

// FuzzArrange: any line is arranged or refused, by nothing else than the two errors,
// and what was arranged once stays as it is.
func FuzzArrange(f *testing.F) {
	for _, s := range []string{"run -it busybox", "ps -a=x", "stop -- -", "run -e", "-D=", "container run --name=\x00", "network --", "run --=x", "run -=", "run --", "builder -- prune"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		app := program()
		out, _, err := Arrange(app, strings.Split(line, " "))
		var u *UsageError
		var h *HelpRequest
		switch {
		case errors.As(err, &u):
			if u.Message == "" || u.Code != 125 && u.Code != 1 {
				t.Errorf("%+v", u)
			}
		case errors.As(err, &h):
		case err != nil:
			t.Errorf("%v", err)
		default:
			again, _, err := Arrange(program(), out)
			if err != nil || !slices.Equal(again, out) {
				t.Errorf("%q becomes %q, then %q, %v", line, out, again, err)
			}
		}
	})
}
