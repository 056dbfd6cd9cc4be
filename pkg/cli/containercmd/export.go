// SPDX-License-Identifier: Apache-2.0

package containercmd

import (
	"context"
	"errors"
	"fmt"

	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/command"
	"coracle/pkg/cli/flags"
	"coracle/pkg/container"
	"coracle/pkg/container/archive"
)

// Export is the command export: export a container's filesystem as a tar archive.
func Export(e *command.Env) *cli.Command {
	return &cli.Command{
		Name: "export", Usage: "Export a container's filesystem as a tar archive", ArgsUsage: "CONTAINER",
		Flags: []cli.Flag{flags.Text("output", flags.Short("o"), "Write to a file, instead of STDOUT")},
		Action: command.Takes(e, 1, 1, func(e *command.Env, c *cli.Context) error {
			if c.String("output") == "" && command.IsTerminal(e.Stdout) {
				return command.Errorf("cowardly refusing to save to a terminal. Use the -o flag or redirect")
			}
			cs, ctr, err := e.Container(c.Args().First())
			if err != nil {
				return err
			}
			return ExportTo(c.Context, e, cs, ctr, c.String("output"))
		}),
	}
}

// ExportTo writes the files of a container to a file, or to standard output where it
// has no name.
func ExportTo(ctx context.Context, e *command.Env, cs *container.Store, ctr *container.Container, name string) (err error) {
	out := e.Stdout.File
	if name != "" {
		if out, err = command.CreateFile(e, name); err != nil {
			return command.Errorf("failed to export container: %v", err)
		}
	}
	left, err := archive.Export(ctx, cs, ctr, out)
	if out != e.Stdout.File {
		err = errors.Join(err, out.Close())
	}
	for _, line := range left {
		fmt.Fprintln(e.Stderr, "WARNING: not exported: "+line)
	}
	return err
}
