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

func rm(e *command.Env) *cli.Command {
	return &cli.Command{
		Name: "rm", Usage: "Removes stopped service containers", ArgsUsage: "[SERVICE...]",
		Flags: []cli.Flag{
			flags.Bool("force", flags.Short("f"), "Don't ask to confirm removal"),
			flags.Bool("stop", flags.Short("s"), "Stop the containers, if required, before removing"),
			flags.Bool("volumes", flags.Short("v"), "Remove any anonymous volumes attached to containers"),
		},
		Action: verb(e, 0, -1, runRm),
	}
}

func runRm(ctx context.Context, s *session) error {
	p, has, services, err := s.observed(ctx)
	if err != nil {
		return err
	}
	var list []*container.Container
	var names []string
	for _, c := range has.Containers(services...) {
		if s.c.Bool("stop") || !c.State.IsRunning() {
			list, names = append(list, c), append(names, c.Name)
		}
	}
	if len(list) == 0 {
		fmt.Fprintln(s.Stderr, "No stopped containers")
		return nil
	}
	if !s.c.Bool("force") {
		fmt.Fprintf(s.Stderr, "? Going to remove %s (y/N) ", join(names))
		var answer string
		if _, err := fmt.Fscanln(s.Stdin, &answer); err != nil || answer != "y" && answer != "yes" && answer != "Y" {
			return nil
		}
	}
	return s.engine.Remove(ctx, list, compose.Removal{Stop: s.c.Bool("stop"), Volumes: s.c.Bool("volumes"), Project: p})
}
