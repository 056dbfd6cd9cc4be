// SPDX-License-Identifier: Apache-2.0

package systemdcmd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/command"
	"coracle/pkg/cli/flags"
	"coracle/pkg/container"
	"coracle/pkg/doctor"
	"coracle/pkg/systemd"
)

// Systemd is the group systemd: units for containers that are there.
func Systemd(e *command.Env) *cli.Command {
	socket := flags.Bool("socket", nil, "With the sockets of the published ports: the first connection starts the container")
	return &cli.Command{Name: "systemd", Usage: "Let your systemd run containers", Subcommands: []*cli.Command{
		{
			Name: "install", Usage: "Write and enable a unit that runs a container", ArgsUsage: "CONTAINER", Flags: []cli.Flag{socket},
			Action: command.Takes(e, 1, 1, runInstall),
		},
		{
			Name: "print", Usage: "Print the unit that install would write", ArgsUsage: "CONTAINER",
			Flags:  []cli.Flag{socket, flags.Bool("system", nil, "A unit for the system's manager that runs the container as you")},
			Action: command.Takes(e, 1, 1, runPrint),
		},
		{
			Name: "status", Usage: "Show the units of containers, and whether they outlive your session", ArgsUsage: "[CONTAINER]",
			Action: command.Takes(e, 0, 1, runStatus),
		},
		{
			Name: "uninstall", Usage: "Remove the unit of a container", ArgsUsage: "CONTAINER",
			Action: command.Takes(e, 1, 1, runUninstall),
		},
	}}
}

func ownProgram(e *command.Env) (program, error) {
	path, err := os.Executable()
	if err != nil {
		return program{}, fmt.Errorf("find own program: %w", err)
	}
	root := e.Root
	if root != "" {
		root, err = filepath.Abs(root)
	}
	return program{path, root}, err
}

// units are the service of a container and, when it is asked for, its socket. The
// service is not enabled by itself then: the socket is.
func units(e *command.Env, c *cli.Context, account string) (ctr *container.Container, service, socket *systemd.Unit, err error) {
	p, err := ownProgram(e)
	if err != nil {
		return nil, nil, nil, err
	}
	if _, ctr, err = e.Container(c.Args().First()); err != nil {
		return nil, nil, nil, err
	}
	service = unitOf(ctr, p, account)
	if c.Bool("socket") {
		if socket, err = socketOf(ctr); err != nil {
			return nil, nil, nil, err
		}
		service.Section("Install").Entries = nil
	}
	return ctr, service, socket, nil
}

func socketName(ctr *container.Container) string {
	return strings.TrimSuffix(unitName(ctr), ".service") + ".socket"
}

func runInstall(e *command.Env, c *cli.Context) error {
	ctr, service, socket, err := units(e, c, "")
	if err != nil {
		return err
	}
	dir, err := systemd.UserDir()
	if err != nil {
		return err
	}
	begin := unitName(ctr)
	if err := dir.Install(unitName(ctr), service); err != nil {
		return err
	}
	fmt.Fprintln(e.Stdout, filepath.Join(string(dir), unitName(ctr)))
	if socket != nil {
		begin = socketName(ctr)
		if err := dir.Install(begin, socket); err != nil {
			return err
		}
		fmt.Fprintln(e.Stdout, filepath.Join(string(dir), begin))
	}
	reload(c.Context, e)
	if ctr.State.IsRunning() {
		fmt.Fprintf(e.Stderr, "container %s runs: `%s stop %s` before the unit starts it\n", ctr.Name, e.Program, ctr.Name)
	}
	fmt.Fprintf(e.Stderr, "start it now: systemctl --user start %s\n", begin)
	sayLingering(e)
	return nil
}

// reload lets the user's manager see what was written, or says who has to.
func reload(ctx context.Context, e *command.Env) {
	err := systemd.Reload(ctx)
	switch {
	case err != nil && !systemd.RunsHost():
		fmt.Fprintln(e.Stderr, "systemd does not run this host: the units are for one where it does, or for systemctl --user daemon-reload in a session that has it")
	case errors.Is(err, systemd.ErrNoManager):
		fmt.Fprintln(e.Stderr, "your systemd does not answer here: in a session of yours, systemctl --user daemon-reload")
	case err != nil:
		command.Tell(e, err)
	}
}

// sayLingering says what becomes of the user's units without a session.
func sayLingering(e *command.Env) {
	if r := doctor.Lingering(); r.State == doctor.Partly {
		fmt.Fprintln(e.Stderr, "lingering is off: your units start when you log in, and end when you log out; to change that: "+r.Remedy)
	}
}

func runPrint(e *command.Env, c *cli.Context) error {
	account := ""
	if c.Bool("system") {
		u, err := user.Current()
		if err != nil {
			return fmt.Errorf("find own name: %w", err)
		}
		account = u.Username
	}
	ctr, service, socket, err := units(e, c, account)
	if err != nil {
		return err
	}
	fmt.Fprintf(e.Stdout, "# %s\n%s", unitName(ctr), service)
	if socket != nil {
		fmt.Fprintf(e.Stdout, "\n# %s\n%s", socketName(ctr), socket)
	}
	return nil
}

func runStatus(e *command.Env, c *cli.Context) error {
	dir, err := systemd.UserDir()
	if err != nil {
		return err
	}
	names, err := dir.Units()
	if err != nil {
		return err
	}
	if arg := c.Args().First(); arg != "" {
		_, ctr, err := e.Container(arg)
		if err != nil {
			return err
		}
		names, err = nil, nil
		for _, name := range []string{unitName(ctr), socketName(ctr)} {
			if _, err := dir.Read(name); err == nil {
				names = append(names, name)
			}
		}
		if names == nil {
			return fmt.Errorf("container %s has no unit", ctr.Name)
		}
	}
	printUnits(c.Context, e, dir, names)
	tellLingering(e)
	return nil
}

// tellLingering ends what a status says.
func tellLingering(e *command.Env) {
	fmt.Fprintln(e.Stdout, "lingering: "+doctor.Lingering().Found)
	sayLingering(e)
}

// printUnits is a table of units.
func printUnits(ctx context.Context, e *command.Env, dir systemd.Dir, names []string) {
	w := tabwriter.NewWriter(e.Stdout, 10, 1, 3, ' ', 0)
	defer w.Flush()
	fmt.Fprintln(w, "UNIT\tSTARTED BY ITSELF\tSTATE")
	for _, name := range names {
		wanted, state := "no", systemd.ActiveState(ctx, name)
		if dir.Enabled(name) {
			wanted = "yes"
		}
		if state == "" {
			state = "unknown: your systemd does not know it, or does not answer here"
			if systemd.HasBus() {
				state = "not loaded"
			}
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", name, wanted, state)
	}
}

func runUninstall(e *command.Env, c *cli.Context) error {
	dir, err := systemd.UserDir()
	if err != nil {
		return err
	}
	name := c.Args().First() // its container may be gone
	if _, ctr, err := e.Container(name); err == nil {
		name = ctr.Name
	}
	base := "coracle-" + filepath.Base(name)
	return remove(c.Context, e, dir, base+".service", "container "+name, base+".socket")
}

// remove takes the unit of something away, and those that may be beside it.
func remove(ctx context.Context, e *command.Env, dir systemd.Dir, unit, of string, beside ...string) error {
	err := dir.Remove(unit)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s has no unit", of)
	}
	if err != nil {
		return err
	}
	for _, other := range beside {
		if err := dir.Remove(other); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	fmt.Fprintln(e.Stdout, unit)
	if state := systemd.ActiveState(ctx, unit); state == "active" || state == "activating" {
		fmt.Fprintf(e.Stderr, "it still runs: systemctl --user stop %s\n", unit)
	}
	reload(ctx, e)
	return nil
}
