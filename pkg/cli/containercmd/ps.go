// SPDX-License-Identifier: Apache-2.0

package containercmd

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/command"
	"coracle/pkg/cli/flags"
	"coracle/pkg/cli/formatter"
	"coracle/pkg/container"
	"coracle/pkg/docker"
	"coracle/pkg/network"
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
	cs, err := e.Containers()
	if err != nil {
		return err
	}
	f, err := docker.ContainerFilters(c.StringSlice("filter"))
	if err != nil {
		return err
	}
	all, err := cs.ListAll()
	if err != nil {
		return err
	}
	if all.Bad != nil {
		command.Tell(e, all.Bad) // the good ones are shown all the same
	}
	cs.Reclaim(all.Orphans)
	list := append(all.Containers, all.Dead...)
	last := c.Int("last")
	if c.Bool("latest") {
		last = 1
	}
	if list, err = filterContainers(e, list, f, c.Bool("all") || last > 0 || len(f["status"]) > 0); err != nil {
		return err
	}
	if last > 0 {
		list = list[:min(last, len(list))]
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
	var sizes map[string]containerSize
	if c.Bool("size") && !c.Bool("quiet") || strings.Contains(format, ".Size") {
		if sizes, err = containerSizes(c.Context, e, list); err != nil {
			return err
		}
	}
	rows := make([]*formatter.ContainerContext, len(list))
	now, at := time.Now(), docker.Places{Volume: container.Volumes(cs.Dirs()).DataDir}
	for i, ctr := range list {
		s := docker.Summarize(ctr, at, now)
		s.SizeRw, s.SizeRootFs = sizes[ctr.ID].own, sizes[ctr.ID].all
		rows[i] = formatter.Container(s, !c.Bool("no-trunc"), now)
	}
	return command.PrintList(e, columns, format, rows)
}

// filterContainers applies --filter; without all only running ones are left.
func filterContainers(e *command.Env, list []*container.Container, f docker.Filters, all bool) ([]*container.Container, error) {
	is := docker.ContainerFacts{Network: func(v string) []string { return networksOf(e, v) }}
	var err error
	if is.Images, err = ancestors(e, f["ancestor"]); err != nil {
		return nil, err
	}
	is.Span, err = f.Span(func(arg string) (time.Time, error) {
		_, c, err := e.Container(arg)
		if err != nil {
			return time.Time{}, err
		}
		return c.Created, nil
	})
	return slices.DeleteFunc(list, func(c *container.Container) bool { return !all && !c.State.IsRunning() || !f.MatchContainer(c, is) }), err
}

// networksOf are the names of networks that have v for their ID, or begin with it.
func networksOf(e *command.Env, v string) (names []string) {
	for _, name := range network.Predefined() {
		if v != "" && strings.HasPrefix(docker.PredefinedID(name), v) {
			names = append(names, name)
		}
	}
	if nets, err := command.Networks(e); err == nil {
		if w, err := nets.Lookup(v); err == nil {
			names = append(names, w.Name)
		}
	}
	return names
}

// ancestors are the IDs of images; one that is not there has no containers.
func ancestors(e *command.Env, args []string) (map[string]bool, error) {
	ids := map[string]bool{}
	for _, a := range args {
		img, _, err := e.Image(a)
		if err != nil && docker.KindOf(err) != docker.NotFound {
			return nil, err
		}
		if err == nil {
			ids[img.ID] = true
		}
	}
	return ids, nil
}
