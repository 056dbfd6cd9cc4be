// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"errors"

	"coracle/pkg/cli/flags"

	"github.com/urfave/cli/v2"

	"coracle/pkg/container"
)

func updateCommand(e *env) *cli.Command {
	return &cli.Command{
		Name: "update", Usage: "Update configuration of one or more containers", ArgsUsage: "CONTAINER [CONTAINER...]",
		Flags: append(limitFlags(), flags.Text("restart", nil, "Restart policy to apply when a container exits")),
		Action: func(c *cli.Context) error {
			if err := needArgs(e, c, commandPath(c), 1, -1); err != nil {
				return err
			}
			if c.NumFlags() == 0 {
				return errors.New("you must provide one or more flags when using this command")
			}
			return onContainers(e, c.Args().Slice(), func(cs *container.Store, ctr *container.Container) error {
				return update(e, c, cs, ctr)
			})
		},
	}
}

func update(e *env, c *cli.Context, cs *container.Store, ctr *container.Container) error {
	l := ctr.Limits.Cgroup
	// A quota in one form takes the place of the other.
	if c.IsSet("cpus") {
		l.CPUPeriod, l.CPUQuota = 0, 0
	}
	if err := readLimits(c, &l); err != nil {
		return err
	}
	restart := ctr.Life.Restart
	if c.IsSet("restart") {
		var err error
		if restart, err = container.ParseRestart(c.String("restart")); err != nil {
			return err
		}
		if ctr.Life.AutoRemove && restart.Name != "" && restart.Name != "no" {
			return errors.New("Restart policy cannot be updated because AutoRemove is enabled for the container")
		}
	}
	if err := cs.Update(c.Context, ctr, l, restart); err != nil {
		return err
	}
	warnLimits(e, c, l)
	return nil
}
