// SPDX-License-Identifier: Apache-2.0

package composecmd

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/command"
	"coracle/pkg/cli/flags"
	"coracle/pkg/cli/formatter"
)

func ls(e *command.Env) *cli.Command {
	return &cli.Command{
		Name: "ls", Usage: "List running compose projects",
		Flags: []cli.Flag{
			flags.Bool("all", flags.Short("a"), "Show all stopped Compose projects"),
			flags.List("filter", nil, "Filter output based on conditions provided"),
			&cli.StringFlag{Name: "format", Value: "table", Usage: "Format the output. Values: [table | json]"},
			flags.Bool("quiet", flags.Short("q"), "Only display project names"),
		},
		Action: verb(e, 0, 0, runLs),
	}
}

func runLs(_ context.Context, s *session) error {
	projects, err := s.engine.Projects(s.c.Bool("all"))
	if err != nil {
		return err
	}
	names, err := nameFilters(s.c.StringSlice("filter"))
	if err != nil {
		return err
	}
	rows := []*formatter.ComposeProject{}
	for _, p := range projects {
		if len(names) > 0 && !slices.ContainsFunc(names, func(r *regexp.Regexp) bool { return r.MatchString(p.Name) }) {
			continue
		}
		rows = append(rows, &formatter.ComposeProject{
			Name: p.Name, Status: formatter.Counts(slices.Sorted(maps.Keys(p.Status)), p.Status), ConfigFiles: p.ConfigFiles,
		})
	}
	switch format := s.c.String("format"); {
	case s.c.Bool("quiet"):
		for _, r := range rows {
			fmt.Fprintln(s.Stdout, r.Name)
		}
		return nil
	case format == "json":
		return s.printJSON(rows)
	case format != "table":
		return fmt.Errorf("unsupported format value %q", format)
	}
	columns := formatter.ComposeProjects()
	return command.PrintList(s.Env, columns, columns.Format("", false), rows)
}

func nameFilters(list []string) (names []*regexp.Regexp, err error) {
	for _, f := range list {
		key, value, ok := strings.Cut(f, "=")
		if !ok || key != "name" {
			return nil, fmt.Errorf("invalid filter '%s'", f)
		}
		r, err := regexp.Compile(value)
		if err != nil {
			return nil, fmt.Errorf("invalid filter '%s': %w", f, err)
		}
		names = append(names, r)
	}
	return names, nil
}
