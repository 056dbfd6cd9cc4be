// SPDX-License-Identifier: Apache-2.0

package containercmd

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/command"
	"coracle/pkg/container/archive"
)

// Diff is the command diff: inspect changes to files or directories on a container's filesystem.
func Diff(e *command.Env) *cli.Command {
	return &cli.Command{
		Name: "diff", Usage: "Inspect changes to files or directories on a container's filesystem", ArgsUsage: "CONTAINER",
		Action: command.Takes(e, 1, 1, func(e *command.Env, c *cli.Context) error {
			cs, ctr, err := e.Container(c.Args().First())
			if err != nil {
				return err
			}
			list, err := archive.Changes(c.Context, cs, ctr)
			for _, ch := range list {
				fmt.Fprintf(e.Stdout, "%v %s\n", ch.Kind, ch.Path)
			}
			return err
		}),
	}
}
