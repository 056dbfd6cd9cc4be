// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"sync"
	"syscall"

	"github.com/moby/moby/api/types/network"
	"github.com/urfave/cli/v2"

	"coracle/pkg/container"
	"coracle/pkg/docker"
	"coracle/pkg/ns"
)

// onContainers does f for every named container, several at once, and reports
// in the order they were named.
func onContainers(e *env, args []string, f func(*container.Store, *container.Container) error) error {
	return onReadable(e, args, f, func(_ *container.Store, d *container.DamagedError) error { return d })
}

// onReadable is onContainers with something to do for those that cannot be
// read.
func onReadable(e *env, args []string, f func(*container.Store, *container.Container) error, damaged func(*container.Store, *container.DamagedError) error) error {
	cs, err := e.containers()
	if err != nil {
		return err
	}
	errs := make([]error, len(args))
	gate := make(chan struct{}, 50)
	var wg sync.WaitGroup
	for i, a := range args {
		wg.Add(1)
		go func() {
			defer wg.Done()
			gate <- struct{}{}
			defer func() { <-gate }()
			c, err := cs.Lookup(a)
			var broken *container.DamagedError
			switch {
			case err == nil:
				err = f(cs, c)
			case errors.As(err, &broken):
				err = damaged(cs, broken)
			}
			errs[i] = err
		}()
	}
	wg.Wait()
	next := 0
	return each(e, args, func(string) error {
		next++
		return errs[next-1]
	})
}

func stopFlags() []cli.Flag {
	return []cli.Flag{
		text("signal", short("s"), "Signal to send to the container"),
		&cli.IntFlag{Name: "timeout", Aliases: []string{"t", "time"}, Usage: "Seconds to wait before killing the container"},
	}
}

// stopOptions reads what stop and restart share.
func stopOptions(c *cli.Context) (sig syscall.Signal, timeout *int, err error) {
	if s := c.String("signal"); s != "" {
		if sig, err = container.ParseSignal(s); err != nil {
			return 0, nil, err
		}
	}
	if c.IsSet("timeout") {
		n := c.Int("timeout")
		timeout = &n
	}
	return sig, timeout, nil
}

func stopCommand(e *env) *cli.Command {
	return &cli.Command{
		Name: "stop", Usage: "Stop one or more running containers", ArgsUsage: "CONTAINER [CONTAINER...]", Flags: stopFlags(),
		Action: func(c *cli.Context) error {
			if err := needArgs(e, c, commandPath(c), 1, -1); err != nil {
				return err
			}
			sig, timeout, err := stopOptions(c)
			if err != nil {
				return err
			}
			return onContainers(e, c.Args().Slice(), func(cs *container.Store, ctr *container.Container) error {
				return cs.Stop(c.Context, ctr, sig, timeout)
			})
		},
	}
}

func killCommand(e *env) *cli.Command {
	return &cli.Command{
		Name: "kill", Usage: "Kill one or more running containers", ArgsUsage: "CONTAINER [CONTAINER...]",
		Flags: []cli.Flag{&cli.StringFlag{Name: "signal", Aliases: short("s"), Value: "KILL", Usage: "Signal to send to the container"}},
		Action: func(c *cli.Context) error {
			if err := needArgs(e, c, commandPath(c), 1, -1); err != nil {
				return err
			}
			sig, err := container.ParseSignal(c.String("signal"))
			if err != nil {
				return err
			}
			return onContainers(e, c.Args().Slice(), func(cs *container.Store, ctr *container.Container) error {
				if !ctr.State.IsRunning() {
					return fmt.Errorf("cannot kill container: %s: container %s is not running", ctr.Name, ctr.ID)
				}
				return cs.Signal(c.Context, ctr, sig)
			})
		},
	}
}

func rmCommand(e *env, aliases ...string) *cli.Command {
	return &cli.Command{
		Name: "rm", Aliases: aliases, Usage: "Remove one or more containers", ArgsUsage: "CONTAINER [CONTAINER...]",
		Flags: append(absent("links were replaced by names on networks", flag("link", short("l"), "")),
			flag("force", short("f"), "Force the removal of a running container (uses SIGKILL)"),
			flag("volumes", short("v"), "Remove anonymous volumes associated with the container"),
		),
		Action: func(c *cli.Context) error {
			if err := needArgs(e, c, commandPath(c), 1, -1); err != nil {
				return err
			}
			force := c.Bool("force")
			cs, err := e.containers()
			if err != nil {
				return err
			}
			args := c.Args().Slice()
			if force { // as in Docker, what is not there needs none to be gone
				args = slices.DeleteFunc(args, func(a string) bool { return sayMissing(e, cs, a) })
			}
			err = onReadable(e, args, func(cs *container.Store, ctr *container.Container) error {
				return removeContainer(c, cs, ctr, force, c.Bool("volumes"))
			}, func(cs *container.Store, d *container.DamagedError) error {
				if !force {
					return d
				}
				if err := cs.RemoveDamaged(c.Context, d.ID); !errors.Is(err, container.ErrNeedsUserNS) {
					return err
				}
				return nil
			})
			return errors.Join(err, sweepTrash(e, cs))
		},
	}
}

// sayMissing reports whether there is no such container, and says so.
func sayMissing(e *env, cs *container.Store, arg string) bool {
	_, err := cs.Lookup(arg)
	var missing *container.NotFoundError
	if !errors.As(err, &missing) {
		return false
	}
	tellError(e, err)
	return true
}

func removeContainer(c *cli.Context, cs *container.Store, ctr *container.Container, force, volumes bool) error {
	if ctr.State.IsRunning() {
		if !force {
			if ctr.State.Status == container.Paused {
				return fmt.Errorf("cannot remove container %q: container is paused and must be unpaused first", ctr.Name)
			}
			return fmt.Errorf("cannot remove container %q: container is %s: stop the container before removing or force remove", ctr.Name, ctr.State.Status)
		}
		if err := cs.Kill(c.Context, ctr); err != nil {
			return err
		}
	}
	err := cs.Remove(c.Context, ctr)
	var gone *container.NotFoundError
	if errors.As(err, &gone) && (force || ctr.Life.AutoRemove) || errors.Is(err, container.ErrNeedsUserNS) {
		err = nil
	}
	if err == nil && volumes {
		if err = cs.RemoveAnonymousVolumes(ctr); errors.Is(err, container.ErrNeedsUserNS) {
			err = nil
		}
	}
	return err
}

// sweepTrash finishes removals inside the user namespace, where files of
// subordinate ids can be deleted.
func sweepTrash(e *env, cs *container.Store) error {
	if !cs.HasTrash() {
		return nil
	}
	if ns.Inside() {
		return cs.SweepTrash()
	}
	return e.enter(e.stdout.File, "__sweep")
}

func sweep(e *env) error {
	cs, err := e.containers()
	if err != nil {
		return err
	}
	return cs.SweepTrash()
}

func renameCommand(e *env) *cli.Command {
	return &cli.Command{
		Name: "rename", Usage: "Rename a container", ArgsUsage: "CONTAINER NEW_NAME",
		Action: func(c *cli.Context) error {
			if err := needArgs(e, c, commandPath(c), 2, 2); err != nil {
				return err
			}
			cs, ctr, err := e.container(c.Args().First())
			if err != nil {
				return err
			}
			return cs.Rename(c.Context, ctr, c.Args().Get(1))
		},
	}
}

func waitCommand(e *env) *cli.Command {
	return &cli.Command{
		Name: "wait", Usage: "Block until one or more containers stop, then print their exit codes", ArgsUsage: "CONTAINER [CONTAINER...]",
		Action: func(c *cli.Context) error {
			if err := needArgs(e, c, commandPath(c), 1, -1); err != nil {
				return err
			}
			cs, err := e.containers()
			if err != nil {
				return err
			}
			failed := false
			for _, a := range c.Args().Slice() {
				ctr, err := cs.Lookup(a)
				code := 0
				if err == nil {
					code, err = cs.Wait(ctr)
				}
				if err != nil {
					tellError(e, err)
					failed = true
					continue
				}
				fmt.Fprintln(e.stdout, code)
			}
			if failed {
				return exit(1)
			}
			return nil
		},
	}
}

func portCommand(e *env) *cli.Command {
	return &cli.Command{
		Name: "port", Usage: "List port mappings or a specific mapping for the container", ArgsUsage: "CONTAINER [PRIVATE_PORT[/PROTO]]",
		Action: func(c *cli.Context) error {
			if err := needArgs(e, c, commandPath(c), 1, 2); err != nil {
				return err
			}
			_, ctr, err := e.container(c.Args().First())
			if err != nil {
				return err
			}
			return printPorts(e, ctr, c.Args().Get(1))
		},
	}
}

func printPorts(e *env, ctr *container.Container, want string) error {
	var only network.Port
	if want != "" {
		var err error
		if only, err = network.ParsePort(want); err != nil {
			return &cliError{err.Error()}
		}
	}
	found := false
	for _, p := range docker.PortSummaries(ctr) {
		host := net.JoinHostPort(p.IP.String(), strconv.Itoa(int(p.PublicPort)))
		switch {
		case p.PublicPort == 0: // exposed only
		case want == "":
			fmt.Fprintf(e.stdout, "%d/%s -> %s\n", p.PrivatePort, p.Type, host)
		case p.PrivatePort == only.Num() && p.Type == string(only.Proto()):
			fmt.Fprintln(e.stdout, host)
			found = true
		}
	}
	if want != "" && !found {
		return fmt.Errorf("no public port '%s' published for %s", want, ctr.Name)
	}
	return nil
}
