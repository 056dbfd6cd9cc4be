// SPDX-License-Identifier: Apache-2.0

package composecmd

import (
	"context"
	"fmt"

	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/command"
	"coracle/pkg/cli/flags"
	"coracle/pkg/compose"
)

func down(e *command.Env) *cli.Command {
	return &cli.Command{
		Name: "down", Usage: "Stop and remove containers, networks", ArgsUsage: "[SERVICES]",
		Flags: []cli.Flag{
			flags.Bool("remove-orphans", nil, "Remove containers for services not defined in the Compose file"),
			flags.Text("rmi", nil, "Remove images used by services. \"local\" remove only images that don't have a custom tag (\"local\"|\"all\")"),
			timeoutFlag(),
			flags.Bool("volumes", flags.Short("v"), "Remove named volumes declared in the \"volumes\" section of the Compose file and anonymous volumes attached to containers"),
		},
		Action: verb(e, 0, -1, runDown),
	}
}

func runDown(ctx context.Context, s *session) error {
	images := s.c.String("rmi")
	if images != "" && images != "local" && images != "all" {
		return fmt.Errorf("invalid value for --rmi: %q", images)
	}
	p, has, services, err := s.observed(ctx)
	if err != nil {
		return err
	}
	return s.engine.Down(ctx, has.Project, p, compose.DownChoices{
		Services: services, Volumes: s.c.Bool("volumes"), Images: images, Timeout: timeout(s.c),
		RemoveOrphans: s.c.Bool("remove-orphans") || truth("COMPOSE_REMOVE_ORPHANS"),
	})
}
