// SPDX-License-Identifier: Apache-2.0

package containercmd

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/command"
	"coracle/pkg/cli/formatter"
	"coracle/pkg/container"
	"coracle/pkg/docker"
)

// Top is the command top: display the running processes of a container.
func Top(e *command.Env) *cli.Command {
	return &cli.Command{
		Name: "top", Usage: "Display the running processes of a container", ArgsUsage: "CONTAINER [ps OPTIONS]",
		Action: command.Takes(e, 1, -1, func(e *command.Env, c *cli.Context) error {
			cols, err := docker.ParseColumns(c.Args().Tail())
			if err != nil {
				return err
			}
			cs, ctr, err := e.Container(c.Args().First())
			if err != nil {
				return err
			}
			list, err := ctr.Processes()
			if err != nil {
				return err
			}
			cs.Event(&ctr.Record, "top", nil)
			return printTop(e, list, cols)
		}),
	}
}

func printTop(e *command.Env, list []container.ProcessInfo, cols docker.Columns) error {
	w := tabwriter.NewWriter(e.Stdout, 20, 1, 3, ' ', 0)
	for _, row := range append([][]string{cols.Titles()}, cols.Rows(list, time.Now())...) {
		for i, text := range row {
			row[i] = formatter.Clean(text)
		}
		fmt.Fprintln(w, strings.Join(row, "\t"))
	}
	return w.Flush()
}
