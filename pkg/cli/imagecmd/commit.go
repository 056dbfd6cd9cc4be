// SPDX-License-Identifier: Apache-2.0

package imagecmd

import (
	"context"
	"fmt"

	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/command"
	"coracle/pkg/cli/flags"
	"coracle/pkg/container"
	"coracle/pkg/container/create"
	"coracle/pkg/image"
	"coracle/pkg/oci"
)

// Commit is the command commit: create a new image from a container's changes.
func Commit(e *command.Env) *cli.Command {
	return &cli.Command{
		Name: "commit", Usage: "Create a new image from a container's changes", ArgsUsage: "CONTAINER [REPOSITORY[:TAG]]",
		Flags: []cli.Flag{
			flags.Text("author", flags.Short("a"), "Author (e.g., \"John Hannibal Smith <hannibal@a-team.com>\")"),
			flags.List("change", flags.Short("c"), "Apply Dockerfile instruction to the created image"),
			flags.Text("message", flags.Short("m"), "Commit message"),
			flags.Bool("no-pause", nil, "Accepted for scripts: a container is not paused"),
			&cli.BoolFlag{Name: "pause", Aliases: flags.Short("p"), Usage: "Accepted for scripts: a container is not paused", Value: true, Hidden: true},
		},
		Action: command.Takes(e, 1, 2, func(e *command.Env, c *cli.Context) error {
			if name := c.Args().Get(1); name != "" {
				if _, err := oci.ParseRef(name); err != nil {
					return err
				}
			}
			cs, ctr, err := e.Container(c.Args().First())
			if err != nil {
				return err
			}
			id, err := CommitOf(c.Context, e, cs, ctr, CommitRequest{
				Name: c.Args().Get(1), Author: c.String("author"), Comment: c.String("message"), Changes: c.StringSlice("change"),
			})
			if err == nil {
				fmt.Fprintln(e.Stdout, id)
			}
			return err
		}),
	}
}

// CommitRequest says what is made of a container, and how.
type CommitRequest = create.CommitRequest

// CommitOf makes an image of a container's changes, says what was left out of it, and
// returns its ID.
func CommitOf(ctx context.Context, e *command.Env, cs *container.Store, ctr *container.Container, q CommitRequest) (id string, err error) {
	err = command.OnImages(ctx, e, func(ctx context.Context, s *image.Store) error {
		made, err := create.Commit(ctx, cs, s, ctr, q)
		if err != nil {
			return err
		}
		for _, name := range made.Reserved {
			e.Warn("/%s was left out: in a layer, names that begin with .wh. stand for what is removed", name)
		}
		id = "sha256:" + made.ID
		return nil
	})
	return id, err
}
