// SPDX-License-Identifier: Apache-2.0

package containercmd

import (
	"context"

	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/command"
	"coracle/pkg/container"
	"coracle/pkg/container/client"
)

func PauseCommand(e *command.Env) *cli.Command {
	return freezerCommand(e, "pause", "Pause all processes within one or more containers", client.Pause)
}

func UnpauseCommand(e *command.Env) *cli.Command {
	return freezerCommand(e, "unpause", "Unpause all processes within one or more containers", client.Unpause)
}

func freezerCommand(e *command.Env, verb, usage string, do func(context.Context, *container.Container) error) *cli.Command {
	return &cli.Command{
		Name: verb, Usage: usage, ArgsUsage: "CONTAINER [CONTAINER...]",
		Action: func(c *cli.Context) error {
			if err := command.NeedArgs(e, c, 1, -1); err != nil {
				return err
			}
			return command.OnContainers(e, c.Args().Slice(), func(_ *container.Store, ctr *container.Container) error { return do(c.Context, ctr) })
		},
	}
}
