// SPDX-License-Identifier: Apache-2.0

package containercmd

import (
	"context"

	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/command"
	"coracle/pkg/container"
	"coracle/pkg/container/client"
)

// Pause is the command pause: pause all processes within containers.
func Pause(e *command.Env) *cli.Command {
	return freezerCommand(e, "pause", "Pause all processes within one or more containers", client.Pause)
}

// Unpause is the command unpause: unpause all processes within containers.
func Unpause(e *command.Env) *cli.Command {
	return freezerCommand(e, "unpause", "Unpause all processes within one or more containers", client.Unpause)
}

func freezerCommand(e *command.Env, verb, usage string, do func(context.Context, *container.Container) error) *cli.Command {
	return &cli.Command{
		Name: verb, Usage: usage, ArgsUsage: "CONTAINER [CONTAINER...]",
		Action: command.Takes(e, 1, -1, func(e *command.Env, c *cli.Context) error {
			return command.OnContainers(e, c.Args().Slice(), func(_ *container.Store, ctr *container.Container) error { return do(c.Context, ctr) })
		}),
	}
}
