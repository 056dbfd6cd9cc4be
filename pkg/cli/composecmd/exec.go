// SPDX-License-Identifier: Apache-2.0

package composecmd

import (
	"context"
	"fmt"

	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/command"
	"coracle/pkg/cli/containercmd"
	"coracle/pkg/cli/flags"
	"coracle/pkg/compose"
	"coracle/pkg/container"
	"coracle/pkg/docker"
)

func execute(e *command.Env) *cli.Command {
	return &cli.Command{
		Name: "exec", Usage: "Execute a command in a running container", ArgsUsage: "SERVICE COMMAND [ARGS...]",
		Flags: []cli.Flag{
			flags.Bool("detach", flags.Short("d"), "Detached mode: Run command in the background"),
			flags.List("env", flags.Short("e"), "Set environment variables"),
			&cli.IntFlag{Name: "index", Usage: "Index of the container if service has multiple replicas"},
			&cli.BoolFlag{Name: "interactive", Aliases: flags.Short("i"), Value: true, Usage: "Keep STDIN open even if not attached"},
			flags.Bool("no-tty", flags.Short("T"), "Disable pseudo-TTY allocation. By default 'docker compose exec' allocates a TTY."),
			flags.Bool("privileged", nil, "Give extended privileges to the process"),
			flags.Bool("tty", flags.Short("t"), "Allocate a pseudo-TTY (the default)"),
			flags.Text("user", flags.Short("u"), "Run the command as this user"),
			flags.Text("workdir", flags.Short("w"), "Path to workdir directory for this command"),
		},
		Action: command.Takes(e, 2, -1, func(e *command.Env, c *cli.Context) error {
			s, err := newSession(e, c)
			if err != nil {
				return err
			}
			return s.failed(runExec(c.Context, s))
		}),
	}
}

func runExec(ctx context.Context, s *session) error {
	c, err := s.named(ctx)
	if err != nil {
		return err
	}
	attach := !s.c.Bool("detach")
	q := docker.ExecRequest{
		Cmd: s.c.Args().Tail(), WorkingDir: s.c.String("workdir"), User: s.c.String("user"), Privileged: s.c.Bool("privileged"),
		Tty: attach && !s.c.Bool("no-tty") && command.IsTerminal(s.Stdout) && command.IsTerminal(s.Stdin), AttachStdin: attach && s.c.Bool("interactive"), AttachStdout: attach, AttachStderr: attach,
	}
	for k, v := range pairs(s.c.StringSlice("env")) {
		q.Env = append(q.Env, k+"="+v)
	}
	return containercmd.ExecIn(ctx, s.Env, c, q)
}

// named is the container of the service that is the first argument, and --index.
func (s *session) named(ctx context.Context) (*container.Container, error) {
	_, name, err := s.projectOrName(ctx)
	if err != nil {
		return nil, err
	}
	return s.one(name, s.c.Args().First(), s.c.Int("index"))
}

// one finds the container of a service that a verb is about, which has to run: the
// one with the number, or the first.
func (s *session) one(project, service string, number int) (*container.Container, error) {
	has, err := s.engine.Observe(project)
	if err != nil {
		return nil, err
	}
	for _, c := range has.WithOneoff(service) {
		if c.State.IsRunning() && (number == 0 || number == compose.Number(c)) {
			return c, nil
		}
	}
	if number > 0 {
		return nil, fmt.Errorf("service %q is not running container #%d", service, number)
	}
	return nil, fmt.Errorf("service %q is not running", service)
}
