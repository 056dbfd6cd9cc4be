// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"os"

	"coracle/pkg/cli/flags"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/urfave/cli/v2"

	"coracle/pkg/events"
	"coracle/pkg/oci"
	"coracle/pkg/overlay"
)

func importCommand(e *env) *cli.Command {
	return &cli.Command{
		Name: "import", Usage: "Import the contents from a tarball to create a filesystem image", ArgsUsage: "file|- [REPOSITORY[:TAG]]",
		Flags: []cli.Flag{
			flags.List("change", flags.Short("c"), "Apply Dockerfile instruction to the created image"),
			flags.Text("message", flags.Short("m"), "Set commit message for imported image"), flags.Platform("Set platform if server is multi-platform capable"),
		},
		Action: func(c *cli.Context) error {
			if err := needArgs(e, c, commandPath(c), 1, 2); err != nil {
				return err
			}
			return transferInside(e, c, func(st *overlay.Store) error { return runImport(e, c, st) })
		},
	}
}

func runImport(e *env, c *cli.Context, st *overlay.Store) error {
	in := e.stdin
	if name := c.Args().First(); name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return &cliError{err.Error()}
		}
		defer f.Close()
		in = f
	}
	o := oci.ImportOptions{Message: c.String("message")}
	if name := c.Args().Get(1); name != "" {
		ref, err := oci.ParseRef(name)
		if err != nil {
			return err
		}
		o.Names = []string{ref.Name()}
	}
	o.Configure = func(conf *ocispec.ImageConfig) error { return applyChanges(conf, c.StringSlice("change")) }
	img, err := oci.Import(c.Context, st, in, o)
	if err != nil {
		return err
	}
	event(e, events.Image, "import", "sha256:"+img.ID, c.Args().Get(1))
	fmt.Fprintln(e.stdout, "sha256:"+img.ID)
	return nil
}
