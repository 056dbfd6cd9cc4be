// SPDX-License-Identifier: Apache-2.0

package containercmd

import (
	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/command"
	"coracle/pkg/container/client"
)

// Rename is the command rename: rename a container.
func Rename(e *command.Env) *cli.Command {
	return &cli.Command{
		Name: "rename", Usage: "Rename a container", ArgsUsage: "CONTAINER NEW_NAME",
		Action: command.Takes(e, 2, 2, func(e *command.Env, c *cli.Context) error {
			cs, ctr, err := e.Container(c.Args().First())
			if err != nil {
				return err
			}
			return client.Rename(c.Context, cs, ctr, c.Args().Get(1))
		}),
	}
}
