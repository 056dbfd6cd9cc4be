// SPDX-License-Identifier: Apache-2.0

package networkcmd

import (
	"slices"

	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/command"
	"coracle/pkg/cli/flags"
)

// Remove is the command rm: remove one or more networks.
func Remove(e *command.Env) *cli.Command {
	return &cli.Command{
		Name: "rm", Aliases: []string{"remove"}, Usage: "Remove one or more networks", ArgsUsage: "NETWORK [NETWORK...]",
		Flags: []cli.Flag{flags.Bool("force", flags.Short("f"), "Do not error if the network does not exist")},
		Action: command.Takes(e, 1, -1, func(e *command.Env, c *cli.Context) error {
			nets, err := command.Networks(e)
			if err != nil {
				return err
			}
			args := c.Args().Slice()
			if c.Bool("force") { // who is not there is not named, either
				args = slices.DeleteFunc(args, nets.Missing)
			}
			return command.Each(e, args, func(arg string) error { return nets.Delete(c.Context, arg) })
		}),
	}
}
