// SPDX-License-Identifier: Apache-2.0

package imagecmd

import (
	"context"
	"fmt"
	"os"

	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/command"
	"coracle/pkg/cli/flags"
	"coracle/pkg/cli/progress"
	"coracle/pkg/image"
	"coracle/pkg/oci"
)

// Pull is the command pull: download an image from a registry.
func Pull(e *command.Env) *cli.Command {
	return &cli.Command{
		Name: "pull", Usage: "Download an image from a registry", ArgsUsage: "NAME[:TAG|@DIGEST]",
		Flags: []cli.Flag{
			flags.Bool("all-tags", flags.Short("a"), "Download all tagged images in the repository"),
			flags.Platform("Set platform if the registry has images for several"),
			flags.Bool("quiet", flags.Short("q"), "Suppress verbose output"),
			&cli.BoolFlag{Name: "disable-content-trust", Usage: "Accepted for scripts", Value: true, Hidden: true},
		},
		Action: command.Takes(e, 1, 1, func(e *command.Env, c *cli.Context) error {
			ref, err := oci.ParseRef(c.Args().First())
			if err != nil {
				return err
			}
			return runPull(e, c, ref)
		}),
	}
}

func runPull(e *command.Env, c *cli.Context, ref oci.Ref) error {
	arg, all := c.Args().First(), c.Bool("all-tags")
	if all && (ref.TaggedIn(arg) || ref.Digest() != "") {
		return command.Errorf("tag can't be used with --all-tags/-a")
	}
	return command.OnImages(c.Context, e, func(ctx context.Context, s *image.Store) error {
		if !all && ref.Digest() == "" && !ref.TaggedIn(arg) && !c.Bool("quiet") {
			fmt.Fprintln(e.Stdout, "Using default tag: latest")
		}
		got, err := s.Pull(ctx, image.PullRequest{Name: arg, AllTags: all, Platform: c.String("platform"), Access: command.Access(e)}, transferOn(e.Stdout.File, c.Bool("quiet")))
		for _, p := range got {
			fmt.Fprintln(e.Stdout, p.Name)
		}
		return err
	})
}

// transferOn draws a transfer, unless quiet is set.
func transferOn(f *os.File, quiet bool) func(oci.Event) {
	if quiet {
		return nil
	}
	return progress.NewTransfer(f).Event
}
