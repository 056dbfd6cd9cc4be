// SPDX-License-Identifier: Apache-2.0

package composecmd

import (
	"context"

	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/command"
	"coracle/pkg/cli/flags"
	"coracle/pkg/cli/imagecmd"
	"coracle/pkg/compose"
	"coracle/pkg/container"
	"coracle/pkg/oci"
)

func commit(e *command.Env) *cli.Command {
	return &cli.Command{
		Name: "commit", Usage: "Create a new image from a service container's changes", ArgsUsage: "SERVICE [REPOSITORY[:TAG]]",
		Flags: []cli.Flag{
			flags.Text("author", flags.Short("a"), "Author (e.g., \"John Hannibal Smith <hannibal@a-team.com>\")"),
			flags.List("change", flags.Short("c"), "Apply Dockerfile instruction to the created image"),
			indexFlag(),
			flags.Text("message", flags.Short("m"), "Commit message"),
			&cli.BoolFlag{Name: "pause", Aliases: flags.Short("p"), Usage: "Accepted for scripts: a container is not paused", Value: true},
		},
		Action: verb(e, 1, 2, runCommit),
	}
}

func runCommit(ctx context.Context, s *session) error {
	name := s.c.Args().Get(1)
	if name != "" {
		if _, err := oci.ParseRef(name); err != nil {
			return err
		}
	}
	c, err := s.named(ctx)
	if err != nil {
		return err
	}
	s.show.event(compose.Event{Kind: "Container", Name: c.Name, Status: "Committing"})
	id, err := imagecmd.CommitOf(ctx, s.Env, container.NewStore(s.engine.Dirs), c, imagecmd.CommitRequest{
		Name: name, Author: s.c.String("author"), Comment: s.c.String("message"), Changes: s.c.StringSlice("change"),
	})
	if err != nil {
		return err
	}
	s.show.event(compose.Event{Kind: "Container", Name: c.Name, Status: "Committed as " + id})
	return nil
}
