// SPDX-License-Identifier: Apache-2.0

package containercmd

import (
	"errors"
	"fmt"
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
				return removeContainer(c, cs, ctr, force, c.Bool("volumes"))
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

func removeContainer(c *cli.Context, cs *container.Store, ctr *container.Container, force, volumes bool) error {
	if ctr.State.IsRunning() {
		if !force {
			if ctr.State.Status == container.Paused {
				return fmt.Errorf("cannot remove container %q: container is paused and must be unpaused first", ctr.Name)
			}
			return fmt.Errorf("cannot remove container %q: container is %s: stop the container before removing or force remove", ctr.Name, ctr.State.Status)
		}
		if err := client.Kill(c.Context, ctr); err != nil {
			return err
		}
	}
	err := cs.Remove(c.Context, ctr)
	var gone *container.NotFoundError
	if errors.As(err, &gone) && (force || ctr.Life.AutoRemove) || errors.Is(err, state.ErrNeedsUserNS) {
		err = nil
	}
	if err == nil && volumes {
		if err = container.Volumes(cs.Dirs()).RemoveAnonymous(c.Context, ctr.VolumeNames()); errors.Is(err, state.ErrNeedsUserNS) {
			err = nil
		}
	}
	return err
}
