// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"os"

	"coracle/pkg/cli/flags"

	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/progress"
	"coracle/pkg/events"
	"coracle/pkg/oci"
	"coracle/pkg/overlay"
)

func loadCommand(e *env) *cli.Command {
	return &cli.Command{
		Name: "load", Usage: "Load an image from a tar archive or STDIN",
		Flags: []cli.Flag{
			flags.Text("input", flags.Short("i"), "Read from tar archive file, instead of STDIN"),
			flags.Text("platform", nil, "Load only the given platform of an archive with several"),
			flags.Bool("quiet", flags.Short("q"), "Suppress the load output"),
		},
		Action: func(c *cli.Context) error {
			if err := needArgs(e, c, commandPath(c), 0, 0); err != nil {
				return err
			}
			if c.String("input") == "" && isTerminal(e.stdin) {
				return cliErrorf("requested load from stdin, but stdin is empty")
			}
			return transferInside(e, c, func(st *overlay.Store) error { return runLoad(e, c, st) })
		},
	}
}

func runLoad(e *env, c *cli.Context, st *overlay.Store) error {
	ctx := c.Context
	in := e.stdin
	if name := c.String("input"); name != "" {
		f, err := os.Open(name)
		if err != nil {
			return &cliError{err.Error()}
		}
		defer f.Close()
		in = f
	}
	o := oci.LoadOptions{Platform: c.String("platform")}
	if !c.Bool("quiet") && isTerminal(e.stdout) {
		o.Events = progress.NewTransfer(e.stdout.File).Event
	}
	loaded, err := oci.Load(ctx, st, in, o)
	for _, l := range loaded {
		event(e, events.Image, "load", "sha256:"+l.Image.ID, "sha256:"+l.Image.ID)
		tagged(e, l.Image.ID, l.Names)
		for _, n := range l.Names {
			if old := l.Moved[n]; old != "" {
				fmt.Fprintf(e.stdout, "The image %s already exists, renaming the old one with ID sha256:%s to empty string\n", oci.Familiar(n), old)
			}
			fmt.Fprintln(e.stdout, "Loaded image: "+oci.Familiar(n))
		}
		if len(l.Names) == 0 {
			fmt.Fprintln(e.stdout, "Loaded image ID: sha256:"+l.Image.ID)
		}
	}
	return err
}

// namesOf are the names that a repository has.
func namesOf(ix *overlay.Index, ref oci.Ref) []string {
	var list []string
	for _, img := range ix.Images {
		for _, n := range img.Names {
			if r, err := oci.ParseRef(n); err == nil && r.Repository() == ref.Repository() {
				list = append(list, n)
			}
		}
	}
	return list
}
