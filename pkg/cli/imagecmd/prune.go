// SPDX-License-Identifier: Apache-2.0

package imagecmd

import (
	"context"
	"errors"

	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/command"
	"coracle/pkg/cli/flags"
	"coracle/pkg/docker"
	"coracle/pkg/image"
)

// Prune is the command prune: remove unused images.
func Prune(e *command.Env) *cli.Command {
	return &cli.Command{
		Name: "prune", Usage: "Remove unused images",
		Flags: []cli.Flag{flags.Bool("all", flags.Short("a"), "Remove all unused images, not just dangling ones"), flags.Bool("force", flags.Short("f"), "Do not prompt for confirmation"),
			flags.List("filter", nil, "Provide filter values (e.g. \"until=<timestamp>\")")},
		Action: command.Takes(e, 0, 0, func(e *command.Env, c *cli.Context) error {
			f, err := docker.PruneFilters(c.StringSlice("filter"), "dangling")
			if err != nil {
				return err
			}
			every, err := everyImage(c, f)
			if err != nil {
				return err
			}
			warning := "WARNING! This will remove all dangling images."
			if every {
				warning = "WARNING! This will remove all images without at least one container associated to them."
			}
			if ok, err := command.Agreed(e, c, warning); !ok || err != nil {
				return err
			}
			return command.OnImages(c.Context, e, func(ctx context.Context, s *image.Store) error {
				return command.PruneAll(e, c, f, func(e *command.Env, c *cli.Context, f docker.Filters) (command.Pruned, error) {
					return PruneImages(ctx, e, c, s, f)
				})
			})
		}),
	}
}

// everyImage reports whether images with names are pruned, too.
func everyImage(c *cli.Context, f docker.Filters) (bool, error) {
	dangling, err := f.Bool("dangling")
	return c.Bool("all") || dangling != nil && !*dangling, err
}

// PruneImages removes the unused images that f matches, and returns what to say of
// it: of those before an error, too. c has the flag --all.
func PruneImages(ctx context.Context, e *command.Env, c *cli.Context, s *image.Store, f docker.Filters) (command.Pruned, error) {
	p := command.Pruned{Heading: "Deleted Images:"}
	ix, err := s.Index(ctx)
	if err != nil {
		return p, err
	}
	r, err := f.ImagePrune(ix)
	if err != nil {
		return p, err
	}
	r.All = r.All || c.Bool("all")
	got, err := s.Prune(ctx, r)
	for _, i := range got.Items {
		p.Lines = append(p.Lines, deletedLine(i, "untagged: ", "deleted: "))
	}
	p.Freed = got.Freed
	for _, f := range got.Failures {
		command.Tell(e, f)
		err = errors.Join(err, command.Exit(1))
	}
	return p, err
}
