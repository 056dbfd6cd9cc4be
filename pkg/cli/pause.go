// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"github.com/urfave/cli/v2"

	"coracle/pkg/container"
)

func pauseCommand(e *env) *cli.Command {
	return freezerCommand(e, "pause", "Pause all processes within one or more containers", (*container.Store).Pause)
}

func unpauseCommand(e *env) *cli.Command {
	return freezerCommand(e, "unpause", "Unpause all processes within one or more containers", (*container.Store).Unpause)
}

func freezerCommand(e *env, verb, usage string, do func(*container.Store, *container.Container) error) *cli.Command {
	return &cli.Command{
		Name: verb, Usage: usage, ArgsUsage: "CONTAINER [CONTAINER...]",
		Action: func(c *cli.Context) error {
			if err := needArgs(e, c, commandPath(c), 1, -1); err != nil {
				return err
			}
			return onContainers(e, c.Args().Slice(), do)
		},
	}
}
