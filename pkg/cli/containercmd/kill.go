// SPDX-License-Identifier: Apache-2.0

package containercmd

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/command"
	"coracle/pkg/cli/flags"
	"coracle/pkg/container"
	"coracle/pkg/container/client"
	"coracle/pkg/docker"
)

// Kill is the command kill: kill one or more running containers.
func Kill(e *command.Env) *cli.Command {
	return &cli.Command{
		Name: "kill", Usage: "Kill one or more running containers", ArgsUsage: "CONTAINER [CONTAINER...]",
		Flags: []cli.Flag{&cli.StringFlag{Name: "signal", Aliases: flags.Short("s"), Value: "KILL", Usage: "Signal to send to the container"}},
		Action: command.Takes(e, 1, -1, func(e *command.Env, c *cli.Context) error {
			sig, err := docker.KillRequest{Signal: c.String("signal")}.Number()
			if err != nil {
				return err
			}
			return command.OnContainers(e, c.Args().Slice(), func(cs *container.Store, ctr *container.Container) error {
				if !ctr.State.IsRunning() {
					return fmt.Errorf("cannot kill container: %s: container %s is not running", ctr.Name, ctr.ID)
				}
				return client.Signal(c.Context, ctr, sig)
			})
		}),
	}
}
