// SPDX-License-Identifier: Apache-2.0

package imagecmd

import (
	"context"
	"os"

	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/command"
	"coracle/pkg/cli/flags"
	"coracle/pkg/image"
	"coracle/pkg/oci"
)

// Save is the command save: save one or more images to a tar archive (streamed to STDOUT by default).
func Save(e *command.Env) *cli.Command {
	return &cli.Command{
		Name: "save", Usage: "Save one or more images to a tar archive (streamed to STDOUT by default)", ArgsUsage: "IMAGE [IMAGE...]",
		Flags: []cli.Flag{
			flags.Text("output", flags.Short("o"), "Write to a file, instead of STDOUT"),
			flags.Text("format", nil, "As one file system in a file: squashfs or sif"),
			flags.Text("platform", nil, "Accepted: an image here has one platform"),
		},
		Action: command.Takes(e, 1, -1, func(e *command.Env, c *cli.Context) error {
			if c.String("output") == "" && command.IsTerminal(e.Stdout) {
				return command.Errorf("cowardly refusing to save to a terminal. Use the -o flag or redirect")
			}
			r := image.SaveRequest{Images: c.Args().Slice(), Platforms: givenPlatform(c), Format: oci.Format(c.String("format"))}
			if (r.Format == oci.Squashfs || r.Format == oci.SIF) && c.String("output") == "" {
				return command.Errorf("--format %s needs a file: use the -o flag", r.Format)
			}
			return command.OnImages(c.Context, e, func(ctx context.Context, s *image.Store) error {
				return runSave(e, c.String("output"), func(out *os.File) error { return s.Save(ctx, r, out) })
			})
		}),
	}
}

// runSave lets save write to a file, or to standard output.
func runSave(e *command.Env, name string, save func(*os.File) error) error {
	if name != "" {
		return command.SaveFile(name, save)
	}
	return command.LostArchive(e, save(e.Stdout.File))
}
