// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"

	"github.com/urfave/cli/v2"
)

func waitCommand(e *env) *cli.Command {
	return &cli.Command{
		Name: "wait", Usage: "Block until one or more containers stop, then print their exit codes", ArgsUsage: "CONTAINER [CONTAINER...]",
		Action: func(c *cli.Context) error {
			if err := needArgs(e, c, commandPath(c), 1, -1); err != nil {
				return err
			}
			cs, err := e.containers()
			if err != nil {
				return err
			}
			failed := false
			for _, a := range c.Args().Slice() {
				ctr, err := cs.Lookup(a)
				code := 0
				if err == nil {
					code, err = cs.Wait(ctr)
				}
				if err != nil {
					tellError(e, err)
					failed = true
					continue
				}
				fmt.Fprintln(e.stdout, code)
			}
			if failed {
				return exit(1)
			}
			return nil
		},
	}
}
