// SPDX-License-Identifier: Apache-2.0

package container

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"

	"coracle/pkg/cgroup"
	"coracle/pkg/ns"
	"coracle/pkg/state"
	"coracle/pkg/trace"
)

// ErrNotRunning says that no supervisor is at work on the container.
var ErrNotRunning = errors.New("container is not running")

// notRunningError is ErrNotRunning in Docker's words.
type notRunningError struct{ id string }

func (e *notRunningError) Error() string        { return "container " + e.id + " is not running" }
func (e *notRunningError) Is(target error) bool { return target == ErrNotRunning }

// lostError says that the supervisor died in the middle of a conversation.
type lostError struct{}

func (*lostError) Error() string { return "supervisor lost" }
func (*lostError) Hint() string  { return ns.SmallLimits() }

// Session is a connection to a supervisor.
type Session struct {
	*Conn
	// Stdin is the writing end of the process's standard input, or its
	// terminal when Tty; nil when neither was asked for. The session's owner
	// closes it.
	Stdin *os.File
	Tty   bool
	lost  *OutputError // came before the word that the process runs
}

// Launch asks the supervisor of a container to start the first process. v is
// one that was spawned for it, or nil for a new one. The session is attached
// when a is not nil; then out holds the descriptors that a names. It returns
// once the process runs; the error is a *StartError when the supervisor could
// say why it does not.
func (s *Store) Launch(c *Container, v *Supervisor, a *Attach, out []*os.File) (*Session, error) {
	state.MustHoldNone("ask a supervisor to start a container")
	var around *surroundings
	if v == nil {
		var err error
		if v, around, err = s.spawnFor(c); err != nil {
			return nil, NewStartError(125, err)
		}
	}
	<-v.ready // newuidmap would be in the way of a cpuset
	tree, err := "", v.err
	if err == nil {
		tree, err = c.delegated()
	}
	if err == nil && tree == "" {
		tree, err = c.askScope(v.pid)
	}
	if err != nil {
		v.Close()
		return nil, NewStartError(125, err)
	}
	ses := &Session{Conn: v.conn, Tty: c.Process.Tty}
	ses.with = peer{c.ID, v.pid}
	listening, err := c.listening()
	if err != nil {
		ses.Close()
		return nil, NewStartError(125, err)
	}
	defer CloseFiles(listening)
	req := Request{Op: OpStart, Attach: a, Maps: &v.maps, Cgroup: tree, Listen: len(listening)}
	files := append(slices.Clip(out), listening...)
	if around != nil {
		defer around.close()
		req.Shared = &around.shared
		if around.net != nil {
			files = append(files, around.net)
		}
	}
	if err := ses.begin(req, files); err != nil {
		ses.Close()
		var refused *StartError
		if errors.As(err, &refused) {
			return nil, err
		}
		return nil, NewStartError(125, err)
	}
	return ses, nil
}

// delegated returns the cgroup below which the container's is to be made, ready
// for that, or "" when none is delegated. It is for the command to do: the
// supervisor cannot move processes outside of its pid namespace.
func (c *Container) delegated() (string, error) {
	tree, err := cgroup.Find()
	if err == nil {
		err = tree.Prepare(c.Limits.Cgroup.Controllers())
	}
	switch {
	case err == nil:
		return tree.Dir(), nil
	case errors.Is(err, cgroup.ErrNotDelegated) || len(c.Limits.Cgroup.Controllers()) == 0:
		return "", nil
	}
	return "", err
}

// askScope asks the user's systemd for a cgroup around the supervisor when
// limits need one, and returns its directory, or "" when there is none.
func (c *Container) askScope(pid int) (string, error) {
	if len(c.Limits.Cgroup.Controllers()) == 0 {
		return "", nil
	}
	dir, err := cgroup.Scope(context.Background(), c.ID, pid, c.Limits.CgroupParent)
	if errors.Is(err, cgroup.ErrNotDelegated) {
		return "", nil // the command has warned
	}
	trace.Mark("asked systemd for a scope")
	return dir, err
}

// begin sends a request that attaches, and reads replies up to the one that
// says the process runs. The supervisor's own word against it is a *StartError.
func (ses *Session) begin(req Request, out []*os.File) error {
	// One that has died has said why before.
	sent := ses.request(req, out...)
	for {
		var r Reply
		files, err := ses.answer(&r)
		switch {
		case err != nil && sent != nil:
			return fmt.Errorf("talk to supervisor: %w", ended(sent))
		case err != nil:
			return fmt.Errorf("start container: %w", ended(err))
		}
		switch r.Event {
		case EventAttached:
			if len(files) > 0 {
				ses.Stdin = files[0]
				files = files[1:]
			}
			CloseFiles(files)
		case EventLost: // the process was faster than the word that it runs
			ses.lost = r.lost()
		case EventStarted:
			return nil
		case EventError:
			if ses.Stdin != nil {
				ses.Stdin.Close()
			}
			return &StartError{Code: r.Code, Message: r.Error, hint: r.Hint}
		default:
			return fmt.Errorf("start container: unexpected answer %q", r.Event)
		}
	}
}

func ended(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) {
		return &lostError{}
	}
	return err
}

// unanswered is the error of a request that was to reach the supervisor of a
// running container. One that was killed, or has just ended, is connected to until
// the kernel, or it, has closed its socket: the request came too late.
func (c *Container) unanswered(err error) error {
	var lost *lostError
	if errors.As(err, &lost) && c.dying() {
		return &notRunningError{c.ID}
	}
	return err
}

// Exit waits for the end of the process the session is attached to and
// returns its exit code. All its output has been written by then.
func (ses *Session) Exit() (int, error) {
	if ses.lost != nil {
		return 125, ses.lost
	}
	for {
		var r Reply
		files, err := ses.Recv(&r)
		CloseFiles(files)
		if err != nil {
			return exitSupervisorLost, ended(err)
		}
		switch r.Event {
		case EventExit:
			return r.Code, nil
		case EventLost:
			return 125, r.lost()
		case EventError:
			return 125, &StartError{Code: r.Code, Message: r.Error, hint: r.Hint}
		}
	}
}

// Signal sends a signal to the process the session is attached to.
func (ses *Session) Signal(sig syscall.Signal) error {
	return ses.request(Request{Op: OpSignal, Signal: int(sig)})
}

// Attach connects to the first process of a running container.
func (s *Store) Attach(c *Container, a *Attach, out []*os.File) (*Session, error) {
	return s.open(c, Request{Op: OpAttach, Attach: a}, out, c.Process.Tty)
}

// ExecSession is a session with a process started by Exec: its output is read
// by the command itself. With a terminal, everything goes through Stdin.
type ExecSession struct {
	Session
	Stdout, Stderr *os.File
	Pid            int
}

// Exec starts another process in a running container.
func (s *Store) Exec(c *Container, o ExecOptions) (*ExecSession, error) {
	conn, err := s.dial(c)
	if err != nil {
		return nil, err
	}
	es := &ExecSession{Session: Session{Conn: conn, Tty: o.Tty}}
	if err := es.start(o); err != nil {
		conn.Close()
		return nil, c.unanswered(err)
	}
	return es, nil
}

func (es *ExecSession) start(o ExecOptions) error {
	if err := es.request(Request{Op: OpExec, Exec: &o}); err != nil {
		return fmt.Errorf("talk to supervisor: %w", ended(err))
	}
	for {
		var r Reply
		files, err := es.answer(&r)
		if err != nil {
			return fmt.Errorf("exec: %w", ended(err))
		}
		switch r.Event {
		case EventAttached:
			es.take(o, files)
		case EventStarted:
			es.Pid = r.Pid
			return nil
		case EventError:
			CloseFiles([]*os.File{es.Stdin, es.Stdout, es.Stderr})
			return &StartError{Code: r.Code, Message: r.Error, hint: r.Hint}
		}
	}
}

// take sorts the descriptors of an attached reply: the terminal alone, or
// stdout, stderr and, when asked for, stdin.
func (es *ExecSession) take(o ExecOptions, files []*os.File) {
	for i, f := range files {
		files[i] = pollable(f)
	}
	switch {
	case o.Tty && len(files) == 1:
		es.Stdin = files[0]
	case !o.Tty && len(files) >= 2:
		es.Stdout, es.Stderr = files[0], files[1]
		if len(files) == 3 {
			es.Stdin = files[2]
		}
	default:
		CloseFiles(files)
	}
}

// pollable makes a pipe's reader one that can be called back: the descriptor
// is ours alone, so that its mode is nobody else's business.
func pollable(f *os.File) *os.File {
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil || unix.SetNonblock(fd, true) != nil {
		return f
	}
	f.Close()
	return os.NewFile(uintptr(fd), "stream")
}

func (s *Store) open(c *Container, req Request, out []*os.File, tty bool) (*Session, error) {
	conn, err := s.dial(c)
	if err != nil {
		return nil, err
	}
	ses := &Session{Conn: conn, Tty: tty}
	if err := ses.begin(req, out); err != nil {
		conn.Close()
		return nil, c.unanswered(err)
	}
	return ses, nil
}

// call sends one request and returns the final reply.
func (s *Store) call(c *Container, req Request, with ...*os.File) (Reply, error) {
	r, files, err := s.ask(c, req, with...)
	CloseFiles(files)
	return r, err
}

// ask is call of a request that descriptors may come with, and the answer to it.
func (s *Store) ask(c *Container, req Request, with ...*os.File) (Reply, []*os.File, error) {
	conn, err := s.dial(c)
	if err != nil {
		return Reply{}, nil, err
	}
	defer conn.Close()
	sent := conn.request(req, with...)
	var r Reply
	var files []*os.File
	switch req.Op {
	case OpWait, OpWaitDown, OpStop: // these end when the container does
		files, err = conn.Recv(&r)
	default:
		files, err = conn.answer(&r) // one that has died may have answered before
	}
	if err = cmp.Or(err, sent); err != nil {
		CloseFiles(files)
		return Reply{}, nil, c.unanswered(fmt.Errorf("talk to supervisor: %w", ended(err)))
	}
	if r.Event == EventError {
		CloseFiles(files)
		return r, nil, &StartError{Code: r.Code, Message: r.Error, hint: r.Hint}
	}
	return r, files, nil
}
