// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"errors"
	"fmt"
	"slices"

	"coracle/pkg/cli/command"

	"coracle/pkg/cli/flags"

	"github.com/urfave/cli/v2"

	"coracle/pkg/events"
	"coracle/pkg/network"
)

func networkRemoveCommand(e *command.Env) *cli.Command {
	return &cli.Command{
		Name: "rm", Aliases: []string{"remove"}, Usage: "Remove one or more networks", ArgsUsage: "NETWORK [NETWORK...]",
		Flags: []cli.Flag{flags.Bool("force", flags.Short("f"), "Do not error if the network does not exist")},
		Action: func(c *cli.Context) error {
			if err := command.NeedArgs(e, c, command.CommandPath(c), 1, -1); err != nil {
				return err
			}
			nets, err := networks(e)
			if err != nil {
				return err
			}
			args := c.Args().Slice()
			if c.Bool("force") { // who is not there is not named, either
				args = slices.DeleteFunc(args, func(arg string) bool {
					_, err := nets.Lookup(arg)
					var missing *network.NotFoundError
					return errors.As(err, &missing) && !slices.Contains(network.Predefined(), arg)
				})
			}
			return command.Each(e, args, func(arg string) error {
				for _, p := range network.Predefined() {
					if arg == p {
						return fmt.Errorf("%s is a pre-defined network and cannot be removed", arg)
					}
				}
				w, err := nets.Lookup(arg)
				var damaged *network.DamagedError
				if errors.As(err, &damaged) {
					w, err = damaged.Network(), nil
				}
				if err != nil {
					return err
				}
				if err := nets.Remove(c.Context, w); err != nil {
					return err
				}
				event(e, events.Network, "destroy", w.ID, w.Name)
				return nil
			})
		},
	}
}
