// SPDX-License-Identifier: Apache-2.0

package composecmd

import (
	"context"
	"errors"
	"slices"

	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/command"
	"coracle/pkg/cli/flags"
	"coracle/pkg/compose"
	"coracle/pkg/compose/convert"
)

func pull(e *command.Env) *cli.Command {
	return &cli.Command{
		Name: "pull", Usage: "Pull service images", ArgsUsage: "[SERVICE...]",
		Flags: []cli.Flag{
			flags.Bool("ignore-buildable", nil, "Ignore images that can be built"),
			flags.Bool("ignore-pull-failures", nil, "Pull what it can and ignores images with pull failures"),
			flags.Bool("include-deps", nil, "Also pull services declared as dependencies"),
			&cli.StringFlag{Name: "policy", Value: "always", Usage: "Apply pull policy (\"missing\"|\"always\")"},
			flags.Bool("quiet", flags.Short("q"), "Pull without printing progress information"),
		},
		Action: verb(e, 0, -1, runPull),
	}
}

func runPull(ctx context.Context, s *session) error {
	p, err := s.project(ctx, s.c.Args().Slice(), !s.c.Bool("include-deps"))
	if err != nil {
		return err
	}
	for _, name := range p.ServiceNames() {
		sv := p.Services[name]
		if sv.Build != nil && (s.c.Bool("ignore-buildable") || sv.Image == "") || sv.PullPolicy == "never" || sv.PullPolicy == "build" {
			delete(p.Services, name)
		}
	}
	return s.engine.PullAll(ctx, p, compose.ImageChoices{Pull: s.c.String("policy"), Quiet: s.c.Bool("quiet")}, s.c.Bool("ignore-pull-failures"))
}

func build(e *command.Env) *cli.Command {
	return &cli.Command{
		Name: "build", Usage: "Build or rebuild services", ArgsUsage: "[SERVICE...]",
		Flags: append(flags.Absent("there is one builder", flags.Text("builder", nil, "")),
			flags.List("build-arg", nil, "Set build-time variables for services"),
			flags.Bool("no-cache", nil, "Do not use cache when building the image"),
			flags.Bool("pull", nil, "Always attempt to pull a newer version of the image"),
			flags.Bool("quiet", flags.Short("q"), "Suppress the build output"),
			flags.Bool("with-dependencies", nil, "Also build dependencies (transitively)"),
		),
		Action: verb(e, 0, -1, runBuild),
	}
}

func runBuild(ctx context.Context, s *session) error {
	p, err := s.project(ctx, s.c.Args().Slice(), !s.c.Bool("with-dependencies"))
	if err != nil {
		return err
	}
	if s.c.Bool("quiet") {
		s.engine.Built = nil
	}
	built := slices.DeleteFunc(p.ServiceNames(), func(name string) bool { return p.Services[name].Build == nil })
	if len(built) == 0 {
		s.warn("No services to build")
		return nil
	}
	err = s.engine.BuildAll(ctx, p, convert.BuildOptions{NoCache: s.c.Bool("no-cache"), Pull: s.c.Bool("pull"), Args: pairs(s.c.StringSlice("build-arg"))})
	if err != nil && errors.Is(err, context.Canceled) {
		return command.Exit(interrupted)
	}
	return err
}
