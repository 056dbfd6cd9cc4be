// SPDX-License-Identifier: Apache-2.0

package imagecmd

import (
	"context"
	"fmt"

	moby "github.com/moby/moby/api/types/image"
	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/command"
	"coracle/pkg/cli/flags"
	"coracle/pkg/image"
)

// Rmi is the command that lets a user remove one or more images, by each of the names that it
// has in the table of commands.
func Rmi(e *command.Env, name string, aliases ...string) *cli.Command {
	return &cli.Command{
		Name: name, Aliases: aliases, Usage: "Remove one or more images", ArgsUsage: "IMAGE [IMAGE...]",
		Flags: []cli.Flag{flags.Bool("force", flags.Short("f"), "Force removal of the image"), flags.Bool("no-prune", nil, "Do not delete untagged parents"),
			flags.List("platform", nil, "Remove only the given platform variant: an image here has one")},
		Action: command.Takes(e, 1, -1, func(e *command.Env, c *cli.Context) error {
			r := image.RemoveRequest{Images: c.Args().Slice(), Platforms: c.StringSlice("platform"), Force: c.Bool("force")}
			return command.OnImages(c.Context, e, func(ctx context.Context, s *image.Store) error { return removeImages(ctx, e, s, r) })
		}),
	}
}

// removeImages tells of one image after the other what became of it.
func removeImages(ctx context.Context, e *command.Env, s *image.Store, r image.RemoveRequest) error {
	failed := false
	err := s.Remove(ctx, r, func(one image.Removed) {
		for _, i := range one.Items {
			fmt.Fprintln(e.Stdout, deletedLine(i, "Untagged: ", "Deleted: "))
		}
		if err := one.Err(); err != nil {
			failed = failed || !r.Force || one.NotFound == nil // as in Docker, what is not there needs no force to be gone
			command.Tell(e, err)
		}
	})
	if err == nil && failed {
		err = command.Exit(1)
	}
	return err
}

// deletedLine tells of a name or an image that is gone.
func deletedLine(i moby.DeleteResponse, untagged, deleted string) string {
	if i.Deleted != "" {
		return deleted + i.Deleted
	}
	return untagged + i.Untagged
}
