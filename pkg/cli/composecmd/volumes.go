// SPDX-License-Identifier: Apache-2.0

package composecmd

import (
	"context"
	"slices"

	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/command"
	"coracle/pkg/cli/flags"
	"coracle/pkg/cli/formatter"
	"coracle/pkg/container"
	"coracle/pkg/docker"
)

func volumes(e *command.Env) *cli.Command {
	l := formatter.Volumes()
	return &cli.Command{
		Name: "volumes", Usage: "List volumes", ArgsUsage: "[SERVICE...]",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "format", Value: "table", Usage: "Format output using a custom template: 'table', 'table TEMPLATE', 'json' or TEMPLATE"},
			flags.Bool("quiet", flags.Short("q"), "Only display volume names"),
		},
		Action: verb(e, 0, -1, func(ctx context.Context, s *session) error {
			rows, err := s.volumeRows(ctx)
			if err != nil {
				return err
			}
			format := s.c.String("format")
			if s.c.Bool("quiet") {
				format = ""
			}
			return command.PrintList(s.Env, l, l.Format(format, s.c.Bool("quiet")), rows)
		}),
	}
}

// volumeRows are the volumes of the project; where services are named, those that
// their running containers have.
func (s *session) volumeRows(ctx context.Context) ([]*formatter.VolumeContext, error) {
	_, has, services, err := s.observed(ctx)
	if err != nil {
		return nil, err
	}
	var used []string
	for _, c := range running(has.WithOneoff(services...)) {
		used = append(used, c.VolumeNames()...)
	}
	store, rows := container.Volumes(s.engine.Dirs), []*formatter.VolumeContext{}
	for _, v := range has.VolumesOf() {
		if len(services) == 0 || slices.Contains(used, v.Name) {
			rows = append(rows, formatter.VolumeRow(docker.Volume(v, store.DataDir(v.Name))))
		}
	}
	return rows, nil
}
