// SPDX-License-Identifier: Apache-2.0

package containercmd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"coracle/pkg/cli/command"
	"coracle/pkg/cli/flags"
	"coracle/pkg/cli/streams"
	"coracle/pkg/container"
	"coracle/pkg/container/client"
	"coracle/pkg/container/control"
	"coracle/pkg/wire"
)

// Attach is the command attach: attach local standard input, output, and error streams to a running container.
func Attach(e *command.Env) *cli.Command {
	return &cli.Command{
		Name: "attach", Usage: "Attach local standard input, output, and error streams to a running container", ArgsUsage: "CONTAINER",
		Flags: AttachFlags(),
		Action: command.Takes(e, 1, 1, func(e *command.Env, c *cli.Context) error {
			cs, ctr, err := e.Container(c.Args().First())
			if err != nil {
				return err
			}
			return AttachTo(c.Context, e, c, cs, ctr)
		}),
	}
}

// AttachFlags are those that [AttachTo] reads.
func AttachFlags() []cli.Flag {
	return []cli.Flag{
		flags.Text("detach-keys", nil, "Override the key sequence for detaching a container"),
		flags.Bool("no-stdin", nil, "Do not attach STDIN"),
		&cli.BoolFlag{Name: "sig-proxy", Usage: "Proxy all received signals to the process", Value: true},
	}
}

// AttachTo connects the streams of this command to a container that runs, and ends
// with its exit code.
func AttachTo(ctx context.Context, e *command.Env, c *cli.Context, cs *container.Store, ctr *container.Container) error {
	keys, err := detachKeys(e, c)
	if err != nil {
		return err
	}
	switch status := ctr.State.Status; {
	case !ctr.State.IsRunning():
		return command.Errorf("cannot attach to a stopped container, start it first")
	case status == container.Paused:
		return command.Errorf("cannot attach to a paused container, unpause it first")
	case status == container.Restarting:
		return command.Errorf("cannot attach to a restarting container, wait until it is running")
	}
	a := attachment(e, ctr)
	a.Stdin = a.Stdin && !c.Bool("no-stdin")
	if a.Stdin && ctr.Process.Tty && !command.IsTerminal(e.Stdin) {
		return errNoTerminal
	}
	ses, err := client.Attach(ctx, cs, ctr, a, outputs(e, a))
	if err != nil {
		return err
	}
	code, err := converse(e, ses, a, keys, c.Bool("sig-proxy"))
	if err != nil {
		return command.LostOutput(1, err)
	}
	return command.Exit(code)
}

// errNoTerminal is what -t with -i is told by anything but a terminal.
var errNoTerminal = command.Errorf("cannot attach stdin to a TTY-enabled container because stdin is not a terminal")

// attachment is what this command connects to a container: its output, and
// its input when that is open.
func attachment(e *command.Env, ctr *container.Container) *control.Attach {
	a := &control.Attach{Stdin: ctr.Process.OpenStdin, Stdout: true, Stderr: true}
	windowSize(e, a)
	return a
}

func windowSize(e *command.Env, a *control.Attach) {
	if ws, err := unix.IoctlGetWinsize(int(e.Stdout.Fd()), unix.TIOCGWINSZ); err == nil {
		a.Rows, a.Cols = ws.Row, ws.Col
	}
}

// outputs are the descriptors that go with an attachment.
func outputs(e *command.Env, a *control.Attach) []*os.File {
	var out []*os.File
	if a.Stdout {
		out = append(out, e.Stdout.File)
	}
	if a.Stderr {
		out = append(out, e.Stderr)
	}
	return out
}

// RunAttached starts a container that was made, as run does, and ends this command
// with its code.
func RunAttached(ctx context.Context, e *command.Env, cs *container.Store, ctr *container.Container) error {
	keys, err := configuredKeys(e)
	if err != nil {
		return err
	}
	code, err := runAttached(ctx, e, cs, ctr, nil, keys, true, nil, service{})
	var lost *control.OutputError
	switch {
	case errors.As(err, &lost):
		return command.LostOutput(125, err)
	case err != nil:
		return err
	}
	return command.Exit(code)
}

// runAttached starts a container in the foreground and stays with it.
func runAttached(ctx context.Context, e *command.Env, cs *container.Store, ctr *container.Container, supervisor *client.Supervisor, keys []byte, proxy bool, a *control.Attach, m service) (int, error) {
	if a == nil {
		p := ctr.Process
		a = &control.Attach{Stdin: p.AttachStdin, Stdout: p.AttachStdout, Stderr: p.AttachStderr}
		windowSize(e, a)
	}
	// A signal that comes while the container starts is for the container.
	sigs := make(chan os.Signal, 64)
	if proxy {
		streams.NotifyAll(sigs)
	}
	// Before the program says anything: who answers it must not be too early.
	restore := rawTerminal(e, ctr.Process.Tty, a)
	sockets := client.HandedOver()
	began := time.Now()
	a.Stay = m.Manager != nil // the service is the container, not its first process
	ses, err := client.Launch(ctx, cs, ctr, client.Start{Supervisor: supervisor, Attach: a, Out: outputs(e, a), Sockets: sockets, Copies: copies(e)})
	wire.CloseFiles(sockets)
	if err != nil {
		restore()
		return 0, err
	}
	defer announce(ctx, e, ctr, m, began)()
	return talk(e, ses, a, keys, sigs, proxy, restore)
}

// converse connects the terminal or the pipes of this command to a session
// until the process ends or the user leaves it.
func converse(e *command.Env, ses *client.Session, a *control.Attach, keys []byte, proxy bool) (int, error) {
	sigs := make(chan os.Signal, 64)
	if proxy {
		streams.NotifyAll(sigs)
	} else {
		signal.Notify(sigs, unix.SIGWINCH)
	}
	return talk(e, ses, a, keys, sigs, proxy, rawTerminal(e, ses.Tty && ses.Stdin != nil, a))
}

// rawTerminal gives every key to a process that has a terminal, and is attached to
// ours. What it returns undoes that.
func rawTerminal(e *command.Env, tty bool, a *control.Attach) (restore func()) {
	if !tty || !a.Stdin {
		return func() {}
	}
	return streams.MakeRaw(e.Stdin)
}

// talk carries a session until the process ends, the user leaves it, or this
// command is told to end. Then it calls restore.
func talk(e *command.Env, ses *client.Session, a *control.Attach, keys []byte, sigs chan os.Signal, proxy bool, restore func()) (int, error) {
	defer ses.Close()
	quit := streams.LeaveOn(proxy)
	defer restore()
	if ses.Tty && ses.Stdin != nil {
		signal.Notify(sigs, unix.SIGWINCH)
		streams.Resize(e.Stdout.File, ses.Stdin)
	}
	stop := make(chan struct{})
	defer close(stop)
	insisted := make(chan struct{})
	go forwardSignals(ses, e.Stdout.File, sigs, stop, insisted)
	detached := make(chan struct{})
	if a.Stdin && ses.Stdin != nil {
		go carryInput(ses.Stdin, e.Stdin, ses.Tty, keys, detached)
	}
	ended := endOf(ses)
	select {
	case <-detached:
		_ = ses.Detach()
		<-ended
		restore()
		fmt.Fprintln(e.Stderr, "read escape sequence")
		return 0, nil
	case s := <-quit:
		return streams.KilledBy(s), nil
	case <-insisted:
		restore()
		fmt.Fprintf(e.Stderr, "\ngot %d SIGTERM/SIGINTs, forcefully exiting\n", insistence)
		return 1, nil
	case r := <-ended:
		return r.code, r.err
	}
}

// carryInput gives a process what is typed here. It closes detached when the keys
// that leave the process were typed; else the end of the input is passed on,
// which with a terminal is a key.
func carryInput(to, from *os.File, tty bool, keys []byte, detached chan<- struct{}) {
	switch {
	case control.CopyInput(to, from, tty, keys):
		close(detached)
	case !tty:
		to.Close()
	}
}

// ending is how a process ended.
type ending struct {
	code int
	err  error
}

// endOf waits for the end of a session's process.
func endOf(ses *client.Session) <-chan ending {
	ended := make(chan ending, 1)
	go func() {
		code, err := ses.Exit()
		ended <- ending{code, err}
	}()
	return ended
}

// insistence is how many requests to end make this command leave a process that
// does not.
const insistence = 3

// forwardSignals passes on what this process is sent; a changed window is the
// terminal's, not the process's. It closes insisted when somebody wants an end in
// any case.
func forwardSignals(ses *client.Session, out *os.File, sigs chan os.Signal, stop, insisted chan struct{}) {
	for asked := 0; ; {
		select {
		case <-stop:
			return
		case s := <-sigs:
			if s == unix.SIGWINCH {
				if ses.Tty && ses.Stdin != nil {
					streams.Resize(out, ses.Stdin)
				}
				continue
			}
			if n, ok := s.(syscall.Signal); ok {
				_ = ses.Signal(n)
			}
			if s == unix.SIGINT || s == unix.SIGTERM {
				if asked++; asked == insistence {
					close(insisted)
				}
			}
		}
	}
}
