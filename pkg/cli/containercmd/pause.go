// SPDX-License-Identifier: Apache-2.0

package containercmd

import (
	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/command"

	"coracle/pkg/container"
)

func PauseCommand(e *command.Env) *cli.Command {
	return freezerCommand(e, "pause", "Pause all processes within one or more containers", (*container.Store).Pause)
}

func UnpauseCommand(e *command.Env) *cli.Command {
	return freezerCommand(e, "unpause", "Unpause all processes within one or more containers", (*container.Store).Unpause)
}

func freezerCommand(e *command.Env, verb, usage string, do func(*container.Store, *container.Container) error) *cli.Command {
	return &cli.Command{
		Name: verb, Usage: usage, ArgsUsage: "CONTAINER [CONTAINER...]",
		Action: func(c *cli.Context) error {
			if err := command.NeedArgs(e, c, 1, -1); err != nil {
				return err
			}
			return command.OnContainers(e, c.Args().Slice(), do)
		},
	}
}
