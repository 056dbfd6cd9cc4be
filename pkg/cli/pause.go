// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"coracle/pkg/container"
)

// pauseError is why a container cannot be frozen. SIGSTOP is no substitute:
// the process sees it, its parent is told, and anybody inside can end it.
type pauseError struct{ verb, id string }

func (e *pauseError) Error() string {
	return fmt.Sprintf("cannot %s container %s: it has no cgroup of its own, and only a cgroup's freezer can do this", e.verb, e.id)
}

func (e *pauseError) Hint() string {
	return "coracle does not put containers into a delegated cgroup yet; use stop and start instead"
}

func pauseCommand(e *env, verb, usage string) *cli.Command {
	return &cli.Command{
		Name: verb, Usage: usage, ArgsUsage: "CONTAINER [CONTAINER...]",
		Action: func(c *cli.Context) error {
			if err := e.needArgs(c, commandPath(c), 1, -1); err != nil {
				return err
			}
			return e.onContainers(c.Args().Slice(), func(_ *container.Store, ctr *container.Container) error {
				switch {
				case !ctr.State.IsRunning():
					return fmt.Errorf("container %s is not running", ctr.ID)
				case verb == "unpause":
					return fmt.Errorf("Container %s is not paused", ctr.ID)
				}
				return &pauseError{verb, ctr.ID}
			})
		},
	}
}
