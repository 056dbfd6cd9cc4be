// SPDX-License-Identifier: Apache-2.0

package containercmd

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/command"
	"coracle/pkg/cli/flags"
	"coracle/pkg/container/client"
	"coracle/pkg/container/control"
	"coracle/pkg/container/create"
	"coracle/pkg/docker"
	"coracle/pkg/state"
	"coracle/pkg/trace"
	"coracle/pkg/wire"
)

// Run is the command run: create and run a new container from an image.
func Run(e *command.Env) *cli.Command {
	return &cli.Command{
		Name: "run", Usage: "Create and run a new container from an image", ArgsUsage: "IMAGE [COMMAND] [ARG...]",
		Flags: append(slices.Concat(createFlags(), createLimitFlags(), healthFlags()),
			flags.Bool("detach", flags.Short("d"), "Run container in background and print container ID"),
			flags.Text("detach-keys", nil, "Override the key sequence for detaching a container"),
			flags.Text("sdnotify", nil, "Who tells systemd that a service is ready (container, healthy, ignore)"),
			&cli.BoolFlag{Name: "sig-proxy", Usage: "Proxy received signals to the process", Value: true}),
		Action: command.Takes(e, 1, -1, runRun),
	}
}

func runRun(e *command.Env, c *cli.Context) error {
	if c.Bool("tty") && c.Bool("interactive") && !c.Bool("detach") && !command.IsTerminal(e.Stdin) {
		fmt.Fprintln(e.Stderr, "cannot attach stdin to a TTY-enabled container because stdin is not a terminal")
		return command.Exit(1)
	}
	keys, err := detachKeys(e, c)
	if err != nil {
		return command.RunError(e, "run", err)
	}
	cs, err := e.Containers()
	if err != nil {
		return createError(e, "run", err)
	}
	id := state.NewID()
	manager, err := takeService(e, c, id)
	if err != nil {
		return createError(e, "run", err)
	}
	defer manager.inside.Close()
	var supervisor *client.Supervisor
	shared := func(v string) bool { return strings.Contains(v, "container:") }
	if !slices.ContainsFunc(append(c.StringSlice("network"), c.String("pid"), c.String("ipc")), shared) && !docker.KeepsID(cmp.Or(c.String("userns"), create.DefaultUserns())) {
		supervisor = client.Spawn(cs, id) // while the image is found; else it is to be in another user namespace
	}
	ctr, err := createWithFile(e, c, id, manager)
	trace.Mark("created the container")
	if err != nil {
		supervisor.Close()
		return createError(e, "run", err)
	}
	if c.Bool("detach") {
		sockets := client.HandedOver()
		defer wire.CloseFiles(sockets)
		began := time.Now()
		ses, err := client.Launch(c.Context, cs, ctr, client.Start{Supervisor: supervisor, Sockets: sockets, Copies: copies(e)})
		if err != nil {
			return command.RunError(e, "run", err)
		}
		ses.Close()
		fmt.Fprintln(e.Stdout, ctr.ID)
		if err := handOver(c.Context, cs, ctr, manager.Manager, began); err != nil {
			return command.RunError(e, "run", err)
		}
		return nil
	}
	code, err := runAttached(c.Context, e, cs, ctr, supervisor, keys, c.Bool("sig-proxy"), nil, manager)
	var lost *control.OutputError
	switch {
	case errors.As(err, &lost):
		return command.LostOutput(125, err)
	case err != nil:
		return command.RunError(e, "run", err)
	}
	return command.Exit(manager.exitCode(c.Context, cs, ctr, code))
}
