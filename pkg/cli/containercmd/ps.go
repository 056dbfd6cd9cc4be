// SPDX-License-Identifier: Apache-2.0

package containercmd

import (
	"fmt"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/command"
	"coracle/pkg/cli/flags"
	"coracle/pkg/cli/formatter"
	"coracle/pkg/container/look"
	"coracle/pkg/docker"
)

// Ps is the command that lets a user list containers, by each of the names that it
// has in the table of commands.
func Ps(e *command.Env, name string, aliases ...string) *cli.Command {
	return &cli.Command{
		Name: name, Aliases: aliases, Usage: "List containers",
		Flags: []cli.Flag{
			flags.Bool("all", flags.Short("a"), "Show all containers (default shows just running)"),
			flags.List("filter", flags.Short("f"), "Filter output based on conditions provided"),
			flags.Text("format", nil, "Format output: table, json, or a Go template"),
			&cli.IntFlag{Name: "last", Aliases: flags.Short("n"), Value: -1, Usage: "Show n last created containers (includes all states)"},
			flags.Bool("latest", flags.Short("l"), "Show the latest created container (includes all states)"),
			flags.Bool("no-trunc", nil, "Don't truncate output"),
			flags.Bool("quiet", flags.Short("q"), "Only display container IDs"),
			flags.Bool("size", flags.Short("s"), "Display total file sizes"),
		},
		Action: command.Takes(e, 0, 0, runPs),
	}
}

func runPs(e *command.Env, c *cli.Context) error {
	d, err := e.Open()
	if err != nil {
		return err
	}
	f, err := docker.ContainerFilters(c.StringSlice("filter"))
	if err != nil {
		return err
	}
	last := c.Int("last")
	if c.Bool("latest") {
		last = 1
	}
	columns := formatter.Containers(c.Bool("size"))
	format := command.ListFormat(e, c, columns, "psFormat")
	if c.String("format") != "" && c.Bool("quiet") {
		fmt.Fprintln(e.Stderr, "WARNING: Ignoring custom format, because both --format and --quiet are set.")
	}
	if format != columns.Format("", c.Bool("quiet")) { // a mistake in it is one without containers, too
		if err := formatter.Check(format, &formatter.ContainerContext{}); err != nil {
			return command.FormatError(err)
		}
	}
	list, bad, err := look.List(c.Context, d, look.Query{
		Filters: f, All: c.Bool("all"), Last: max(last, 0), Size: c.Bool("size") && !c.Bool("quiet") || strings.Contains(format, ".Size"),
	})
	if bad != nil {
		command.Tell(e, bad) // the good ones are shown all the same
	}
	if err != nil {
		return err
	}
	rows := make([]*formatter.ContainerContext, len(list))
	now := time.Now()
	for i, s := range list {
		rows[i] = formatter.Container(s, !c.Bool("no-trunc"), now)
	}
	return command.PrintList(e, columns, format, rows)
}
