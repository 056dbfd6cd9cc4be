// SPDX-License-Identifier: Apache-2.0

package containercmd

import (
	"errors"

	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/command"
	"coracle/pkg/cli/flags"
	"coracle/pkg/container"
	"coracle/pkg/container/client"
	"coracle/pkg/container/create"
	"coracle/pkg/docker"
)

// Update is the command update: update configuration of one or more containers.
func Update(e *command.Env) *cli.Command {
	return &cli.Command{
		Name: "update", Usage: "Update configuration of one or more containers", ArgsUsage: "CONTAINER [CONTAINER...]",
		Flags: append(limitFlags(), flags.Text("restart", nil, "Restart policy to apply when a container exits")),
		Action: command.Takes(e, 1, -1, func(e *command.Env, c *cli.Context) error {
			if c.NumFlags() == 0 {
				return errors.New("you must provide one or more flags when using this command")
			}
			return command.OnContainers(e, c.Args().Slice(), func(cs *container.Store, ctr *container.Container) error {
				return update(e, c, cs, ctr)
			})
		}),
	}
}

func update(e *command.Env, c *cli.Context, cs *container.Store, ctr *container.Container) (err error) {
	var q docker.UpdateRequest
	if err := askLimits(c, &q.Resources); err != nil {
		return err
	}
	if c.IsSet("restart") {
		if q.RestartPolicy, err = docker.ParseRestart(c.String("restart")); err != nil {
			return err
		}
	}
	l, restart, warnings, err := docker.Update(ctr, q, create.World(cs, nil))
	if err != nil {
		return err
	}
	if err := client.Update(c.Context, cs, ctr, l, restart); err != nil {
		return err
	}
	command.WarnAll(e, warnings)
	return nil
}
