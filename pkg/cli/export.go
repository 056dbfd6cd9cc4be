// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"errors"
	"fmt"

	"coracle/pkg/cli/flags"

	"github.com/urfave/cli/v2"

	"coracle/pkg/container"
	"coracle/pkg/ns"
	"coracle/pkg/state"
)

func exportCommand(e *env) *cli.Command {
	return &cli.Command{
		Name: "export", Usage: "Export a container's filesystem as a tar archive", ArgsUsage: "CONTAINER",
		Flags: []cli.Flag{flags.Text("output", flags.Short("o"), "Write to a file, instead of STDOUT")},
		Action: func(c *cli.Context) error {
			if err := needArgs(e, c, commandPath(c), 1, 1); err != nil {
				return err
			}
			if c.String("output") == "" && isTerminal(e.stdout) {
				return cliErrorf("cowardly refusing to save to a terminal. Use the -o flag or redirect")
			}
			return runExport(e, c)
		},
	}
}

func runExport(e *env, c *cli.Context) error {
	cs, ctr, err := e.container(c.Args().First())
	if err != nil {
		return err
	}
	files, err := cs.OpenFiles(c.Context, ctr, ns.Inside(), true)
	if errors.Is(err, state.ErrNeedsUserNS) && !ns.Inside() {
		return e.again()
	}
	if err != nil {
		return err
	}
	defer files.Close()
	out := e.stdout.File
	if name := c.String("output"); name != "" {
		if out, err = createFile(e, name); err != nil {
			return cliErrorf("failed to export container: %v", err)
		}
	}
	cs.Event(&ctr.Record, "export", nil)
	// What is mounted is not the container's.
	left, err := files.Out(out, container.CopyOptions{Path: "/", Bare: true})
	if out != e.stdout.File {
		err = errors.Join(err, out.Close())
	}
	for _, line := range left {
		fmt.Fprintln(e.stderr, "WARNING: not exported: "+line)
	}
	return err
}
