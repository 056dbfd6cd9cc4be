// SPDX-License-Identifier: Apache-2.0

package volumecmd

import (
	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/command"
	"coracle/pkg/cli/flags"
	"coracle/pkg/docker"
)

// Remove is the command rm: remove one or more volumes.
func Remove(e *command.Env) *cli.Command {
	return &cli.Command{
		Name: "rm", Aliases: []string{"remove"}, Usage: "Remove one or more volumes", ArgsUsage: "VOLUME [VOLUME...]",
		Flags: []cli.Flag{flags.Bool("force", flags.Short("f"), "Force the removal of one or more volumes")},
		Action: command.Takes(e, 1, -1, func(e *command.Env, c *cli.Context) error {
			vs, err := command.Volumes(e)
			if err != nil {
				return err
			}
			return command.Each(e, c.Args().Slice(), func(name string) error {
				err := vs.Delete(c.Context, name)
				if docker.Missing(err) && c.Bool("force") {
					return nil
				}
				return err
			})
		}),
	}
}
