// SPDX-License-Identifier: Apache-2.0

package composecmd

import (
	"context"

	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/command"
	"coracle/pkg/cli/containercmd"
	"coracle/pkg/compose"
	"coracle/pkg/compose/convert"
	"coracle/pkg/container"
)

func stats(e *command.Env) *cli.Command {
	return &cli.Command{
		Name: "stats", Usage: "Display a live stream of container(s) resource usage statistics", ArgsUsage: "[SERVICE]", Flags: containercmd.StatsFlags(),
		Action: verb(e, 0, 1, func(ctx context.Context, s *session) error {
			_, name, err := s.projectOrName(ctx)
			if err != nil {
				return err
			}
			service := s.c.Args().First()
			return containercmd.ShowStats(ctx, s.Env, s.c, func(c *container.Container) bool {
				return c.Labels[convert.LabelProject] == name && (service == "" || compose.ServiceOf(c) == service)
			})
		}),
	}
}
