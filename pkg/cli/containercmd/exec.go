// SPDX-License-Identifier: Apache-2.0

package containercmd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"coracle/pkg/cli/command"
	"coracle/pkg/cli/flags"
	"coracle/pkg/cli/streams"
	"coracle/pkg/container"
	"coracle/pkg/container/client"
	"coracle/pkg/container/control"
	"coracle/pkg/descriptor"
	"coracle/pkg/docker"
)

// Exec is the command exec: execute a command in a running container.
func Exec(e *command.Env) *cli.Command {
	return &cli.Command{
		Name: "exec", Usage: "Execute a command in a running container", ArgsUsage: "CONTAINER COMMAND [ARG...]",
		Flags: []cli.Flag{
			flags.Bool("detach", flags.Short("d"), "Detached mode: run command in the background"),
			flags.Text("detach-keys", nil, "Override the key sequence for detaching a container"),
			flags.List("env", flags.Short("e"), "Set environment variables"),
			flags.List("env-file", nil, "Read in a file of environment variables"),
			flags.Bool("interactive", flags.Short("i"), "Keep STDIN open even if not attached"),
			flags.Bool("privileged", nil, "Give extended privileges to the command"),
			flags.Bool("tty", flags.Short("t"), "Allocate a pseudo-TTY"),
			flags.Text("user", flags.Short("u"), "Username or UID (format: <name|uid>[:<group|gid>])"),
			flags.Text("workdir", flags.Short("w"), "Working directory inside the container"),
		},
		Action: command.Takes(e, 2, -1, runExec),
	}
}

func runExec(e *command.Env, c *cli.Context) error {
	if c.Bool("tty") && c.Bool("interactive") && !c.Bool("detach") && !command.IsTerminal(e.Stdin) {
		return errNoTerminal
	}
	keys, err := detachKeys(e, c)
	if err != nil {
		return err
	}
	_, ctr, err := e.Container(c.Args().First())
	if err != nil {
		return err
	}
	vars, err := environment(c)
	if err != nil {
		return err
	}
	attach := !c.Bool("detach")
	q := docker.ExecRequest{
		Cmd: c.Args().Tail(), Env: vars, WorkingDir: c.String("workdir"), User: c.String("user"), Tty: c.Bool("tty"), Privileged: c.Bool("privileged"),
		AttachStdin: attach && c.Bool("interactive"), AttachStdout: attach, AttachStderr: attach,
	}
	return execIn(c.Context, e, ctr, q, keys)
}

// ExecIn runs a command in a container, with the streams of this one.
func ExecIn(ctx context.Context, e *command.Env, ctr *container.Container, q docker.ExecRequest) error {
	keys, err := configuredKeys(e)
	if err != nil {
		return err
	}
	return execIn(ctx, e, ctr, q, keys)
}

func execIn(ctx context.Context, e *command.Env, ctr *container.Container, q docker.ExecRequest, keys []byte) error {
	if ws, err := unix.IoctlGetWinsize(int(e.Stdout.Fd()), unix.TIOCGWINSZ); err == nil && q.Tty {
		q.ConsoleSize = &[2]uint{uint(ws.Row), uint(ws.Col)}
	}
	o := docker.ExecOptions(q)
	es, err := client.Exec(ctx, ctr, o)
	if err != nil {
		var se *control.StartError
		if errors.As(err, &se) {
			return command.ExitWith(se.Code, err)
		}
		return err
	}
	defer es.Close()
	if o.Detach {
		return nil
	}
	code, err := talkExec(e, es, o, keys)
	if err != nil {
		return command.LostOutput(code, err)
	}
	return command.Exit(code)
}

// talkExec carries the streams of another process in the container.
func talkExec(e *command.Env, es *client.ExecSession, o control.ExecOptions, keys []byte) (int, error) {
	sigs := make(chan os.Signal, 16)
	stop := make(chan struct{})
	defer close(stop)
	detached := make(chan struct{})
	out := streams.Copies{Lost: make(chan error, 2)}
	quit := streams.LeaveOn(false)
	restore := func() {}
	defer func() { restore() }()
	if o.Tty {
		signal.Notify(sigs, unix.SIGWINCH)
		if o.Stdin {
			restore = streams.MakeRaw(e.Stdin)
		}
		out.Copy(e.Stdout.File, "/dev/stdout", es.Stdin)
	} else {
		out.Copy(e.Stdout.File, "/dev/stdout", es.Stdout)
		out.Copy(e.Stderr, "/dev/stderr", es.Stderr)
	}
	go forwardSignals(&es.Session, e.Stdout.File, sigs, stop, make(chan struct{}))
	if o.Stdin && es.Stdin != nil {
		go carryInput(es.Stdin, e.Stdin, o.Tty, keys, detached)
	}
	ended := endOf(&es.Session)
	select {
	case <-detached:
		restore()
		_ = es.Detach() // it goes on, whoever hears of it
		fmt.Fprintln(e.Stderr, "read escape sequence")
		return 0, nil
	case s := <-quit:
		return streams.KilledBy(s), nil
	case err := <-out.Lost:
		return 1, err
	case r := <-ended:
		// What the process wrote is in the pipes. Something it left behind may
		// hold them open for ever, and is not waited for.
		drainNow(o.Tty, es, &out)
		out.Wait.Wait()
		select {
		case err := <-out.Lost:
			return r.code, err
		default:
		}
		return r.code, r.err
	}
}

// drainNow lets the readers of the streams end once nothing is left to be
// read: what the process left behind in the background may never end.
func drainNow(tty bool, es *client.ExecSession, out *streams.Copies) {
	files := []*os.File{es.Stdout, es.Stderr}
	if tty {
		files = []*os.File{es.Stdin}
	}
	for _, f := range files {
		descriptor.Drain(f, func() bool { return len(out.Lost) > 0 })
		_ = f.SetReadDeadline(time.Unix(1, 0))
	}
}
