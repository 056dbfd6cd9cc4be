// SPDX-License-Identifier: Apache-2.0

package imagecmd

import (
	"context"
	"fmt"
	"os"

	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/command"
	"coracle/pkg/cli/flags"
	"coracle/pkg/dockerfile"
	"coracle/pkg/image"
)

// Import is the command import: import the contents from a tarball to create a filesystem image.
func Import(e *command.Env) *cli.Command {
	return &cli.Command{
		Name: "import", Usage: "Import the contents from a tarball to create a filesystem image", ArgsUsage: "file|- [REPOSITORY[:TAG]]",
		Flags: []cli.Flag{
			flags.List("change", flags.Short("c"), "Apply Dockerfile instruction to the created image"),
			flags.Text("message", flags.Short("m"), "Set commit message for imported image"), flags.Platform("Set platform if server is multi-platform capable"),
		},
		Action: command.Takes(e, 1, 2, func(e *command.Env, c *cli.Context) error {
			return command.OnImages(c.Context, e, func(ctx context.Context, s *image.Store) error { return runImport(ctx, e, c, s) })
		}),
	}
}

func runImport(ctx context.Context, e *command.Env, c *cli.Context, s *image.Store) error {
	in := e.Stdin
	if name := c.Args().First(); name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return command.Errorf("%v", err)
		}
		defer f.Close()
		in = f
	}
	r := image.ImportRequest{Name: c.Args().Get(1), Message: c.String("message")}
	if err := dockerfile.Change(&r.Config, c.StringSlice("change")); err != nil {
		return err
	}
	id, err := s.Import(ctx, r, in)
	if err != nil {
		return err
	}
	fmt.Fprintln(e.Stdout, "sha256:"+id)
	return nil
}
