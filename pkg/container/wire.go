// SPDX-License-Identifier: Apache-2.0

package container

import (
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"

	"coracle/pkg/container/transfer"
	"coracle/pkg/hint"
	"coracle/pkg/ids"
	"coracle/pkg/state"
	"coracle/pkg/wire"
	"coracle/pkg/wire/socket"
)

// The conversation between a command and a supervisor. A connection carries
// one request and the replies to it; a request that attaches goes on taking
// signals and a detach until the replies end.
//
//	command                          supervisor
//	   │  start|attach|exec  [out,err]  │      fds: where the container's output goes
//	   │ ──────────────────────────────►│
//	   │  attached           [in|pty]   │      fds: the writing end of stdin, or the pty
//	   │ ◄──────────────────────────────│
//	   │  started | error               │
//	   │ ◄──────────────────────────────│
//	   │  signal*, detach               │
//	   │ ──────────────────────────────►│
//	   │  exit CODE | lost              │      all output has been written by now, or will never be
//	   │ ◄──────────────────────────────│
//
// While an answer takes long, busy comes again and again: silence means that
// the supervisor does not work any more, and is not waited for.
// The end of the stream before an answer means that the supervisor died.

// Operations of a [Request].
const (
	OpStart      = "start"  // only on the connection that the supervisor was born with
	OpAttach     = "attach" // to the first process
	OpExec       = "exec"   // another process
	OpSignal     = "signal"
	OpStop       = "stop"
	OpStat       = "stat"     // of a path inside
	OpCopyOut    = "copy-out" // to the pipe that comes with the request
	OpCopyIn     = "copy-in"
	OpWait       = "wait"       // for the end of the first process, be it started again or not
	OpWaitDown   = "wait-down"  // for the end of the container
	OpConnect    = "connect"    // to another network
	OpDisconnect = "disconnect" // from one that it was connected to
	OpPause      = "pause"
	OpUnpause    = "unpause"
	OpShare      = "share"  // hands the user namespace and the network namespace over, for a container on the same network
	OpUpdate     = "update" // limits and the restart policy, which the record has already
	OpRename     = "rename" // its networks are to know the record's name
	OpDetach     = "detach" // leave the session this connection attached to
)

// Events of a [Reply].
const (
	EventAttached = "attached"
	EventStarted  = "started"
	EventExit     = "exit"
	EventBusy     = "busy" // the supervisor is still at work on what it was asked for
	EventLost     = "lost" // output could not be written, and no more comes: Stream says which, Code why
	EventDone     = "done"
	EventError    = "error"
)

// Request is what a command asks of a supervisor.
type Request struct {
	Op      string       `json:"op"`
	Attach  *Attach      `json:"attach,omitempty"`
	Exec    *ExecOptions `json:"exec,omitempty"`
	Signal  int          `json:"signal,omitempty"`
	Network *Endpoint    `json:"network,omitempty"`
	Copy    *CopyOptions `json:"copy,omitempty"`
	Timeout *int         `json:"timeout,omitempty"` // stop: seconds before SIGKILL, -1 never
	Listen  int          `json:"listen,omitempty"`  // start: how many of the files, the last ones, are sockets handed over
	Maps    *ids.Maps    `json:"maps,omitempty"`    // start: the id maps of the supervisor's user namespace
	Cgroup  string       `json:"cgroup,omitempty"`  // start: the delegated cgroup to make the container's in
	Shared  *SharedNet   `json:"shared,omitempty"`  // start: the network is another container's; its namespace is the last file
}

// SharedNet is a network that belongs to another container.
type SharedNet struct {
	Files string `json:"files"`          // the directory of its resolv.conf, hosts and hostname
	Host  bool   `json:"host,omitempty"` // it is the host's network: there is no namespace
}

// Attach says which streams a command connects. The descriptors of the
// wanted outputs come with the request, stdout first.
type Attach struct {
	Stdin  bool   `json:"stdin"`
	Stdout bool   `json:"stdout"`
	Stderr bool   `json:"stderr"`
	Rows   uint16 `json:"rows,omitempty"` // of the terminal, when there is one
	Cols   uint16 `json:"cols,omitempty"`
}

// ExecOptions describe another process in a running container.
type ExecOptions struct {
	Args       []string `json:"args"`
	Env        []string `json:"env,omitempty"`
	Cwd        string   `json:"cwd,omitempty"`
	User       string   `json:"user,omitempty"`
	Tty        bool     `json:"tty,omitempty"`
	Stdin      bool     `json:"stdin,omitempty"`
	Detach     bool     `json:"detach,omitempty"`
	Privileged bool     `json:"privileged,omitempty"`
	NoNewPrivs bool     `json:"noNewPrivs,omitempty"`
	Rows       uint16   `json:"rows,omitempty"`
	Cols       uint16   `json:"cols,omitempty"`
}

// Reply is what a supervisor answers.
type Reply struct {
	Event string `json:"event"`
	Code  int    `json:"code,omitempty"` // exit: of the process; error: for the command; lost: the errno
	// Stream is what was lost.
	Stream string         `json:"stream,omitempty"`
	Pid    int            `json:"pid,omitempty"`
	Error  string         `json:"error,omitempty"`
	Hint   string         `json:"hint,omitempty"`
	Info   *transfer.Info `json:"info,omitempty"` // stat: nil when there is nothing
	Left   []string       `json:"left,omitempty"` // copy: what was left out
	// Missing is, in an error of a copy, a path that leads to nothing.
	Missing string `json:"missing,omitempty"`
	// Shared answers share, with the user namespace and the network's.
	Shared *SharedNet `json:"shared,omitempty"`
}

func (r *Reply) lost() *OutputError {
	return &OutputError{Stream: r.Stream, Err: syscall.Errno(r.Code)}
}

// StartError is why a container, or a process in it, did not start. Code is
// the exit code that Docker gives it: 125, 126 or 127.
type StartError struct {
	Code    int
	Message string
	hint    string
}

func (e *StartError) Error() string { return e.Message }

// Hint says what the user can do about it, or is empty.
func (e *StartError) Hint() string { return e.hint }

// NewStartError wraps the reason a start failed.
func NewStartError(code int, err error) *StartError {
	return &StartError{Code: code, Message: err.Error(), hint: hint.Of(err)}
}

// Conn is a conversation between a command and a supervisor.
type Conn struct {
	*socket.Conn
	with peer // the zero value in the supervisor
}

// peer is the supervisor that a command talks to.
type peer struct {
	container string // its id
	pid       int
}

func (p peer) stopped() bool { return p.pid > 0 && state.Stopped(p.pid) }

// NewConn wraps an inherited socket and closes f.
func NewConn(f *os.File) (*Conn, error) {
	c, err := socket.FromFile(f)
	if err != nil {
		return nil, fmt.Errorf("use control socket: %w", err)
	}
	return &Conn{Conn: c}, nil
}

// WrapConn makes a Conn of an accepted connection.
func WrapConn(c *net.UnixConn) *Conn { return &Conn{Conn: socket.New(c)} }

// Recv is Receive.
func (c *Conn) Recv(v any) ([]*os.File, error) { return c.Receive(v) }

// How long a supervisor may be silent before it is given up: one that works, and
// one that a SIGSTOP keeps from it, which may be let go on soon.
const (
	answerTime  = 30 * time.Second
	stoppedTime = 2 * time.Second
)

// silentError is a supervisor that does not answer.
type silentError struct {
	peer
	after   time.Duration
	stopped bool
}

func (e *silentError) Error() string {
	who := fmt.Sprintf("supervisor of container %s (pid %d)", short(e.container), e.pid)
	if e.stopped {
		return who + " is stopped"
	}
	return fmt.Sprintf("%s has not answered for %v", who, e.after)
}

// Hint is the way out.
func (e *silentError) Hint() string {
	if e.stopped {
		return fmt.Sprintf("kill -CONT %d lets it go on; rm -f ends the container without it", e.pid)
	}
	return "kill, or rm -f, ends the container without it"
}

// patience is how long the supervisor may be silent now.
func (c *Conn) patience() time.Duration {
	if c.with.stopped() {
		return stoppedTime
	}
	return answerTime
}

// silent is err, or what it means that the supervisor was silent for so long.
func (c *Conn) silent(err error, after time.Duration) error {
	if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, syscall.EAGAIN) {
		return &silentError{peer: c.with, after: after, stopped: c.with.stopped()}
	}
	return err
}

// request is Send of what the supervisor has to take soon.
func (c *Conn) request(r Request, files ...*os.File) error {
	d := c.patience()
	return c.silent(c.SendWithin(d, r, files...), d)
}

// answer is Recv of a reply that has to come soon. It passes over those that only
// say that the supervisor is at work.
func (c *Conn) answer(r *Reply) ([]*os.File, error) {
	for {
		d := c.patience()
		files, err := c.ReceiveWithin(d, r)
		if err != nil || r.Event != EventBusy {
			return files, c.silent(err, d)
		}
		CloseFiles(files)
	}
}

// CloseFiles closes every file that is not nil.
func CloseFiles(files []*os.File) { wire.CloseFiles(files) }
