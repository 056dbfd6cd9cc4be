// SPDX-License-Identifier: Apache-2.0

package supervise

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"coracle/pkg/container/control"
	"coracle/pkg/wire"
	"coracle/pkg/wire/socket"
)

// guestTime bounds how long those who waited for the container to start may take to
// say what they want. They are at work on nothing else.
const guestTime = 2 * time.Second

// guests are those who have waited for the container to start, to be attached to its
// process or to hear of its end, before it does anything.
type guests struct {
	s     *supervisor
	begun chan struct{} // closed when the process runs, or does not
	err   error         // then why not
}

// welcome lets all of them say what they want, and returns once they miss nothing.
// What it returns has to hear whether the process runs.
func (s *supervisor) welcome() *guests {
	g := &guests{s: s, begun: make(chan struct{})}
	room := s.store.Dirs().Container(s.id).Waiting()
	names, err := os.ReadDir(room)
	if err != nil { // as a rule there is nobody, and no room
		return g
	}
	var ready []chan struct{}
	for _, n := range names {
		place, err := os.ReadFile(filepath.Join(room, n.Name()))
		if err != nil {
			continue
		}
		c, err := socket.Dial(strings.TrimSpace(string(place)))
		if errors.Is(err, unix.ECONNREFUSED) || errors.Is(err, unix.ENOENT) {
			_ = os.Remove(filepath.Join(room, n.Name())) // it has been killed
		}
		if err != nil {
			continue
		}
		if !isFrom(c, os.Geteuid()) {
			c.Close()
			continue
		}
		_ = os.Remove(filepath.Join(room, n.Name())) // which says that somebody comes
		taken := make(chan struct{})
		ready = append(ready, taken)
		s.server.talks.Go(func() { g.serve(socket.New(c), taken) })
	}
	late := time.NewTimer(guestTime)
	defer late.Stop()
	for _, taken := range ready {
		select {
		case <-taken:
		case <-late.C:
			return g
		}
	}
	return g
}

// start tells them whether the process runs.
func (g *guests) start(err error) {
	g.err = err
	close(g.begun)
}

// running returns once the process runs, or why it does not.
func (g *guests) running() error {
	<-g.begun
	return g.err
}

// serve is the conversation with one of them. It closes taken once that misses
// nothing.
func (g *guests) serve(conn *socket.Conn, taken chan struct{}) {
	defer conn.Close()
	done := func() {
		if taken != nil {
			close(taken)
			taken = nil
		}
	}
	defer done()
	var req control.Request
	files, err := conn.ReceiveWithin(guestTime, &req)
	if err != nil {
		return
	}
	next := g.s.first.end()
	switch req.Op {
	case control.OpAttach:
		g.s.audience.attach(conn, req.Attach, files, func() error {
			done()
			err := g.running()
			if err != nil {
				_ = reply(conn, err)
			}
			return err
		})
		return
	case control.OpWait, control.OpWaitDown:
	default:
		wire.CloseFiles(files)
		return
	}
	wire.CloseFiles(files)
	done()
	if err := g.running(); err != nil {
		_ = reply(conn, err)
		return
	}
	if req.Op == control.OpWaitDown {
		next = nil
	}
	_ = g.s.waitFor(conn, next)
}
