// SPDX-License-Identifier: Apache-2.0

package apicmd

import (
	"context"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"coracle/pkg/api"
	"coracle/pkg/cli/command"
	"coracle/pkg/cli/flags"
	"coracle/pkg/hint"
)

// API is the command api: answer clients of Docker's HTTP interface.
func API(e *command.Env) *cli.Command {
	return &cli.Command{
		Name: "api", Usage: "Answer clients that speak to Docker's socket", ArgsUsage: "[COMMAND] [ARG...]",
		Flags: []cli.Flag{
			flags.Text("listen", nil, "Listen on unix://PATH, or on tcp://127.0.0.1:PORT, until told to end"),
			&cli.DurationFlag{Name: "time", Usage: "End when nobody has asked for anything for so long (0: never)"},
		},
		Action: func(c *cli.Context) error { return run(e, c) },
	}
}

func run(e *command.Env, c *cli.Context) error {
	listen, args := c.String("listen"), c.Args().Slice()
	switch {
	case listen != "" && len(args) > 0:
		return command.Errorf("conflicting options: --listen and a command: a command has a socket of its own")
	case len(args) > 0:
		return runWith(c.Context, e, args)
	case listen == "":
		return hint.With(command.Errorf("nothing to do: nobody knows where to listen"),
			fmt.Sprintf("%[1]s api COMMAND runs a command that finds the socket by DOCKER_HOST; %[1]s api --listen unix://PATH listens until it is told to end", e.Program))
	}
	l, err := api.Listen(listen)
	if err != nil {
		return command.Errorf("%v", err)
	}
	if l.Addr().Network() == "tcp" {
		fmt.Fprintf(e.Stderr, "WARNING: every user and program of this host can use %s, and with it all that you can\n", l.Addr())
	}
	return serve(c.Context, e, l, c.Duration("time"))
}

// serve answers until a signal comes, or nobody has asked for so long.
func serve(ctx context.Context, e *command.Env, l net.Listener, idle time.Duration) error {
	engine, err := newEngine(e)
	if err != nil {
		l.Close()
		return err
	}
	ctx, stop := command.UntilSignal(ctx)
	defer stop()
	engine.Log = e.Stderr
	return engine.Serve(ctx, l, idle) // to be told to end is how it ends
}

func newEngine(e *command.Env) (*api.Engine, error) {
	d, err := e.Open()
	if err != nil {
		return nil, err
	}
	return &api.Engine{Dirs: d, Version: strings.TrimSpace(e.Version), Access: command.Access(e)}, nil
}
