// SPDX-License-Identifier: Apache-2.0

package networkcmd

import (
	"slices"

	"coracle/pkg/cli/command"

	"coracle/pkg/cli/flags"

	"github.com/urfave/cli/v2"
)

func RemoveCommand(e *command.Env) *cli.Command {
	return &cli.Command{
		Name: "rm", Aliases: []string{"remove"}, Usage: "Remove one or more networks", ArgsUsage: "NETWORK [NETWORK...]",
		Flags: []cli.Flag{flags.Bool("force", flags.Short("f"), "Do not error if the network does not exist")},
		Action: func(c *cli.Context) error {
			if err := command.NeedArgs(e, c, 1, -1); err != nil {
				return err
			}
			nets, err := command.Networks(e)
			if err != nil {
				return err
			}
			args := c.Args().Slice()
			if c.Bool("force") { // who is not there is not named, either
				args = slices.DeleteFunc(args, nets.Missing)
			}
			return command.Each(e, args, func(arg string) error { return nets.Delete(c.Context, arg) })
		},
	}
}
