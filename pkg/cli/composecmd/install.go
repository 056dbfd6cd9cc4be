// SPDX-License-Identifier: Apache-2.0

package composecmd

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/command"
	"coracle/pkg/cli/systemdcmd"
)

func install(e *command.Env) *cli.Command {
	return &cli.Command{
		Name: "install", Usage: "Write and enable a unit of your systemd that starts the project after a boot",
		Action: verb(e, 0, 0, runInstall),
	}
}

func uninstall(e *command.Env) *cli.Command {
	return &cli.Command{
		Name: "uninstall", Usage: "Remove the unit that install has written",
		Action: verb(e, 0, 0, func(ctx context.Context, s *session) error {
			_, name, err := s.projectOrName(ctx)
			if err != nil {
				return err
			}
			return systemdcmd.UninstallProject(ctx, s.Env, name)
		}),
	}
}

func status(e *command.Env) *cli.Command {
	return &cli.Command{
		Name: "status", Usage: "Show the project's unit, and whether it outlives your session",
		Action: verb(e, 0, 0, func(ctx context.Context, s *session) error {
			_, name, err := s.projectOrName(ctx)
			if err != nil {
				return err
			}
			return systemdcmd.ProjectStatus(ctx, s.Env, name)
		}),
	}
}

func runInstall(ctx context.Context, s *session) error {
	p, err := s.project(ctx, nil, false)
	if err != nil {
		return err
	}
	if slices.Contains(p.ComposeFiles, "-") {
		return errors.New("a project that is read from standard input cannot be started later: give it a file")
	}
	unit := systemdcmd.Project{Name: p.Name, Files: p.ComposeFiles, Dir: p.WorkingDir, Stop: stopTime(p)}
	for _, f := range s.c.StringSlice("env-file") {
		path, err := filepath.Abs(f)
		if err != nil {
			return err
		}
		unit.Flags = append(unit.Flags, "--env-file", path)
	}
	for _, name := range p.Profiles {
		if name != "" {
			unit.Flags = append(unit.Flags, "--profile", name)
		}
	}
	return systemdcmd.InstallProject(ctx, s.Env, unit)
}

// stopTime is how long the services of a project take to end at most, if each waits
// for another.
func stopTime(p *types.Project) (sum time.Duration) {
	for _, service := range p.Services {
		grace := 10 * time.Second // Docker's
		if service.StopGracePeriod != nil {
			grace = time.Duration(*service.StopGracePeriod)
		}
		sum += grace
	}
	return sum
}
