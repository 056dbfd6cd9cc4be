// SPDX-License-Identifier: Apache-2.0

package containercmd

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/command"
	"coracle/pkg/container/client"
)

func WaitCommand(e *command.Env) *cli.Command {
	return &cli.Command{
		Name: "wait", Usage: "Block until one or more containers stop, then print their exit codes", ArgsUsage: "CONTAINER [CONTAINER...]",
		Action: func(c *cli.Context) error {
			if err := command.NeedArgs(e, c, 1, -1); err != nil {
				return err
			}
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
		},
	}
}
