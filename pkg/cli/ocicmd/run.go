// SPDX-License-Identifier: Apache-2.0

package ocicmd

import (
	"errors"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"coracle/pkg/box"
	"coracle/pkg/bundle"
	"coracle/pkg/cli/command"
	"coracle/pkg/cli/streams"
	"coracle/pkg/descriptor"
	"coracle/pkg/ns"
)

func (o *runtime) run(c *cli.Context, s *bundle.Store) error {
	opts, err := o.createOptions(c)
	if err != nil {
		return err
	}
	opts.Detach = c.Bool("detach")
	sigs := passedOn(opts.Detach)
	p, err := s.Run(opts)
	return o.stay(p, err, opts.Detach, sigs)
}

// passedOn asks for what is passed on, from before the process is there.
func passedOn(detach bool) chan os.Signal {
	sigs := make(chan os.Signal, 64)
	if !detach {
		streams.NotifyAll(sigs)
		signal.Notify(sigs, unix.SIGWINCH)
	}
	return sigs
}

// stay is with a process until it ends.
func (o *runtime) stay(p *bundle.Process, err error, detach bool, sigs chan os.Signal) error {
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
func (o *runtime) carry(console *os.File) func() error {
	if console == nil {
		return func() error { return nil }
	}
	pty, err := descriptor.Pollable(console) // so that it can have deadlines
	if err != nil {
		pty = console
	}
	streams.Resize(o.Stdout.File, pty)
	restore := streams.MakeRaw(o.Stdin)
	pipe := make(chan os.Signal, 1)
	signal.Notify(pipe, unix.SIGPIPE) // of which this program is not to die before the container is gone
	out := streams.Copies{Lost: make(chan error, 1)}
	out.Copy(o.Stdout.File, "/dev/stdout", pty)
	over := make(chan struct{})
	go func() {
		_, _ = io.Copy(pty, o.Stdin)
		endInput(pty, over)
	}()
	lost := make(chan error, 1)
	go func() {
		err := <-out.Lost
		console.Close()
		pty.Close()
		lost <- err
	}()
	return func() error {
		close(over)
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

// endInput types the character that ends the input of a terminal (VEOF of termios(3)),
// which has no other end than that a program can see: a shell whose input is /dev/null
// would wait for ever. A program that changes the terminal's mode, as shells do for
// each line, loses what was typed before; so it is typed again, ten times within 20 s.
func endInput(pty *os.File, over <-chan struct{}) {
	for wait, n := 20*time.Millisecond, 0; n < 10; wait, n = 2*wait, n+1 {
		end := byte('D' - '@')
		_ = descriptor.Control(pty, func(fd int) error {
			t, err := unix.IoctlGetTermios(fd, unix.TCGETS)
			if err == nil && t.Cc[unix.VEOF] != 0 {
				end = t.Cc[unix.VEOF]
			}
			return err
		})
		if _, err := pty.Write([]byte{end}); err != nil {
			return
		}
		select {
		case <-over:
			return
		case <-time.After(wait):
		}
	}
}
