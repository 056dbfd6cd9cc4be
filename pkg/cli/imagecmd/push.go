// SPDX-License-Identifier: Apache-2.0

package imagecmd

import (
	"context"
	"fmt"

	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/command"
	"coracle/pkg/cli/flags"
	"coracle/pkg/image"
	"coracle/pkg/oci"
)

// Push is the command push: upload an image to a registry.
func Push(e *command.Env) *cli.Command {
	return &cli.Command{
		Name: "push", Usage: "Upload an image to a registry", ArgsUsage: "NAME[:TAG]",
		Flags: []cli.Flag{
			flags.Bool("all-tags", flags.Short("a"), "Push all tags of an image to the repository"),
			flags.Text("platform", nil, "Push the image of this platform only: an image here has one"),
			flags.Bool("quiet", flags.Short("q"), "Suppress verbose output"),
			&cli.BoolFlag{Name: "disable-content-trust", Usage: "Accepted for scripts", Value: true, Hidden: true},
		},
		Action: command.Takes(e, 1, 1, func(e *command.Env, c *cli.Context) error {
			ref, err := oci.ParseRef(c.Args().First())
			if err != nil {
				return err
			}
			if ref.Digest() != "" {
				return command.Errorf("cannot push a digest reference")
			}
			return runPush(e, c, ref)
		}),
	}
}

func runPush(e *command.Env, c *cli.Context, ref oci.Ref) error {
	tagged, all, quiet := ref.TaggedIn(c.Args().First()), c.Bool("all-tags"), c.Bool("quiet")
	if all && tagged {
		return command.Errorf("tag can't be used with --all-tags/-a")
	}
	return command.OnImages(c.Context, e, func(ctx context.Context, s *image.Store) error {
		if !tagged && !all && !quiet {
			fmt.Fprintln(e.Stdout, "Using default tag: latest")
		}
		sent, err := s.Push(ctx, image.PushRequest{Name: c.Args().First(), AllTags: all, Platforms: givenPlatform(c), Access: command.Access(e)}, transferOn(e.Stdout.File, quiet))
		for _, p := range sent {
			if quiet {
				fmt.Fprintln(e.Stdout, p.Name)
			}
		}
		return err
	})
}
