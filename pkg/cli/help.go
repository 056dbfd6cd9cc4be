// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"strings"

	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/command"
	"coracle/pkg/cli/flags"
)

// helpCommand is `help [COMMAND…]`.
func helpCommand(e *command.Env) *cli.Command {
	return &cli.Command{
		Name: "help", Usage: "Help about the command", ArgsUsage: "[command]", SkipFlagParsing: true,
		Action: func(c *cli.Context) error {
			var cmd *cli.Command
			cmds, words := app(e).Commands, c.Args().Slice()
			for _, w := range words {
				next := flags.FindCommand(cmds, w)
				if next == nil || strings.HasPrefix(w, "__") {
					return command.Errorf("unknown help topic: %v", strings.Join(words, " "))
				}
				cmd, cmds = next, next.Subcommands
			}
			if cmd != nil && cmd.Hidden && cmd.SkipFlagParsing && cmd.Action != nil {
				return cmd.Action(c) // says why it is not supported
			}
			return &flags.HelpRequest{Cmd: cmd, Path: strings.Join(words, " ")}
		},
	}
}
