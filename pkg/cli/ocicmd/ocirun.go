// SPDX-License-Identifier: Apache-2.0

package ocicmd

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"coracle/pkg/cli/streams"

	"coracle/pkg/cli/command"

	"coracle/pkg/cli/flags"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"coracle/pkg/box"
	"coracle/pkg/bundle"
	"coracle/pkg/ns"
	"coracle/pkg/oci/spec"
)

func (o *ociCommands) createOptions(c *cli.Context) (bundle.CreateOptions, error) {
	id, err := o.id(c)
	dir := c.String("bundle")
	if dir == "" {
		dir = "."
	}
	return bundle.CreateOptions{
		ID: id, Bundle: dir, PidFile: c.String("pid-file"), ConsoleSocket: c.String("console-socket"),
		Stdin: o.Stdin, Stdout: o.Stdout.File, Stderr: o.Stderr,
	}, err
}

func (o *ociCommands) create(c *cli.Context, s *bundle.Store) error {
	opts, err := o.createOptions(c)
	if err != nil {
		return err
	}
	return s.Create(opts)
}

func (o *ociCommands) run(c *cli.Context, s *bundle.Store) error {
	opts, err := o.createOptions(c)
	if err != nil {
		return err
	}
	opts.Detach = c.Bool("detach")
	sigs := ociSignals(opts.Detach)
	p, err := s.Run(opts)
	return o.stay(p, err, opts.Detach, sigs)
}

// ociSignals asks for what is passed on, from before the process is there.
func ociSignals(detach bool) chan os.Signal {
	sigs := make(chan os.Signal, 64)
	if !detach {
		streams.NotifyAll(sigs)
		signal.Notify(sigs, unix.SIGWINCH)
	}
	return sigs
}

// stay is with a process until it ends.
func (o *ociCommands) stay(p *bundle.Process, err error, detach bool, sigs chan os.Signal) error {
	var xe *ns.ExecError
	if errors.As(err, &xe) && !detach {
		return command.ExitWith(box.ExitCode(err), err)
	}
	if err != nil || detach {
		return err
	}
	go func() {
		for s := range sigs {
			n, ok := s.(syscall.Signal)
			switch {
			case ok && n == unix.SIGWINCH && p.Console != nil:
				streams.Resize(o.Stdout.File, p.Console)
			case ok && n != unix.SIGWINCH:
				_ = p.Signal(n)
			}
		}
	}()
	drained := o.carry(p.Console)
	code, err := p.Wait()
	lost := drained()
	if err != nil {
		return err
	}
	if lost != nil {
		return command.LostOutput(code, lost)
	}
	return command.Exit(code)
}

// carry connects a terminal to this one. What it returns waits for the last of
// the output, puts this terminal back, and returns why output was lost. Then the
// terminal has hung up: nobody else would read what is written to it.
func (o *ociCommands) carry(console *os.File) func() error {
	if console == nil {
		return func() error { return nil }
	}
	pty := console
	if fd, err := unix.FcntlInt(console.Fd(), unix.F_DUPFD_CLOEXEC, 3); err == nil {
		_ = unix.SetNonblock(fd, true)
		pty = os.NewFile(uintptr(fd), "console") // now it can have deadlines
	}
	streams.Resize(o.Stdout.File, pty)
	restore := streams.MakeRaw(o.Stdin)
	pipe := make(chan os.Signal, 1)
	signal.Notify(pipe, unix.SIGPIPE) // of which this program is not to die before the container is gone
	out := streams.Copies{Lost: make(chan error, 1)}
	out.Copy(o.Stdout.File, "/dev/stdout", pty)
	go streams.CopyInput(pty, o.Stdin, false, nil)
	lost := make(chan error, 1)
	go func() {
		err := <-out.Lost
		console.Close()
		pty.Close()
		lost <- err
	}()
	return func() error {
		// What was left behind may hold the terminal open for ever.
		left := time.AfterFunc(time.Second, func() { _ = pty.SetReadDeadline(time.Unix(1, 0)) })
		out.Wait.Wait()
		left.Stop()
		restore()
		signal.Stop(pipe)
		select {
		case out.Lost <- nil: // unless there is something in it
		default:
		}
		return <-lost
	}
}

func ociExecFlags() []cli.Flag {
	return []cli.Flag{
		flags.Text("process", flags.Short("p"), "File with the process as JSON"),
		flags.Text("pid-file", nil, "File to write the pid to"),
		flags.Text("console-socket", nil, "Socket that gets the master of the terminal"),
		flags.Text("preserve-fds", nil, "Descriptors above the three that are passed on; only 0"),
		flags.Text("cwd", nil, "Working directory"),
		flags.List("env", flags.Short("e"), "Set environment variables"),
		flags.Text("user", flags.Short("u"), "UID[:GID]"),
		flags.List("additional-gids", flags.Short("g"), "Additional groups"),
		flags.List("cap", flags.Short("c"), "Add a capability"),
		flags.Text("cgroup", nil, "Accepted; the process is put into the cgroup of the container"),
		flags.Bool("no-new-privs", nil, "Set no_new_privs"),
		flags.Bool("detach", flags.Short("d"), "Do not wait"),
		flags.Bool("tty", flags.Short("t"), "Allocate a terminal"),
	}
}

func (o *ociCommands) exec(c *cli.Context, s *bundle.Store) error {
	if c.NArg() < 1 {
		return errors.New("exec: a container id is needed")
	}
	opts := bundle.ExecOptions{
		ID: c.Args().First(), PidFile: c.String("pid-file"), ConsoleSocket: c.String("console-socket"),
		Detach: c.Bool("detach"), Stdin: o.Stdin, Stdout: o.Stdout.File, Stderr: o.Stderr,
		Process: func(first *specs.Process) (*specs.Process, error) {
			if file := c.String("process"); file != "" {
				return bundle.LoadProcess(file)
			}
			return ociProcess(c, first)
		},
	}
	sigs := ociSignals(opts.Detach)
	p, err := s.Exec(opts)
	return o.stay(p, err, opts.Detach, sigs)
}

// ociProcess is the container's own process with what the flags change.
func ociProcess(c *cli.Context, first *specs.Process) (*specs.Process, error) {
	if c.NArg() < 2 {
		return nil, errors.New("exec: a command or --process is needed")
	}
	p := *first
	p.Args, p.Terminal, p.ConsoleSize = c.Args().Tail(), c.Bool("tty"), nil
	p.NoNewPrivileges = p.NoNewPrivileges || c.Bool("no-new-privs")
	p.Env = spec.MergeEnv(first.Env, c.StringSlice("env")...)
	if cwd := c.String("cwd"); cwd != "" {
		p.Cwd = cwd
	}
	if user := c.String("user"); user != "" {
		uid, gid, _ := strings.Cut(user, ":")
		ids, err := ociIDs(uid, gid)
		if err != nil {
			return nil, fmt.Errorf("exec: user %q: %w", user, err)
		}
		p.User = specs.User{UID: ids[0], GID: ids[1], Umask: first.User.Umask}
	}
	groups, err := ociIDs(c.StringSlice("additional-gids")...)
	if err != nil {
		return nil, fmt.Errorf("exec: additional groups: %w", err)
	}
	p.User.AdditionalGids = append(p.User.AdditionalGids, groups...)
	if caps := c.StringSlice("cap"); len(caps) > 0 && p.Capabilities != nil {
		all := *p.Capabilities
		all.Bounding, all.Effective, all.Permitted = append(all.Bounding, caps...), append(all.Effective, caps...), append(all.Permitted, caps...)
		p.Capabilities = &all
	}
	return &p, nil
}

// ociIDs reads ids; an empty one is 0.
func ociIDs(texts ...string) ([]uint32, error) {
	ids := make([]uint32, len(texts))
	for i, t := range texts {
		if t == "" {
			continue
		}
		n, err := strconv.ParseUint(t, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("%q is not a number", t)
		}
		ids[i] = uint32(n)
	}
	return ids, nil
}
