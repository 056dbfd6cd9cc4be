// SPDX-License-Identifier: Apache-2.0

package composecmd

import (
	"context"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/command"
	"coracle/pkg/cli/flags"
	"coracle/pkg/compose"
)

func watch(e *command.Env) *cli.Command {
	return &cli.Command{
		Name: "watch", Usage: "Watch build context for service and rebuild/refresh containers when files are updated", ArgsUsage: "[SERVICE...]",
		Flags: []cli.Flag{
			flags.Bool("no-up", nil, "Do not build & start services before watching"),
			&cli.BoolFlag{Name: "prune", Usage: "Prune dangling images on rebuild", Value: true},
			flags.Bool("quiet", nil, "hide build output"),
		},
		Action: verb(e, 0, -1, runWatch),
	}
}

func runWatch(ctx context.Context, s *session) error {
	p, err := s.project(ctx, s.c.Args().Slice(), false)
	if err != nil {
		return err
	}
	if s.c.Bool("quiet") {
		s.engine.Built = nil
	}
	if !s.c.Bool("no-up") {
		if err := s.upToWatch(ctx, p); err != nil {
			return err
		}
	}
	out := newPrinter(s, nil)
	return s.develop(ctx, p, compose.DevelopChoices{Prune: s.c.Bool("prune"), Log: out.line})
}

// upToWatch starts what is to be watched, of images that are built now.
func (s *session) upToWatch(ctx context.Context, p *types.Project) error {
	for name, sv := range p.Services {
		if sv.Build != nil && sv.Develop != nil {
			sv.PullPolicy = types.PullPolicyBuild
			p.Services[name] = sv
		}
	}
	has, err := s.engine.Create(ctx, p, compose.UpChoices{
		Choices:       compose.Choices{Services: s.c.Args().Slice(), Dependencies: compose.Never, ReadFile: readFile},
		Image:         compose.ImageChoices{Quiet: s.c.Bool("quiet")},
		IgnoreOrphans: truth("COMPOSE_IGNORE_ORPHANS"),
		Start:         true,
	})
	s.show.close()
	if err != nil {
		return err
	}
	return s.engine.Start(ctx, p, has, s.engine.NewWatch(ctx), nil)
}

// develop watches a project's files until ctx ends.
func (s *session) develop(ctx context.Context, p *types.Project, c compose.DevelopChoices) error {
	c.ReadFile = readFile
	wait, err := compose.Develop(ctx, s.engine, p, c)
	if err != nil {
		return err
	}
	if err := wait(); err != nil {
		return err
	}
	return ctx.Err()
}

// watched prints what watch does, between the lines of containers.
func (p *printer) watched(text string) {
	p.mu.Lock()
	mark := strings.Repeat(" ", p.width+1) + " ⦿ "
	if p.bare {
		mark = ""
	}
	p.mu.Unlock()
	p.line(mark + text)
}
