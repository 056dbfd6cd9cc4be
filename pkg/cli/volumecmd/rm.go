// SPDX-License-Identifier: Apache-2.0

package volumecmd

import (
	"errors"

	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/command"
	"coracle/pkg/cli/flags"
	"coracle/pkg/state"
	"coracle/pkg/trash"
	"coracle/pkg/volume"
)

// Remove is the command rm: remove one or more volumes.
func Remove(e *command.Env) *cli.Command {
	return &cli.Command{
		Name: "rm", Aliases: []string{"remove"}, Usage: "Remove one or more volumes", ArgsUsage: "VOLUME [VOLUME...]",
		Flags: []cli.Flag{flags.Bool("force", flags.Short("f"), "Force the removal of one or more volumes")},
		Action: command.Takes(e, 1, -1, func(e *command.Env, c *cli.Context) error {
			vs, err := command.Volumes(e)
			if err != nil {
				return err
			}
			err = command.Each(e, c.Args().Slice(), func(name string) error {
				err := vs.Remove(c.Context, name)
				var missing *volume.NotFoundError
				if errors.Is(err, state.ErrNeedsUserNS) || errors.As(err, &missing) && c.Bool("force") {
					return nil
				}
				return err
			})
			return errors.Join(err, trash.Empty(c.Context, e.Dirs))
		}),
	}
}
