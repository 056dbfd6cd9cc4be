// SPDX-License-Identifier: Apache-2.0

package containercmd

import (
	"context"
	"time"

	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/command"
	"coracle/pkg/cli/flags"
	"coracle/pkg/container"
	"coracle/pkg/container/client"
	"coracle/pkg/systemd"
	"coracle/pkg/wire"
)

// StartDetached starts a container that does not run, and leaves it.
func StartDetached(ctx context.Context, e *command.Env, cs *container.Store, ctr *container.Container) error {
	if ctr.State.IsRunning() {
		return nil
	}
	sockets := client.HandedOver()
	defer wire.CloseFiles(sockets)
	return client.StartAlone(ctx, cs, ctr, sockets, copies(e))
}

// Start is the command start: start one or more stopped containers.
func Start(e *command.Env) *cli.Command {
	return &cli.Command{
		Name: "start", Usage: "Start one or more stopped containers", ArgsUsage: "CONTAINER [CONTAINER...]",
		Flags: append(flags.Absent("restoring a process needs root", flags.Text("checkpoint", nil, ""), flags.Text("checkpoint-dir", nil, "")),
			flags.Bool("attach", flags.Short("a"), "Attach STDOUT/STDERR and forward signals"),
			flags.Bool("interactive", flags.Short("i"), "Attach container's STDIN"),
			flags.Text("detach-keys", nil, "Override the key sequence for detaching a container"),
			flags.Bool("boot", nil, "Start what its restart policy wants to run after the host was started: for units and cron's @reboot"),
		),
		Action: func(c *cli.Context) error {
			if c.Bool("boot") {
				return startAfterBoot(e, c)
			}
			if err := command.NeedArgs(e, c, 1, -1); err != nil {
				return err
			}
			if c.Bool("attach") || c.Bool("interactive") {
				return startAttached(e, c)
			}
			var manager *systemd.Manager
			if c.Args().Len() == 1 {
				manager = systemd.TakeManager()
			}
			began := time.Now()
			return inOrder(e, c.Args().Slice(), func(cs *container.Store, ctr *container.Container) error {
				if err := StartDetached(c.Context, e, cs, ctr); err != nil {
					return err
				}
				return handOver(c.Context, cs, ctr, manager, began)
			})
		},
	}
}

// startAfterBoot is what a daemon would do when it starts.
func startAfterBoot(e *command.Env, c *cli.Context) error {
	if err := command.NeedArgs(e, c, 0, 0); err != nil {
		return err
	}
	cs, err := e.Containers()
	if err != nil {
		return err
	}
	list, bad := cs.List()
	if bad != nil {
		command.Tell(e, bad) // the good ones are started all the same
	}
	var names []string
	for _, ctr := range list {
		if ctr.WantedAfterBoot() {
			names = append(names, ctr.Name)
		}
	}
	return inOrder(e, names, func(cs *container.Store, ctr *container.Container) error { return StartDetached(c.Context, e, cs, ctr) })
}

func startAttached(e *command.Env, c *cli.Context) error {
	if c.Args().Len() > 1 {
		return command.Errorf("you cannot start and attach multiple containers at once")
	}
	keys, err := detachKeys(e, c)
	if err != nil {
		return err
	}
	cs, ctr, err := e.Container(c.Args().First())
	if err != nil {
		return err
	}
	a := attachment(e, ctr)
	a.Stdin = a.Stdin && c.Bool("interactive")
	if ctr.State.IsRunning() {
		ses, err := client.Attach(c.Context, cs, ctr, a, outputs(e, a))
		if err != nil {
			return err
		}
		code, err := converse(e, ses, a, keys, true)
		if err != nil {
			return command.LostOutput(1, err)
		}
		return command.Exit(code)
	}
	m := service{Manager: systemd.TakeManager()}
	code, err := runAttached(c.Context, e, cs, ctr, nil, keys, true, a, m)
	if err != nil {
		return command.LostOutput(1, err)
	}
	return command.Exit(m.exitCode(c.Context, cs, ctr, code))
}
