// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"coracle/pkg/overlay"
)

func diffCommand(e *env) *cli.Command {
	return &cli.Command{
		Name: "diff", Usage: "Inspect changes to files or directories on a container's filesystem", ArgsUsage: "CONTAINER",
		Action: func(c *cli.Context) error {
			if err := needArgs(e, c, commandPath(c), 1, 1); err != nil {
				return err
			}
			cs, ctr, err := e.container(c.Args().First())
			if err != nil {
				return err
			}
			return e.inside(func(*overlay.Store) error {
				list, err := cs.Diff(ctr)
				for _, ch := range list {
					fmt.Fprintf(e.stdout, "%c %s\n", ch.Kind, ch.Path)
				}
				return err
			})
		},
	}
}
