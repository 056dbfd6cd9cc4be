// SPDX-License-Identifier: Apache-2.0

package containercmd

import (
	"errors"
	"slices"

	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/command"
	"coracle/pkg/cli/flags"
	"coracle/pkg/container"
	"coracle/pkg/container/client"
	"coracle/pkg/state"
	"coracle/pkg/trash"
)

// Rm is the command rm: remove one or more containers.
func Rm(e *command.Env, aliases ...string) *cli.Command {
	return &cli.Command{
		Name: "rm", Aliases: aliases, Usage: "Remove one or more containers", ArgsUsage: "CONTAINER [CONTAINER...]",
		Flags: append(flags.Absent("links were replaced by names on networks", flags.Bool("link", flags.Short("l"), "")),
			flags.Bool("force", flags.Short("f"), "Force the removal of a running container (uses SIGKILL)"),
			flags.Bool("volumes", flags.Short("v"), "Remove anonymous volumes associated with the container"),
		),
		Action: command.Takes(e, 1, -1, func(e *command.Env, c *cli.Context) error {
			force := c.Bool("force")
			cs, err := e.Containers()
			if err != nil {
				return err
			}
			args := c.Args().Slice()
			if force { // as in Docker, what is not there needs none to be gone
				args = slices.DeleteFunc(args, func(a string) bool { return sayMissing(e, cs, a) })
			}
			err = command.OnReadable(e, args, func(cs *container.Store, ctr *container.Container) error {
				return client.Remove(c.Context, cs, ctr, force, c.Bool("volumes"))
			}, func(cs *container.Store, d *container.DamagedError) error {
				if !force {
					return d
				}
				if err := cs.RemoveDamaged(c.Context, d.ID); !errors.Is(err, state.ErrNeedsUserNS) {
					return err
				}
				return nil
			})
			return errors.Join(err, trash.Empty(c.Context, cs.Dirs()))
		}),
	}
}

// sayMissing reports whether there is no such container, and says so.
func sayMissing(e *command.Env, cs *container.Store, arg string) bool {
	_, err := cs.Lookup(arg)
	var missing *container.NotFoundError
	if !errors.As(err, &missing) {
		return false
	}
	command.Tell(e, err)
	return true
}
