// SPDX-License-Identifier: Apache-2.0

package supervise

import (
	"errors"
	"os"
	"strconv"
	"syscall"

	"coracle/pkg/container/control"
	"coracle/pkg/wire"
	"coracle/pkg/wire/socket"
)

// audience are the clients that are attached to the first process.
type audience struct {
	book  *ledger
	first *first
	down  *ending // of the container, for good
	kill  func(syscall.Signal) error
}

// attach connects a client to the first process until that ends for good or
// the client leaves. before, when not nil, runs once the client misses nothing
// any more.
func (u *audience) attach(conn *socket.Conn, a *control.Attach, files []*os.File, before func() error) {
	k := newSink(a, files)
	k.lost = func(err error) {
		var lost *control.OutputError
		if errors.As(err, &lost) {
			_ = conn.Send(lostReply(lost))
		}
	}
	io, next := u.first.session()
	in := io.attach(k, a != nil && a.Stdin)
	u.book.event("attach", nil)
	ready := control.Reply{Event: control.EventAttached}
	var err error
	if in != nil {
		err = conn.Send(ready, in)
		io.stdinGiven()
	} else {
		err = conn.Send(ready)
	}
	if before != nil {
		if before() != nil {
			io.detach(k)
			return
		}
	}
	if err == nil {
		_ = conn.Send(control.Reply{Event: control.EventStarted})
	}
	if a != nil && a.Rows > 0 && io.tty {
		u.book.event("resize", map[string]string{"height": strconv.Itoa(int(a.Rows)), "width": strconv.Itoa(int(a.Cols))})
	}
	over := next.over
	if k.stays {
		over = nil // the processes that follow are theirs, too
	}
	left := make(chan bool, 1)
	go func() { left <- u.listen(conn) }()
	select {
	case <-u.down.over:
		// The supervisor goes on for a while, and who reads the other end of a pipe
		// until its end is not to wait for that.
		io, _ := u.first.session()
		io.detach(k)
		_ = conn.Send(control.Reply{Event: control.EventExit, Code: u.down.code})
	case <-over: // theirs was this process
		io.detach(k)
		_ = conn.Send(control.Reply{Event: control.EventExit, Code: next.code})
	case asked := <-left:
		io, _ := u.first.session()
		io.detach(k)
		if asked {
			u.book.event("detach", nil)
			_ = conn.Send(control.Reply{Event: control.EventDone})
		}
	}
}

// listen takes what an attached client says until it leaves, and reports
// whether it asked to.
func (u *audience) listen(conn *socket.Conn) bool {
	for {
		var req control.Request
		files, err := conn.Receive(&req)
		wire.CloseFiles(files)
		if err != nil {
			return false
		}
		switch req.Op {
		case control.OpDetach:
			return true
		case control.OpSignal:
			_ = u.kill(syscall.Signal(req.Signal))
		}
	}
}

func lostReply(e *control.OutputError) control.Reply {
	var errno syscall.Errno
	errors.As(e, &errno)
	return control.Reply{Event: control.EventLost, Code: int(errno), Stream: e.Stream}
}

func newSink(a *control.Attach, files []*os.File) *sink {
	k := &sink{stays: a != nil && a.Stay}
	if a != nil && a.Stdout && len(files) > 0 {
		k.stdout, files = control.OpenOutput(files[0]), files[1:]
	}
	if a != nil && a.Stderr && len(files) > 0 {
		k.stderr, files = control.OpenOutput(files[0]), files[1:]
	}
	wire.CloseFiles(files)
	k.files = []*os.File{k.stdout, k.stderr}
	return k
}
