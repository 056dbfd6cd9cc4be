// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/command"
	"coracle/pkg/cli/flags"
	"coracle/pkg/cli/formatter"
)

// dockerSocket is where Docker's clients look for the engine of the host.
const dockerSocket = "unix:///var/run/docker.sock"

func contextCommand(e *command.Env) *cli.Command {
	return &cli.Command{
		Name: "context", Usage: "Manage contexts", Subcommands: []*cli.Command{
			contextListCommand(e), contextInspectCommand(e), contextShowCommand(e), contextUseCommand(e), contextRemoveCommand(e),
			noContext(e, "create", "CONTEXT"), noContext(e, "export", "CONTEXT [FILE|-]"), noContext(e, "import", "CONTEXT FILE|-"), noContext(e, "update", "CONTEXT"),
		},
	}
}

// noContext is a command that only other engines would give a meaning.
func noContext(e *command.Env, name, args string) *cli.Command {
	return &cli.Command{
		Name: name, Usage: "Not supported: there is one context", ArgsUsage: args, Hidden: true, SkipFlagParsing: true,
		Action: func(*cli.Context) error {
			return command.ExitWith(125, command.Errorf("%s: '%s context %s' is not supported: there is one context, %s: this program on this host", e.Program, e.Program, name, command.DefaultContext))
		},
	}
}

func contextNotFound(name string) error {
	return command.Errorf("context %q: context not found: there is one context, %s", name, command.DefaultContext)
}

func contextListCommand(e *command.Env) *cli.Command {
	return &cli.Command{
		Name: "ls", Aliases: []string{"list"}, Usage: "List contexts",
		Flags: []cli.Flag{flags.Text("format", nil, "Format output: table, json, or a Go template"), flags.Bool("quiet", flags.Short("q"), "Only show context names")},
		Action: command.Takes(e, 0, 0, func(e *command.Env, c *cli.Context) error {
			l := formatter.Contexts()
			return command.PrintList(e, l, command.ListFormat(e, c, l, ""), []*formatter.ClientContext{
				{Name: command.DefaultContext, Current: true, Description: "coracle on this host, without a daemon", DockerEndpoint: dockerSocket},
			})
		}),
	}
}

func contextInspectCommand(e *command.Env) *cli.Command {
	return &cli.Command{
		Name: "inspect", Usage: "Display detailed information on one or more contexts", ArgsUsage: "[CONTEXT] [CONTEXT...]",
		Flags: []cli.Flag{flags.Text("format", flags.Short("f"), "Format output using a custom template")},
		Action: func(c *cli.Context) error {
			names := c.Args().Slice()
			if len(names) == 0 {
				names = []string{command.DefaultContext}
			}
			return command.PrintAnswers(e, c.String("format"), names, func(name string) (any, error) {
				if name != command.DefaultContext {
					return nil, contextNotFound(name)
				}
				return map[string]any{
					"Name": name, "Metadata": map[string]any{}, "Endpoints": map[string]any{"docker": map[string]any{"Host": dockerSocket, "SkipTLSVerify": false}},
					"TLSMaterial": map[string]any{}, "Storage": map[string]string{"MetadataPath": "<IN MEMORY>", "TLSPath": "<IN MEMORY>"},
				}, nil
			})
		},
	}
}

func contextShowCommand(e *command.Env) *cli.Command {
	return &cli.Command{
		Name: "show", Usage: "Print the name of the current context",
		Action: command.Takes(e, 0, 0, func(e *command.Env, c *cli.Context) error {
			_, err := fmt.Fprintln(e.Stdout, command.DefaultContext)
			return err
		}),
	}
}

func contextUseCommand(e *command.Env) *cli.Command {
	return &cli.Command{
		Name: "use", Usage: "Set the current docker context", ArgsUsage: "CONTEXT",
		Action: command.Takes(e, 1, 1, func(e *command.Env, c *cli.Context) error {
			if n := c.Args().First(); n != command.DefaultContext {
				return contextNotFound(n)
			}
			fmt.Fprintf(e.Stderr, "Current context is now %q\n", command.DefaultContext)
			_, err := fmt.Fprintln(e.Stdout, command.DefaultContext)
			return err
		}),
	}
}

func contextRemoveCommand(e *command.Env) *cli.Command {
	return &cli.Command{
		Name: "rm", Aliases: []string{"remove"}, Usage: "Remove one or more contexts", ArgsUsage: "CONTEXT [CONTEXT...]",
		Flags: []cli.Flag{flags.Bool("force", flags.Short("f"), "Force the removal of a context in use")},
		Action: command.Takes(e, 1, -1, func(e *command.Env, c *cli.Context) error {
			return command.Each(e, c.Args().Slice(), func(name string) error {
				switch {
				case name == command.DefaultContext:
					return command.Errorf("context %q cannot be removed", name)
				case c.Bool("force"):
					return nil
				}
				return command.Errorf("context %q does not exist", name)
			})
		}),
	}
}
