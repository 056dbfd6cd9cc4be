// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"coracle/pkg/api"
	"coracle/pkg/cli/command"
	"coracle/pkg/docker"
)

// unsupported are Docker's commands that coracle does not have, and why.
var unsupported = []struct{ group, name, why string }{
	{"", "checkpoint", "restoring a process needs root"},
	{"", "config", "it is a cluster's"},
	{"", "node", "it is a cluster's"},
	{"", "plugin", "there is no daemon to extend"},
	{"", "secret", "it is a cluster's; `build --secret` works"},
	{"", "service", "it is a cluster's"},
	{"", "stack", "it is a cluster's"},
	{"", "swarm", "it is a cluster's"},
	{"", "trust", "content trust is not checked"},
}

// unsupportedCommands answer for them.
func unsupportedCommands(e *command.Env) []*cli.Command {
	var cmds []*cli.Command
	for _, u := range unsupported {
		cmds = append(cmds, &cli.Command{
			Name: u.name, Hidden: true, SkipFlagParsing: true,
			Action: func(*cli.Context) error {
				return command.ExitWith(125, command.Errorf("%s: '%s %s' is not supported: %s", e.Program, e.Program, u.name, u.why))
			},
		})
	}
	return cmds
}

// commandTable writes what there is as Markdown: the README's table, docs/commands.md
// and the table in docs/api.md come from the program itself.
func commandTable(e *command.Env, options, endpoints bool) {
	if endpoints {
		endpointTable(e)
		return
	}
	app := app(e)
	if options {
		fmt.Fprintln(e.Stdout, "# Commands and their options\n\nMade by `coracle __commands --options`; `coracle COMMAND --help` says what each is for.")
		optionTable(e, "", app.Commands)
		return
	}
	fmt.Fprintln(e.Stdout, "| | works | is not supported |\n|---|---|---|")
	fmt.Fprintf(e.Stdout, "| `%s …` | %s | %s |\n", "coracle", names(app.Commands), unsupportedNames())
	for _, c := range app.Commands {
		if len(c.Subcommands) > 0 && !c.Hidden {
			line := fmt.Sprintf("| `%s …` | %s | %s", c.Name, names(c.Subcommands), refusedNames(c.Subcommands))
			fmt.Fprintln(e.Stdout, strings.TrimRight(line, " ")+" |")
		}
	}
}

// endpointTable has a line for each path: its methods, with the version of Docker's
// API that has one first, where older ones are spoken, too.
func endpointTable(e *command.Env) {
	fmt.Fprintln(e.Stdout, "| path | methods |\n|---|---|")
	list := api.Endpoints()
	for i, p := range list {
		if i == 0 || list[i-1].Pattern != p.Pattern {
			fmt.Fprintf(e.Stdout, "| `%s` |", p.Pattern)
		}
		fmt.Fprint(e.Stdout, " "+p.Method)
		if p.Since > docker.MinAPIVersion {
			fmt.Fprintf(e.Stdout, " (%s)", p.Since)
		}
		if i+1 == len(list) || list[i+1].Pattern != p.Pattern {
			fmt.Fprintln(e.Stdout, " |")
		}
	}
}

func names(cmds []*cli.Command) string {
	var list []string
	for _, c := range cmds {
		if !c.Hidden && len(c.Subcommands) == 0 {
			list = append(list, "`"+c.Name+"`")
		}
	}
	slices.Sort(list)
	return strings.Join(list, " ")
}

// refusedNames are the commands of a group that are known in order to be
// refused.
func refusedNames(cmds []*cli.Command) string {
	var list []string
	for _, c := range cmds {
		if c.Hidden {
			list = append(list, "`"+c.Name+"`")
		}
	}
	slices.Sort(list)
	return strings.Join(list, " ")
}

func unsupportedNames() string {
	var text string
	for _, u := range unsupported {
		text += " `" + u.name + "`"
	}
	return text[1:]
}

func optionTable(e *command.Env, group string, cmds []*cli.Command) {
	for _, c := range cmds {
		if c.Hidden {
			continue
		}
		path := group + c.Name
		if len(c.Subcommands) == 0 || len(c.Flags) > 0 {
			fmt.Fprintf(e.Stdout, "\n`%s`", path)
			for _, a := range c.Aliases {
				fmt.Fprintf(e.Stdout, " `%s`", group+a)
			}
			fmt.Fprintf(e.Stdout, " — %s\n", c.Usage)
		}
		if len(c.Flags) > 0 {
			fmt.Fprintln(e.Stdout)
			for _, f := range c.Flags {
				fmt.Fprintf(e.Stdout, " `%s`", spelled(f))
			}
			fmt.Fprintln(e.Stdout)
		}
		optionTable(e, path+" ", c.Subcommands)
	}
}

// spelled is -f, --filter.
func spelled(f cli.Flag) string {
	text := ""
	for _, n := range f.Names() {
		if len(n) == 1 {
			text = "-" + n + ", "
		}
	}
	return text + "--" + f.Names()[0]
}
