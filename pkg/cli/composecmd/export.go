// SPDX-License-Identifier: Apache-2.0

package composecmd

import (
	"context"
	"errors"

	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/command"
	"coracle/pkg/cli/containercmd"
	"coracle/pkg/cli/flags"
	"coracle/pkg/compose"
	"coracle/pkg/container"
)

func export(e *command.Env) *cli.Command {
	return &cli.Command{
		Name: "export", Usage: "Export a service container's filesystem as a tar archive", ArgsUsage: "SERVICE",
		Flags:  []cli.Flag{indexFlag(), flags.Text("output", flags.Short("o"), "Write to a file, instead of STDOUT")},
		Action: verb(e, 1, 1, runExport),
	}
}

func runExport(ctx context.Context, s *session) error {
	c, err := s.named(ctx)
	if err != nil {
		return err
	}
	output := s.c.String("output")
	if output == "" && command.IsTerminal(s.Stdout) {
		return errors.New("output option is required when exporting to terminal")
	}
	s.show.event(compose.Event{Kind: "Container", Name: c.Name, Status: "Exporting"})
	if err := containercmd.ExportTo(ctx, s.Env, container.NewStore(s.engine.Dirs), c, output); err != nil {
		return err
	}
	s.show.event(compose.Event{Kind: "Container", Name: c.Name, Status: "Exported"})
	return nil
}
