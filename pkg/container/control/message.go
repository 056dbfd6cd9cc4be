// SPDX-License-Identifier: Apache-2.0

package control

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"coracle/pkg/container/transfer"
	"coracle/pkg/ids"
	"coracle/pkg/network"
)

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
	OpResize     = "resize" // a terminal
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
	Op      string            `json:"op"`
	Attach  *Attach           `json:"attach,omitempty"`
	Exec    *ExecOptions      `json:"exec,omitempty"`
	Signal  int               `json:"signal,omitempty"`
	Resize  *Resize           `json:"resize,omitempty"`
	Network *network.Endpoint `json:"network,omitempty"`
	Copy    *CopyOptions      `json:"copy,omitempty"`
	Timeout *int              `json:"timeout,omitempty"` // stop: seconds before SIGKILL, -1 never
	Listen  int               `json:"listen,omitempty"`  // start: how many of the files, the last ones, are sockets handed over
	Maps    *ids.Maps         `json:"maps,omitempty"`    // start: the id maps of the supervisor's user namespace
	Cgroup  string            `json:"cgroup,omitempty"`  // start: the delegated cgroup to make the container's in
	Shared  *SharedNet        `json:"shared,omitempty"`  // start: the network is another container's; its namespace is the last file
}

// Resize gives a terminal a size: that of the first process, or of another one.
type Resize struct {
	Exec string `json:"exec,omitempty"` // its ID
	Rows uint16 `json:"rows"`
	Cols uint16 `json:"cols"`
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
	// Stay keeps the outputs connected when the process is started again, until
	// the container is down. Only with a start.
	Stay bool `json:"stay,omitempty"`
}

// ExecOptions describe another process in a running container.
type ExecOptions struct {
	// ID is that of a record, in which the supervisor keeps what happens (package
	// container). Without one the process is the client's alone.
	ID         string   `json:"id,omitempty"`
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

// CopyOptions say what to copy between a running container and a pipe. Names are
// bytes, of which JSON keeps only those that are text.
type CopyOptions struct {
	Path   []byte `json:"path"` // inside
	As     []byte `json:"as,omitempty"`
	Follow bool   `json:"follow,omitempty"`
	Owners bool   `json:"owners,omitempty"`
	Bare   bool   `json:"bare,omitempty"` // without what is mounted in the container, as export has it
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
	Link   []byte         `json:"link,omitempty"` // stat: its LinkTarget, which may be no text
	Left   []string       `json:"left,omitempty"` // copy: what was left out
	// In an error of a copy: the path leads to nothing, to no directory, or to one that
	// is read-only; what came is no archive, as Error says.
	Missing   bool                    `json:"missing,omitempty"`
	NotDir    bool                    `json:"notDir,omitempty"`
	ReadOnly  *transfer.ReadOnlyError `json:"readOnly,omitempty"`
	NoArchive bool                    `json:"noArchive,omitempty"`
	// Shared answers share, with the user namespace and the network's.
	Shared *SharedNet `json:"shared,omitempty"`
}

// Lost is what an EventLost says.
func (r *Reply) Lost() *OutputError {
	return &OutputError{Stream: r.Stream, Err: syscall.Errno(r.Code)}
}

// TakeShared takes the namespace of a shared network out of the files that came
// with a start request; nil when there is none.
func (r *Request) TakeShared(files *[]*os.File) (*os.File, error) {
	if r.Shared == nil || r.Shared.Host {
		return nil, nil
	}
	last := len(*files) - 1
	if last < 0 {
		return nil, errors.New("read start request: no network namespace")
	}
	f := (*files)[last]
	*files = (*files)[:last]
	return f, nil
}

// TakeListening takes the sockets that were handed over out of the files that
// came with a start request.
func (r *Request) TakeListening(files *[]*os.File) ([]*os.File, error) {
	rest := len(*files) - r.Listen
	if r.Listen < 0 || rest < 0 {
		return nil, fmt.Errorf("read start request: %d of %d files are sockets", r.Listen, len(*files))
	}
	listening := (*files)[rest:]
	*files = (*files)[:rest]
	return listening, nil
}
