// SPDX-License-Identifier: Apache-2.0

package composecmd

import (
	"context"
	"fmt"

	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/command"
	"coracle/pkg/cli/flags"
	"coracle/pkg/compose"
	"coracle/pkg/container"
)

func wait(e *command.Env) *cli.Command {
	return &cli.Command{
		Name: "wait", Usage: "Block until containers of all (or specified) services stop.", ArgsUsage: "SERVICE [SERVICE...]",
		Flags:  []cli.Flag{flags.Bool("down-project", nil, "Drops project when the first container stops")},
		Action: verb(e, 1, -1, runWait),
	}
}

// runWait ends with the exit code of the container that ended last. Like docker
// compose it drops the project when all that it waits for have ended.
func runWait(ctx context.Context, s *session) error {
	p, name, err := s.projectOrName(ctx)
	if err != nil {
		return err
	}
	has, err := s.engine.Observe(name)
	if err != nil {
		return err
	}
	list, err := has.ToWaitFor(name, s.c.Args().Slice()...)
	if err != nil {
		return err
	}
	last := 0
	err = compose.Wait(ctx, s.engine, list, func(c *container.Container, code int) {
		fmt.Fprintf(s.Stdout, "container %q exited with status code %d\n", c.ID, code)
		last = code
	})
	if err == nil && s.c.Bool("down-project") {
		err = s.engine.Down(ctx, name, p, compose.DownChoices{RemoveOrphans: true})
	}
	if err == nil && last != 0 {
		return command.Exit(last)
	}
	return err
}
