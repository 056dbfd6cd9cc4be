// SPDX-License-Identifier: Apache-2.0

package composecmd

import (
	"context"
	"fmt"

	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/command"
	"coracle/pkg/cli/flags"
	"coracle/pkg/compose"
	"coracle/pkg/compose/load"
	"coracle/pkg/docker"
)

func start(e *command.Env) *cli.Command {
	return &cli.Command{
		Name: "start", Usage: "Start services", ArgsUsage: "[SERVICE...]",
		Flags: []cli.Flag{
			flags.Bool("wait", nil, "Wait for services to be running|healthy. Implies detached mode"),
			&cli.IntFlag{Name: "wait-timeout", Usage: "Maximum duration in seconds to wait for the project to be running|healthy"},
		},
		Action: verb(e, 0, -1, func(ctx context.Context, s *session) error {
			p, err := s.project(ctx, s.c.Args().Slice(), false)
			if err != nil {
				return err
			}
			has, err := s.engine.Observe(p.Name)
			if err != nil {
				return err
			}
			return s.startAndWait(ctx, p, has)
		}),
	}
}

func stop(e *command.Env) *cli.Command {
	return &cli.Command{
		Name: "stop", Usage: "Stop services", ArgsUsage: "[SERVICE...]", Flags: []cli.Flag{timeoutFlag()},
		Action: verb(e, 0, -1, func(ctx context.Context, s *session) error {
			p, has, services, err := s.observed(ctx)
			if err != nil {
				return err
			}
			return s.engine.Stop(ctx, running(has.Containers(services...)), timeout(s.c), p)
		}),
	}
}

func restart(e *command.Env) *cli.Command {
	return &cli.Command{
		Name: "restart", Usage: "Restart service containers", ArgsUsage: "[SERVICE...]",
		Flags:  []cli.Flag{flags.Bool("no-deps", nil, "Don't restart dependent services"), timeoutFlag()},
		Action: verb(e, 0, -1, runRestart),
	}
}

// runRestart restarts services, and those that depend on them and say so.
func runRestart(ctx context.Context, s *session) error {
	p, err := load.Project(ctx, s.options())
	if err != nil {
		return err
	}
	has, err := s.engine.Observe(p.Name)
	if err != nil {
		return err
	}
	names, err := s.services(p, has)
	if err != nil {
		return err
	}
	return compose.Restart(ctx, s.engine, p, names, compose.RestartChoices{Alone: s.c.Bool("no-deps"), Timeout: timeout(s.c)})
}

func kill(e *command.Env) *cli.Command {
	return &cli.Command{
		Name: "kill", Usage: "Force stop service containers", ArgsUsage: "[SERVICE...]",
		Flags: []cli.Flag{
			flags.Bool("remove-orphans", nil, "Remove containers for services not defined in the Compose file"),
			&cli.StringFlag{Name: "signal", Aliases: flags.Short("s"), Value: "SIGKILL", Usage: "SIGNAL to send to the container"},
		},
		Action: verb(e, 0, -1, func(ctx context.Context, s *session) error {
			sig, err := docker.KillRequest{Signal: s.c.String("signal")}.Number()
			if err != nil {
				return err
			}
			_, has, services, err := s.observed(ctx)
			if err != nil {
				return err
			}
			list := running(has.Containers(services...))
			if len(list) == 0 {
				fmt.Fprintln(s.Stderr, "No container to kill")
				return nil
			}
			return s.engine.Signal(ctx, list, sig)
		}),
	}
}
