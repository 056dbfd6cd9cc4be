// SPDX-License-Identifier: Apache-2.0

package containercmd

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/command"
	"coracle/pkg/container/client"
)

// Wait is the command wait: block until one or more containers stop, then print their exit codes.
func Wait(e *command.Env) *cli.Command {
	return &cli.Command{
		Name: "wait", Usage: "Block until one or more containers stop, then print their exit codes", ArgsUsage: "CONTAINER [CONTAINER...]",
		Action: command.Takes(e, 1, -1, func(e *command.Env, c *cli.Context) error {
			cs, err := e.Containers()
			if err != nil {
				return err
			}
			failed := false
			for _, a := range c.Args().Slice() {
				ctr, err := cs.Lookup(a)
				code := 0
				if err == nil {
					code, err = client.Wait(c.Context, cs, ctr)
				}
				if err != nil {
					command.Tell(e, err)
					failed = true
					continue
				}
				fmt.Fprintln(e.Stdout, code)
			}
			if failed {
				return command.Exit(1)
			}
			return nil
		}),
	}
}
