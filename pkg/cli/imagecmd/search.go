// SPDX-License-Identifier: Apache-2.0

package imagecmd

import (
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/command"
	"coracle/pkg/cli/flags"
	"coracle/pkg/cli/formatter"
	"coracle/pkg/docker"
	"coracle/pkg/oci/registry"
)

// Search is the command search: find repositories on a registry.
func Search(e *command.Env) *cli.Command {
	return &cli.Command{
		Name: "search", Usage: "Search Docker Hub, or the registry before a slash, for images", ArgsUsage: "TERM",
		Flags: []cli.Flag{
			flags.List("filter", flags.Short("f"), "Filter output based on conditions provided"),
			flags.Text("format", nil, "Format output: table, json, or a Go template"),
			&cli.IntFlag{Name: "limit", Usage: "Max number of search results"},
			flags.Bool("no-trunc", nil, "Don't truncate output"),
		},
		Action: command.Takes(e, 1, 1, runSearch),
	}
}

func runSearch(e *command.Env, c *cli.Context) error {
	filters := c.StringSlice("filter")
	if slices.ContainsFunc(filters, isAutomated) {
		fmt.Fprintln(e.Stderr, `WARNING: the "is-automated" filter is deprecated, and searching for "is-automated=true" will not yield any results in future.`)
	}
	r, err := docker.SearchRequest(c.Args().First(), c.Int("limit"), filters)
	if err != nil {
		return err
	}
	reg, err := registry.New(command.Access(e))
	if err != nil {
		return err
	}
	found, err := reg.Search(c.Context, r)
	if err != nil {
		return err
	}
	rows := make([]*formatter.SearchContext, len(found))
	for i, f := range found {
		rows[i] = formatter.SearchRow(f, !c.Bool("no-trunc"))
	}
	list := formatter.Search()
	return command.PrintList(e, list, command.ListFormat(e, c, list, ""), rows)
}

// isAutomated reports whether a filter is for what a hub builds itself.
func isAutomated(filter string) bool {
	key, _, _ := strings.Cut(filter, "=")
	return strings.EqualFold(strings.TrimSpace(key), "is-automated")
}
