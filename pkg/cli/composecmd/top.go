// SPDX-License-Identifier: Apache-2.0

package composecmd

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/command"
	"coracle/pkg/cli/formatter"
	"coracle/pkg/compose"
	"coracle/pkg/compose/convert"
	"coracle/pkg/container"
	"coracle/pkg/docker"
)

func top(e *command.Env) *cli.Command {
	return &cli.Command{
		Name: "top", Usage: "Display the running processes", ArgsUsage: "[SERVICES...]", Action: verb(e, 0, -1, runTop),
	}
}

func runTop(ctx context.Context, s *session) error {
	has, err := s.there(ctx)
	if err != nil {
		return err
	}
	cols, err := docker.ParseColumns(nil)
	if err != nil {
		return err
	}
	list := running(has.WithOneoff(s.c.Args().Slice()...))
	slices.SortFunc(list, func(a, b *container.Container) int { return cmp.Compare(a.Name, b.Name) })
	var rows [][]string
	for _, c := range list {
		processes, err := compose.Processes(s.engine, c)
		if err != nil {
			return err
		}
		for _, row := range cols.Rows(processes, time.Now()) {
			rows = append(rows, append([]string{compose.ServiceOf(c), c.Labels[convert.LabelNumber]}, row...))
		}
	}
	if len(rows) == 0 {
		return nil
	}
	w := tabwriter.NewWriter(s.Stdout, 4, 1, 2, ' ', 0)
	fmt.Fprintln(w, strings.Join(append([]string{"SERVICE", "#"}, cols.Titles()...), "\t"))
	for _, row := range rows {
		for i, text := range row {
			row[i] = formatter.Clean(text)
		}
		fmt.Fprintln(w, strings.Join(row, "\t"))
	}
	return w.Flush()
}
