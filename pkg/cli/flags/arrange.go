// SPDX-License-Identifier: Apache-2.0

package flags

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"
)

// stopsAtArgument are the commands whose options end at the first argument:
// what follows belongs to that argument. Everywhere else flags may stand
// anywhere.
var stopsAtArgument = map[string]bool{
	"run": true, "create": true, "exec": true, "top": true, "commit": true, "tag": true, "api": true,
	"network create": false, "volume create": false, "compose create": false, "compose top": false, // share the name, not the rule
}

// UsageError is a mistake in the command line, with the command it was made
// in. Code is 125 for a flag that does not exist, as in Docker, and 1
// otherwise.
type UsageError struct {
	Cmd     *cli.Command // nil: the program itself
	Path    string       // run, container run
	Message string
	Code    int
	See     bool // Docker says See for Run where arguments are missing
}

func (e *UsageError) Error() string { return e.Message }

// HelpRequest is --help, which is no mistake. A group without its command asks
// for help too, on standard error.
type HelpRequest struct {
	Cmd   *cli.Command
	Path  string
	Bare  bool
	Notes []string // to say before
}

func (e *HelpRequest) Error() string { return "help requested" }

// settle puts an argument list into the form that urfave/cli reads without
// surprise: every flag as --name=value, then --, then the arguments. It knows
// Docker's syntax, which the flag package does not: -it, -p8080:80, flags after
// arguments, --flag value, and -- to end the flags (urfave/cli issue 976).
func (a *arranger) settle(cmd *cli.Command, path string, flags []cli.Flag, args []string, anywhere bool) ([]string, error) {
	if cmd != nil && cmd.SkipFlagParsing {
		return args, nil
	}
	s := settler{cmd: cmd, path: path, flags: flags}
	for len(args) > 0 {
		arg := args[0]
		args = args[1:]
		var err error
		switch {
		case arg == "--":
			s.rest = append(s.rest, args...)
			args = nil
		case strings.HasPrefix(arg, "--"):
			args, err = s.long(arg[2:], args)
		case len(arg) > 1 && arg[0] == '-':
			args, err = s.short(arg[1:], args)
		default:
			s.rest = append(s.rest, arg)
			if !anywhere {
				s.rest = append(s.rest, args...)
				args = nil
			}
		}
		if err != nil {
			return nil, err
		}
	}
	a.notes = append(a.notes, s.notes...)
	return append(append(s.out, "--"), s.rest...), nil
}

type settler struct {
	cmd       *cli.Command
	path      string
	flags     []cli.Flag
	out, rest []string
	notes     []string // what Docker says of flags that it takes for old scripts
}

// set adds a flag with a value of its kind. As was how it was written: --name
// or -n.
func (s *settler) set(f cli.Flag, name, value string) error {
	names := f.Names()
	if err := s.check(f, value); err != nil {
		shown := "--" + names[0]
		for _, n := range names[1:] {
			if len(n) == 1 {
				shown = "-" + n + ", " + shown
			}
		}
		return s.wrong(fmt.Sprintf("invalid argument %q for %q flag: %v", value, shown, err))
	}
	if why := absence(f); why != "" && value != "" && value != "false" {
		return s.wrong("--" + names[0] + " is not supported: " + why)
	}
	if IsBool(f) {
		on, _ := strconv.ParseBool(value) // checked
		value = strconv.FormatBool(on)
	}
	command := ""
	if s.cmd != nil {
		command = s.cmd.Name
	}
	if note := deprecation(command, name); note != "" {
		s.notes = append(s.notes, note)
	}
	s.out = append(s.out, "--"+names[0]+"="+value)
	return nil
}

func (s *settler) check(f cli.Flag, value string) error {
	if check := kindOf(f).check; check != nil {
		return check(value)
	}
	return nil
}

func (s *settler) find(name string) cli.Flag {
	for _, f := range s.flags {
		for _, n := range f.Names() {
			if n == name {
				return f
			}
		}
	}
	return nil
}

// IsBool reports whether a flag needs no value.
func IsBool(f cli.Flag) bool {
	_, ok := plain(f).(*cli.BoolFlag)
	return ok
}

func (s *settler) long(text string, args []string) ([]string, error) {
	name, value, has := strings.Cut(text, "=")
	f := s.find(name)
	switch {
	case name == "" || name[0] == '-':
		return nil, s.wrong("bad flag syntax: --" + text)
	case name == "help" && f == nil:
		return nil, &HelpRequest{Cmd: s.cmd, Path: s.path}
	case f == nil || len(name) == 1:
		return nil, s.wrong("unknown flag: --" + name)
	case IsBool(f) && !has:
		value = "true"
	case IsBool(f):
	case !has:
		if len(args) == 0 {
			return nil, s.wrong("flag needs an argument: --" + name)
		}
		value, args = args[0], args[1:]
	}
	return args, s.set(f, name, value)
}

// short reads a cluster: -it, -d, and a value glued to its flag or behind it.
func (s *settler) short(text string, args []string) ([]string, error) {
	for i := 0; i < len(text); i++ {
		name := text[i : i+1]
		f := s.find(name)
		if f == nil {
			if name == "h" {
				return nil, &HelpRequest{Cmd: s.cmd, Path: s.path, Notes: []string{"Flag shorthand -h has been deprecated, use --help"}}
			}
			return nil, s.wrong(fmt.Sprintf("unknown shorthand flag: '%s' in -%s", name, text))
		}
		if IsBool(f) {
			if rest, ok := strings.CutPrefix(text[i+1:], "="); ok {
				return args, s.set(f, name, rest)
			}
			if err := s.set(f, name, "true"); err != nil {
				return nil, err
			}
			continue
		}
		value := strings.TrimPrefix(text[i+1:], "=")
		if value == "" && !strings.HasPrefix(text[i+1:], "=") {
			if len(args) == 0 {
				return nil, s.wrong(fmt.Sprintf("flag needs an argument: '%s' in -%s", name, text))
			}
			value, args = args[0], args[1:]
		}
		return args, s.set(f, name, value)
	}
	return args, nil
}

func (s *settler) wrong(message string) error {
	return &UsageError{Cmd: s.cmd, Path: s.path, Message: message, Code: 125}
}

// arranger settles a whole command line: the program's flags, the command
// words, and the command's flags and arguments.
type arranger struct {
	app   *cli.App
	cmd   *cli.Command // the one found so far; nil: the program itself
	path  string       // its words
	notes []string     // what there is to say about flags
}

// Arrange puts a whole command line into the form that urfave/cli reads without
// surprise. It returns that, and what there is to say about flags in it.
// The error is a *UsageError or a *HelpRequest.
func Arrange(app *cli.App, args []string) ([]string, []string, error) {
	a := arranger{app: app}
	out, rest, err := a.words(args)
	if err != nil {
		return nil, nil, err
	}
	switch {
	case a.cmd == nil && len(rest) > 0:
		return nil, nil, &UsageError{Message: "unknown command: " + app.Name + " " + rest[0], Code: 1}
	case a.cmd == nil:
		return out, a.notes, nil
	}
	cmd := a.cmd
	cmd.Flags = quicken(cmd.Flags)
	stops, named := stopsAtArgument[a.path]
	if !named {
		stops = stopsAtArgument[cmd.Name]
	}
	tail, err := a.settle(cmd, a.path, cmd.Flags, rest, !stops)
	if err != nil {
		return nil, nil, err
	}
	if len(cmd.Subcommands) > 0 {
		if len(tail) > 1 {
			return nil, nil, &UsageError{Cmd: cmd, Path: a.path, Message: "unknown command: " + app.Name + " " + a.path + " " + tail[1], Code: 1}
		}
		return nil, nil, &HelpRequest{Cmd: cmd, Path: a.path, Bare: true}
	}
	return append(out, tail...), a.notes, nil
}

// words finds the command. It returns the program's flags and the command's
// words, settled, and what follows them.
func (a *arranger) words(args []string) (out, rest []string, err error) {
	head, err := a.settle(nil, "", a.app.Flags, args, false)
	if err != nil {
		return nil, nil, err
	}
	split := slices.Index(head, "--") // settle puts it there
	out, rest = head[:split:split], head[split+1:]
	for cmds := a.app.Commands; len(rest) > 0; {
		next := FindCommand(cmds, rest[0])
		if next == nil {
			break
		}
		a.cmd, a.path = next, strings.TrimSpace(a.path+" "+rest[0])
		out = append(out, rest[0])
		rest, cmds = rest[1:], next.Subcommands
		if len(next.Subcommands) == 0 {
			break
		}
		if len(next.Flags) > 0 { // of the group: before its command
			if head, err = a.settle(next, a.path, next.Flags, rest, false); err != nil {
				return nil, nil, err
			}
			split = slices.Index(head, "--")
			out, rest = append(out, head[:split]...), head[split+1:]
		}
	}
	return out, rest, nil
}

// FindCommand returns the command of a name or alias, or nil.
func FindCommand(cmds []*cli.Command, name string) *cli.Command {
	for _, c := range cmds {
		if c.HasName(name) {
			return c
		}
	}
	return nil
}
