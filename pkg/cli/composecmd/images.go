// SPDX-License-Identifier: Apache-2.0

package composecmd

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/command"
	"coracle/pkg/cli/flags"
	"coracle/pkg/cli/formatter"
	"coracle/pkg/compose"
)

func images(e *command.Env) *cli.Command {
	return &cli.Command{
		Name: "images", Usage: "List images used by the created containers", ArgsUsage: "[SERVICE...]",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "format", Value: "table", Usage: "Format the output. Values: [table | json]"},
			flags.Bool("quiet", flags.Short("q"), "Only display IDs"),
		},
		Action: verb(e, 0, -1, runImages),
	}
}

func runImages(ctx context.Context, s *session) error {
	has, err := s.there(ctx)
	if err != nil {
		return err
	}
	used, err := compose.UsedImages(ctx, s.engine, has.WithOneoff(s.c.Args().Slice()...))
	if err != nil {
		return err
	}
	slices.SortFunc(used, func(a, b compose.UsedImage) int { return cmp.Compare(a.Container, b.Container) })
	now, rows := time.Now(), []*formatter.ComposeImage{}
	for _, u := range used {
		rows = append(rows, formatter.ComposeImageRow(u.Container, u.ID, u.Repository, u.Tag, u.Platform(), u.Size(), u.Created(), now))
	}
	switch format := s.c.String("format"); {
	case s.c.Bool("quiet"):
		var said []string
		for _, u := range used {
			if id := strings.TrimPrefix(u.ID, "sha256:"); !slices.Contains(said, id) {
				said = append(said, id)
				fmt.Fprintln(s.Stdout, id)
			}
		}
		return nil
	case format == "json":
		return s.printJSON(rows)
	case format != "table":
		return fmt.Errorf("format value %q could not be parsed: parsing failed", format)
	}
	columns := formatter.ComposeImages()
	return command.PrintList(s.Env, columns, columns.Format("", false), rows)
}
