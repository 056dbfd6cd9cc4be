// SPDX-License-Identifier: Apache-2.0

package containercmd

import (
	"fmt"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/command"
	"coracle/pkg/container"
)

// Top is the command top: display the running processes of a container.
func Top(e *command.Env) *cli.Command {
	return &cli.Command{
		Name: "top", Usage: "Display the running processes of a container", ArgsUsage: "CONTAINER [ps OPTIONS]",
		Action: command.Takes(e, 1, -1, func(e *command.Env, c *cli.Context) error {
			cols, err := psOptions(c.Args().Tail())
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

func printTop(e *command.Env, list []container.ProcessInfo, cols []psColumn) error {
	w := tabwriter.NewWriter(e.Stdout, 20, 1, 3, ' ', 0)
	now := time.Now()
	line := func(text func(psColumn) string) {
		for i, c := range cols {
			if i > 0 {
				fmt.Fprint(w, "\t")
			}
			fmt.Fprint(w, text(c))
		}
		fmt.Fprintln(w)
	}
	line(func(c psColumn) string { return c.head })
	for _, p := range list {
		line(func(c psColumn) string { return c.value(p, now) })
	}
	return w.Flush()
}

// terminalName is ps's name for a terminal's device number: pseudo terminals
// have the majors 136 to 143.
func terminalName(dev int) string {
	major, minor := dev>>8&0xfff, dev&0xff|dev>>12&0xfff00
	if major < 136 || major > 143 {
		return "?"
	}
	return "pts/" + strconv.Itoa((major-136)<<8+minor)
}
