// SPDX-License-Identifier: Apache-2.0

package containercmd

import (
	"fmt"

	"coracle/pkg/cli/command"

	"github.com/urfave/cli/v2"

	"coracle/pkg/overlay"
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
			return e.Inside(func(*overlay.Store) error {
				list, err := cs.Diff(ctr)
				for _, ch := range list {
					fmt.Fprintf(e.Stdout, "%c %s\n", ch.Kind, ch.Path)
				}
				return err
			})
		},
	}
}
