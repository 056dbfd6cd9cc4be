// SPDX-License-Identifier: Apache-2.0

package containercmd

import (
	"fmt"

	"coracle/pkg/cli/command"

	"github.com/urfave/cli/v2"

	"coracle/pkg/container/archive"
)

func DiffCommand(e *command.Env) *cli.Command {
	return &cli.Command{
		Name: "diff", Usage: "Inspect changes to files or directories on a container's filesystem", ArgsUsage: "CONTAINER",
		Action: func(c *cli.Context) error {
			if err := command.NeedArgs(e, c, 1, 1); err != nil {
				return err
			}
			cs, ctr, err := e.Container(c.Args().First())
			if err != nil {
				return err
			}
			list, err := archive.Changes(c.Context, cs, ctr)
			for _, ch := range list {
				fmt.Fprintf(e.Stdout, "%v %s\n", ch.Kind, ch.Path)
			}
			return err
		},
	}
}
