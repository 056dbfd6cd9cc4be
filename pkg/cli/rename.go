// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"github.com/urfave/cli/v2"
)

func renameCommand(e *env) *cli.Command {
	return &cli.Command{
		Name: "rename", Usage: "Rename a container", ArgsUsage: "CONTAINER NEW_NAME",
		Action: func(c *cli.Context) error {
			if err := needArgs(e, c, commandPath(c), 2, 2); err != nil {
				return err
			}
			cs, ctr, err := e.container(c.Args().First())
			if err != nil {
				return err
			}
			return cs.Rename(c.Context, ctr, c.Args().Get(1))
		},
	}
}
