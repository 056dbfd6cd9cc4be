// SPDX-License-Identifier: Apache-2.0

package composecmd

import (
	"context"

	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/command"
	"coracle/pkg/cli/flags"
	"coracle/pkg/compose"
)

func push(e *command.Env) *cli.Command {
	return &cli.Command{
		Name: "push", Usage: "Push service images", ArgsUsage: "[SERVICE...]",
		Flags: []cli.Flag{
			flags.Bool("ignore-push-failures", nil, "Push what it can and ignores images with push failures"),
			flags.Bool("include-deps", nil, "Also push images of services declared as dependencies"),
			flags.Bool("quiet", flags.Short("q"), "Push without printing progress information"),
		},
		Action: verb(e, 0, -1, func(ctx context.Context, s *session) error {
			p, err := s.project(ctx, s.c.Args().Slice(), !s.c.Bool("include-deps"))
			if err != nil {
				return err
			}
			return compose.PushAll(ctx, s.engine, p, compose.PushChoices{IgnoreFailures: s.c.Bool("ignore-push-failures"), Quiet: s.c.Bool("quiet")})
		}),
	}
}
