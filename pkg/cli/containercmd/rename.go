// SPDX-License-Identifier: Apache-2.0

package containercmd

import (
	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/command"
	"coracle/pkg/container/client"
)

func RenameCommand(e *command.Env) *cli.Command {
	return &cli.Command{
		Name: "rename", Usage: "Rename a container", ArgsUsage: "CONTAINER NEW_NAME",
		Action: func(c *cli.Context) error {
			if err := command.NeedArgs(e, c, 2, 2); err != nil {
				return err
			}
			cs, ctr, err := e.Container(c.Args().First())
			if err != nil {
				return err
			}
			return client.Rename(c.Context, cs, ctr, c.Args().Get(1))
		},
	}
}
