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
	"coracle/pkg/container/client"
	"coracle/pkg/hint"
	"coracle/pkg/wire"
)

// API is the command api: answer clients of Docker's HTTP interface.
func API(e *command.Env) *cli.Command {
	return &cli.Command{
		Name: "api", Usage: "Answer clients that speak to Docker's socket", ArgsUsage: "[COMMAND [ARG...]|install|uninstall]",
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
	case len(args) == 1 && args[0] == "install":
		return install(c.Context, e)
	case len(args) == 1 && args[0] == "uninstall":
		return uninstall(c.Context, e)
	case len(args) > 0:
		return runWith(c.Context, e, args)
	}
	l, err := listener(e, listen)
	if err != nil {
		return err
	}
	if l.Addr().Network() == "tcp" {
		fmt.Fprintf(e.Stderr, "WARNING: every user and program of this host can use %s, and with it all that you can\n", l.Addr())
	}
	return serve(c.Context, e, l, c.Duration("time"))
}

// listener is the socket that was asked for, or the one that a service manager has
// handed over.
func listener(e *command.Env, address string) (net.Listener, error) {
	if address != "" {
		l, err := api.Listen(address)
		if err != nil {
			return nil, command.Errorf("%v", err)
		}
		return l, nil
	}
	handed := client.HandedOver()
	defer wire.CloseFiles(handed)
	if len(handed) == 0 {
		return nil, hint.With(command.Errorf("nothing to do: nobody knows where to listen"),
			fmt.Sprintf("%[1]s api COMMAND runs a command that finds the socket by DOCKER_HOST; %[1]s api --listen unix://PATH listens until it is told to end", e.Program))
	}
	l, err := net.FileListener(handed[0])
	if err != nil {
		return nil, command.Errorf("use the socket of the service manager: %v", err)
	}
	return l, nil
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
