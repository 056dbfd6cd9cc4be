// SPDX-License-Identifier: Apache-2.0

package composecmd

import (
	"context"

	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/command"
	"coracle/pkg/compose"
	"coracle/pkg/container"
)

func pause(e *command.Env) *cli.Command {
	return freezer(e, "pause", "Pause services", compose.Pause)
}

func unpause(e *command.Env) *cli.Command {
	return freezer(e, "unpause", "Unpause services", compose.Unpause)
}

func freezer(e *command.Env, name, usage string, do func(context.Context, *compose.Engine, []*container.Container) error) *cli.Command {
	return &cli.Command{
		Name: name, Usage: usage, ArgsUsage: "[SERVICE...]",
		Action: verb(e, 0, -1, func(ctx context.Context, s *session) error {
			p, has, services, err := s.observed(ctx)
			if err != nil {
				return err
			}
			if p != nil && len(services) == 0 { // orphans are left alone
				services = p.ServiceNames()
			}
			return do(ctx, s.engine, running(has.Containers(services...)))
		}),
	}
}
