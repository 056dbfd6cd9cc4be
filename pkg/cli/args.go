// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// stopsAtArgument are the commands whose options end at the first argument:
// what follows belongs to that argument. Everywhere else flags may stand
// anywhere.
var stopsAtArgument = map[string]bool{
	"run": true, "create": true, "exec": true, "top": true, "commit": true, "tag": true,
	"network create": false, "volume create": false, // share the name, not the rule
}

// usageError is a mistake in the command line, with the command it was made
// in. Code is 125 for a flag that does not exist, as in Docker, and 1
// otherwise.
type usageError struct {
	cmd     *cli.Command // nil: the program itself
	path    string       // run, container run
	message string
	code    int
}

func (e *usageError) Error() string { return e.message }

// helpRequest is --help, which is no mistake.
type helpRequest struct {
	cmd  *cli.Command
	path string
}

func (e *helpRequest) Error() string { return "help requested" }

// settle puts an argument list into the form that urfave/cli reads without
// surprise: every flag as --name=value, then --, then the arguments. It knows
// Docker's syntax, which the flag package does not: -it, -p8080:80, flags after
// arguments, --flag value, and -- to end the flags (urfave/cli issue 976).
func settle(cmd *cli.Command, path string, flags []cli.Flag, args []string, anywhere bool) ([]string, error) {
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
	return append(append(s.out, "--"), s.rest...), nil
}

type settler struct {
	cmd       *cli.Command
	path      string
	flags     []cli.Flag
	out, rest []string
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

func isBool(f cli.Flag) bool {
	_, ok := plain(f).(*cli.BoolFlag)
	return ok
}

func (s *settler) long(text string, args []string) ([]string, error) {
	name, value, has := strings.Cut(text, "=")
	f := s.find(name)
	switch {
	case name == "help" && f == nil:
		return nil, &helpRequest{s.cmd, s.path}
	case f == nil || len(name) == 1:
		return nil, s.wrong("unknown flag: --" + name)
	case isBool(f) && !has:
		value = "true"
	case isBool(f):
		if value != "true" && value != "false" && value != "1" && value != "0" {
			return nil, s.wrong(fmt.Sprintf("invalid argument %q for \"--%s\" flag: strconv.ParseBool: parsing %q: invalid syntax", value, name, value))
		}
	case !has:
		if len(args) == 0 {
			return nil, s.wrong("flag needs an argument: --" + name)
		}
		value, args = args[0], args[1:]
	}
	s.out = append(s.out, "--"+f.Names()[0]+"="+value)
	return args, nil
}

// short reads a cluster: -it, -d, and a value glued to its flag or behind it.
func (s *settler) short(text string, args []string) ([]string, error) {
	for i := 0; i < len(text); i++ {
		name := text[i : i+1]
		f := s.find(name)
		if f == nil {
			if name == "h" {
				return nil, &helpRequest{s.cmd, s.path}
			}
			return nil, s.wrong(fmt.Sprintf("unknown shorthand flag: '%s' in -%s", name, text))
		}
		if isBool(f) {
			if rest, ok := strings.CutPrefix(text[i+1:], "="); ok {
				s.out = append(s.out, "--"+f.Names()[0]+"="+rest)
				return args, nil
			}
			s.out = append(s.out, "--"+f.Names()[0]+"=true")
			continue
		}
		value := strings.TrimPrefix(text[i+1:], "=")
		if value == "" && !strings.HasPrefix(text[i+1:], "=") {
			if len(args) == 0 {
				return nil, s.wrong(fmt.Sprintf("flag needs an argument: '%s' in -%s", name, text))
			}
			value, args = args[0], args[1:]
		}
		s.out = append(s.out, "--"+f.Names()[0]+"="+value)
		return args, nil
	}
	return args, nil
}

func (s *settler) wrong(message string) error {
	return &usageError{s.cmd, s.path, message, 125}
}

// arrange settles a whole command line: the program's flags, the command
// words, and the command's flags and arguments.
func arrange(app *cli.App, args []string) ([]string, error) {
	head, err := settle(nil, "", app.Flags, args, false)
	if err != nil {
		return nil, err
	}
	split := slices.Index(head, "--") // settle puts it there
	out, rest := head[:split:split], head[split+1:]
	cmds, path := app.Commands, ""
	var cmd *cli.Command
	for len(rest) > 0 {
		next := findCommand(cmds, rest[0])
		if next == nil {
			break
		}
		cmd, path = next, strings.TrimSpace(path+" "+rest[0])
		out = append(out, rest[0])
		rest, cmds = rest[1:], next.Subcommands
		if len(next.Subcommands) == 0 {
			break
		}
		if len(next.Flags) > 0 { // of the group: before its command
			if head, err = settle(cmd, path, cmd.Flags, rest, false); err != nil {
				return nil, err
			}
			split = slices.Index(head, "--")
			out, rest = append(out, head[:split]...), head[split+1:]
		}
	}
	switch {
	case cmd == nil && len(rest) > 0:
		return nil, &usageError{nil, "", "unknown command: " + app.Name + " " + rest[0], 1}
	case cmd == nil:
		return out, nil
	}
	cmd.Flags = quicken(cmd.Flags)
	stops, named := stopsAtArgument[path]
	if !named {
		stops = stopsAtArgument[cmd.Name]
	}
	tail, err := settle(cmd, path, cmd.Flags, rest, !stops)
	if err != nil {
		return nil, err
	}
	if len(cmd.Subcommands) > 0 {
		if len(tail) > 1 {
			return nil, &usageError{cmd, path, "unknown command: " + app.Name + " " + path + " " + tail[1], 1}
		}
		return nil, &helpRequest{cmd, path}
	}
	return append(out, tail...), nil
}

func findCommand(cmds []*cli.Command, name string) *cli.Command {
	for _, c := range cmds {
		if c.HasName(name) {
			return c
		}
	}
	return nil
}
