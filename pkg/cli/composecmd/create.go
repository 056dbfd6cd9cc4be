// SPDX-License-Identifier: Apache-2.0

package composecmd

import (
	"context"

	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/command"
)

func create(e *command.Env) *cli.Command {
	return &cli.Command{
		Name: "create", Usage: "Creates containers for a service", ArgsUsage: "[SERVICE...]", Flags: makeFlags(),
		Action: verb(e, 0, -1, func(ctx context.Context, s *session) error {
			c, err := s.upChoices()
			if err != nil {
				return err
			}
			p, err := s.project(ctx, c.Services, false)
			if err != nil {
				return err
			}
			if err := setScale(p, s.c.StringSlice("scale")); err != nil {
				return err
			}
			if dryRun(s.c) {
				return s.preview(ctx, p, c, false)
			}
			_, err = s.engine.Create(ctx, p, c)
			s.show.close()
			return err
		}),
	}
}
