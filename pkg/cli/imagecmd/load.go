// SPDX-License-Identifier: Apache-2.0

package imagecmd

import (
	"context"
	"os"

	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/command"
	"coracle/pkg/cli/flags"
	"coracle/pkg/cli/progress"
	"coracle/pkg/image"
	"coracle/pkg/oci"
)

// Load is the command load: load an image from a tar archive or STDIN.
func Load(e *command.Env) *cli.Command {
	return &cli.Command{
		Name: "load", Usage: "Load an image from a tar archive or STDIN",
		Flags: []cli.Flag{
			flags.Text("input", flags.Short("i"), "Read from tar archive file, instead of STDIN"),
			flags.Text("platform", nil, "Load only the given platform of an archive with several"),
			flags.Bool("quiet", flags.Short("q"), "Suppress the load output"),
		},
		Action: command.Takes(e, 0, 0, func(e *command.Env, c *cli.Context) error {
			if c.String("input") == "" && command.IsTerminal(e.Stdin) {
				return command.Errorf("requested load from stdin, but stdin is empty")
			}
			return command.OnImages(c.Context, e, func(ctx context.Context, s *image.Store) error { return runLoad(ctx, e, c, s) })
		}),
	}
}

func runLoad(ctx context.Context, e *command.Env, c *cli.Context, s *image.Store) error {
	in := e.Stdin
	if name := c.String("input"); name != "" {
		f, err := os.Open(name)
		if err != nil {
			return command.Errorf("%v", err)
		}
		defer f.Close()
		in = f
	}
	show, layers := progress.NewTransfer(e.Stdout.File), !c.Bool("quiet") && command.IsTerminal(e.Stdout)
	_, err := s.Load(ctx, image.LoadRequest{Platform: c.String("platform")}, in, func(ev oci.Event) {
		if layers || ev.Layer == "" {
			show.Event(ev)
		}
	})
	return err
}
