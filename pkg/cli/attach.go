// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"coracle/pkg/container"
)

func attachCommand(e *env) *cli.Command {
	return &cli.Command{
		Name: "attach", Usage: "Attach local standard input, output, and error streams to a running container", ArgsUsage: "CONTAINER",
		Flags: []cli.Flag{
			text("detach-keys", nil, "Override the key sequence for detaching a container"),
			flag("no-stdin", nil, "Do not attach STDIN"),
			&cli.BoolFlag{Name: "sig-proxy", Usage: "Proxy all received signals to the process", Value: true},
		},
		Action: func(c *cli.Context) error {
			if err := e.needArgs(c, commandPath(c), 1, 1); err != nil {
				return err
			}
			keys, err := detachKeys(c.String("detach-keys"))
			if err != nil {
				return err
			}
			cs, err := e.containers()
			if err != nil {
				return err
			}
			ctr, err := cs.Lookup(c.Args().First())
			if err != nil {
				return err
			}
			if !ctr.State.IsRunning() {
				return cliErrorf("cannot attach to a stopped container, start it first")
			}
			a := e.attachment(ctr)
			a.Stdin = a.Stdin && !c.Bool("no-stdin")
			out := e.outputs(a)
			ses, err := cs.Attach(ctr, a, out)
			if err != nil {
				return err
			}
			code, err := e.converse(ses, a, keys, c.Bool("sig-proxy"))
			if err != nil {
				return err
			}
			return exit(code)
		},
	}
}

// attachment is what this command connects to a container: its output, and
// its input when that is open.
func (e *env) attachment(ctr *container.Container) *container.Attach {
	a := &container.Attach{Stdin: ctr.Process.OpenStdin, Stdout: true, Stderr: true}
	e.windowSize(a)
	return a
}

func (e *env) windowSize(a *container.Attach) {
	if ws, err := unix.IoctlGetWinsize(int(e.stdout.Fd()), unix.TIOCGWINSZ); err == nil {
		a.Rows, a.Cols = ws.Row, ws.Col
	}
}

// outputs are the descriptors that go with an attachment.
func (e *env) outputs(a *container.Attach) []*os.File {
	var out []*os.File
	if a.Stdout {
		out = append(out, e.stdout)
	}
	if a.Stderr {
		out = append(out, e.stderr)
	}
	return out
}

// runAttached starts a container in the foreground and stays with it.
func (e *env) runAttached(cs *container.Store, ctr *container.Container, keys []byte, proxy bool, a *container.Attach) (int, error) {
	if a == nil {
		p := ctr.Process
		a = &container.Attach{Stdin: p.AttachStdin, Stdout: p.AttachStdout, Stderr: p.AttachStderr}
		e.windowSize(a)
	}
	// A signal that comes while the container starts is for the container.
	sigs := make(chan os.Signal, 64)
	if proxy {
		notifyAll(sigs)
		defer signal.Stop(sigs)
	}
	ses, err := cs.Launch(ctr, a, e.outputs(a))
	if err != nil {
		return 0, err
	}
	return e.talk(ses, a, keys, sigs)
}

// notifyAll asks for every signal that can be passed on: not those of the
// children and pipes of this process, and not the one that Go's scheduler
// sends itself.
func notifyAll(sigs chan os.Signal) {
	for n := 1; n <= 64; n++ {
		switch s := syscall.Signal(n); s {
		case unix.SIGCHLD, unix.SIGPIPE, unix.SIGURG, unix.SIGKILL, unix.SIGSTOP, unix.SIGTSTP, unix.SIGTTIN, unix.SIGTTOU, unix.SIGCONT, unix.SIGPROF,
			unix.SIGSEGV, unix.SIGBUS, unix.SIGFPE, unix.SIGILL, unix.SIGTRAP, unix.SIGSYS:
		default:
			signal.Notify(sigs, s)
		}
	}
}

// converse connects the terminal or the pipes of this command to a session
// until the process ends or the user leaves it.
func (e *env) converse(ses *container.Session, a *container.Attach, keys []byte, proxy bool) (int, error) {
	sigs := make(chan os.Signal, 64)
	if proxy {
		notifyAll(sigs)
	} else {
		signal.Notify(sigs, unix.SIGWINCH)
	}
	defer signal.Stop(sigs)
	return e.talk(ses, a, keys, sigs)
}

func (e *env) talk(ses *container.Session, a *container.Attach, keys []byte, sigs chan os.Signal) (int, error) {
	defer ses.Close()
	restore := func() {}
	if ses.Tty && ses.Stdin != nil {
		signal.Notify(sigs, unix.SIGWINCH)
		resize(e.stdout, ses.Stdin)
		if a.Stdin {
			restore = makeRaw(e.stdin)
		}
	}
	defer restore()
	stop := make(chan struct{})
	defer close(stop)
	go forwardSignals(ses, e.stdout, sigs, stop)
	detached := make(chan struct{})
	var once sync.Once
	if a.Stdin && ses.Stdin != nil {
		go func() {
			if copyInput(ses.Stdin, e.stdin, ses.Tty, keys) {
				once.Do(func() { close(detached) })
				return
			}
			if !ses.Tty {
				ses.Stdin.Close() // the process sees the end of file
			}
		}()
	}
	type end struct {
		code int
		err  error
	}
	ended := make(chan end, 1)
	go func() {
		code, err := ses.Exit()
		ended <- end{code, err}
	}()
	select {
	case <-detached:
		_ = ses.Send(container.Request{Op: container.OpDetach})
		<-ended
		restore()
		fmt.Fprintln(e.stderr, "read escape sequence")
		return 0, nil
	case r := <-ended:
		return r.code, r.err
	}
}

// forwardSignals passes on what this process is sent; a changed window is the
// terminal's, not the process's.
func forwardSignals(ses *container.Session, out *os.File, sigs chan os.Signal, stop chan struct{}) {
	for {
		select {
		case <-stop:
			return
		case s := <-sigs:
			if s == unix.SIGWINCH {
				if ses.Tty && ses.Stdin != nil {
					resize(out, ses.Stdin)
				}
				continue
			}
			if n, ok := s.(syscall.Signal); ok {
				_ = ses.Signal(n)
			}
		}
	}
}

func resize(from, pty *os.File) {
	if ws, err := unix.IoctlGetWinsize(int(from.Fd()), unix.TIOCGWINSZ); err == nil {
		control(pty, func(fd int) { _ = unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, ws) })
	}
}

// makeRaw lets every key through to the container's terminal, and returns what
// undoes it.
func makeRaw(f *os.File) (restore func()) {
	old, err := term.MakeRaw(int(f.Fd()))
	if err != nil {
		return func() {}
	}
	var once sync.Once
	return func() { once.Do(func() { _ = term.Restore(int(f.Fd()), old) }) }
}

// copyInput copies from to to until either ends, and reports whether the
// detach keys were typed. With a terminal a prefix of them is held back until
// the next key decides.
func copyInput(to io.Writer, from io.Reader, tty bool, keys []byte) (detach bool) {
	if !tty || len(keys) == 0 {
		_, _ = io.Copy(to, from)
		return false
	}
	buf := make([]byte, 4096)
	matched := 0
	for {
		n, err := from.Read(buf)
		out := make([]byte, 0, n+len(keys))
		for _, b := range buf[:n] {
			if b == keys[matched] {
				if matched++; matched == len(keys) {
					_, _ = to.Write(out)
					return true
				}
				continue
			}
			out = append(out, keys[:matched]...)
			if matched = 0; b == keys[0] {
				matched = 1
				continue
			}
			out = append(out, b)
		}
		if len(out) > 0 {
			if _, werr := to.Write(out); werr != nil {
				return false
			}
		}
		if err != nil {
			return false
		}
	}
}

// detachKeys reads a key sequence such as ctrl-p,ctrl-q.
func detachKeys(s string) ([]byte, error) {
	if s == "" {
		s = "ctrl-p,ctrl-q"
	}
	var keys []byte
	for _, k := range strings.Split(s, ",") {
		name, isCtrl := strings.CutPrefix(k, "ctrl-")
		switch {
		case !isCtrl && len(k) == 1:
			keys = append(keys, k[0])
		case isCtrl && len(name) == 1 && name[0] >= 'a' && name[0] <= 'z':
			keys = append(keys, name[0]-'a'+1)
		case isCtrl && len(name) == 1 && strings.Contains(`@[\]^_`, name):
			keys = append(keys, name[0]-'@')
		default:
			return nil, errors.New("invalid detach keys (" + s + "): Unknown character: '" + k + "'")
		}
	}
	return keys, nil
}
