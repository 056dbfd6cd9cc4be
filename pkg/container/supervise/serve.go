// SPDX-License-Identifier: Apache-2.0

package supervise

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"coracle/pkg/container/control"
	"coracle/pkg/descriptor"
	"coracle/pkg/wire"
	"coracle/pkg/wire/socket"
)

// operation answers one request. The files that came with it are its own to close.
type operation func(conn *socket.Conn, req control.Request, files []*os.File) error

// server takes the requests of clients: what it can be asked for is a table.
type server struct {
	ops   map[string]operation
	ctl   *net.UnixListener
	talks sync.WaitGroup // that go on
}

// serve answers the control socket until it is closed.
func (s *server) serve() {
	for {
		c, err := s.ctl.AcceptUnix()
		if err != nil {
			return
		}
		if !isFrom(c, os.Geteuid()) {
			c.Close()
			continue
		}
		s.talks.Go(func() { s.talk(socket.New(c)) })
	}
}

// isFrom reports whether a user connected. Everybody is refused but the user the
// container belongs to, whose process this is: the directory's mode says the same;
// this holds even if somebody changes it.
func isFrom(c *net.UnixConn, user int) bool {
	ok := false
	err := descriptor.Control(c, func(fd int) error {
		cred, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
		ok = err == nil && int(cred.Uid) == user
		return err
	})
	return err == nil && ok
}

// talk serves one connection.
func (s *server) talk(conn *socket.Conn) {
	defer conn.Close()
	var req control.Request
	files, err := conn.Receive(&req)
	if err != nil {
		return
	}
	answer, known := s.ops[req.Op]
	if !known {
		answer = answers(func(control.Request) error { return fmt.Errorf("unknown operation %q", req.Op) })
	}
	if err := answer(conn, req, files); err != nil {
		fmt.Fprintln(os.Stderr, "supervise: answer:", err)
	}
}

// answers is the operation that says whether do could be done.
func answers(do func(control.Request) error) operation {
	return func(conn *socket.Conn, req control.Request, files []*os.File) error {
		wire.CloseFiles(files)
		return reply(conn, do(req))
	}
}

// bare is an operation that takes no files.
func bare(do func(*socket.Conn, control.Request) error) operation {
	return func(conn *socket.Conn, req control.Request, files []*os.File) error {
		wire.CloseFiles(files)
		return do(conn, req)
	}
}

func reply(conn *socket.Conn, err error) error {
	if err == nil {
		return conn.Send(control.Reply{Event: control.EventDone})
	}
	var se *control.StartError
	if !errors.As(err, &se) {
		se = control.NewStartError(1, err)
	}
	return conn.Send(control.Reply{Event: control.EventError, Code: se.Code, Error: se.Message, Hint: se.Hint()})
}

// sayBusy tells a client again and again that this process is at work, until the
// returned function is called.
func sayBusy(conn *socket.Conn) (stop func()) {
	done := make(chan struct{})
	go func() {
		for {
			select {
			case <-done:
				return
			case <-time.After(busyInterval):
				_ = conn.Send(control.Reply{Event: control.EventBusy})
			}
		}
	}()
	return sync.OnceFunc(func() { close(done) })
}

// busyInterval is far below what clients bear.
const busyInterval = 5 * time.Second
