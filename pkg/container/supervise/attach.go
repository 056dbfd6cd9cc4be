// SPDX-License-Identifier: Apache-2.0

package supervise

import (
	"errors"
	"os"
	"strconv"
	"syscall"

	"coracle/pkg/container"
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
func (u *audience) attach(conn *container.Conn, a *container.Attach, files []*os.File, before func() error) {
	k := newSink(a, files)
	k.lost = func(err error) {
		var lost *container.OutputError
		if errors.As(err, &lost) {
			_ = conn.Send(lostReply(lost))
		}
	}
	io, next := u.first.session()
	in := io.attach(k, a != nil && a.Stdin)
	u.book.event("attach", nil)
	ready := container.Reply{Event: container.EventAttached}
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
		_ = conn.Send(container.Reply{Event: container.EventStarted})
	}
	if a != nil && a.Rows > 0 && io.tty {
		u.book.event("resize", map[string]string{"height": strconv.Itoa(int(a.Rows)), "width": strconv.Itoa(int(a.Cols))})
	}
	left := make(chan bool, 1)
	go func() { left <- u.listen(conn) }()
	select {
	case <-u.down.over:
		_ = conn.Send(container.Reply{Event: container.EventExit, Code: u.down.code})
	case <-next.over: // theirs was this process
		io.detach(k)
		_ = conn.Send(container.Reply{Event: container.EventExit, Code: next.code})
	case asked := <-left:
		io.detach(k)
		if asked {
			u.book.event("detach", nil)
			_ = conn.Send(container.Reply{Event: container.EventDone})
		}
	}
}

// listen takes what an attached client says until it leaves, and reports
// whether it asked to.
func (u *audience) listen(conn *container.Conn) bool {
	for {
		var req container.Request
		files, err := conn.Recv(&req)
		container.CloseFiles(files)
		if err != nil {
			return false
		}
		switch req.Op {
		case container.OpDetach:
			return true
		case container.OpSignal:
			_ = u.kill(syscall.Signal(req.Signal))
		}
	}
}

func lostReply(e *container.OutputError) container.Reply {
	var errno syscall.Errno
	errors.As(e, &errno)
	return container.Reply{Event: container.EventLost, Code: int(errno), Stream: e.Stream}
}

func newSink(a *container.Attach, files []*os.File) *sink {
	k := &sink{}
	if a != nil && a.Stdout && len(files) > 0 {
		k.stdout, files = container.OpenOutput(files[0]), files[1:]
	}
	if a != nil && a.Stderr && len(files) > 0 {
		k.stderr, files = container.OpenOutput(files[0]), files[1:]
	}
	container.CloseFiles(files)
	k.files = []*os.File{k.stdout, k.stderr}
	return k
}
