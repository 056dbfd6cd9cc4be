// SPDX-License-Identifier: Apache-2.0

package containercmd

import (
	"context"
	"errors"
	"fmt"

	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/command"
	"coracle/pkg/container"
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
				code, err := waitFor(c.Context, cs, a)
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

// waitFor is the exit code of a container once it has ended.
func waitFor(ctx context.Context, cs *container.Store, arg string) (int, error) {
	ctr, err := cs.Lookup(arg)
	if err == nil {
		return client.Wait(ctx, cs, ctr)
	}
	var gone *container.NotFoundError
	if errors.As(err, &gone) {
		if code, known := client.Parted(ctx, cs, arg); known {
			return code, nil
		}
	}
	return 0, err
}
