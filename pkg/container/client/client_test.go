// SPDX-License-Identifier: Apache-2.0

package client

import (
	"errors"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"coracle/internal/testutil/store"
	"coracle/pkg/container"
	"coracle/pkg/container/control"
	"coracle/pkg/state"
	"coracle/pkg/wire"
	"coracle/pkg/wire/socket"
)

// limit is what a call that has to end promptly may take on a slow machine. It is
// less than what a silent supervisor is given.
const limit = answerTime * 2 / 3

func newStore(t *testing.T) *container.Store {
	t.Helper()
	d := store.Dirs(t)
	return container.NewStore(d)
}

func create(t *testing.T, s *container.Store, r container.Record) *container.Container {
	t.Helper()
	if err := s.Create(t.Context(), &r); err != nil {
		t.Fatal(err)
	}
	return load(t, s, r.ID)
}

func load(t *testing.T, s *container.Store, id string) *container.Container {
	t.Helper()
	c, err := s.Load(id)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// fake is a supervisor: this process, as far as a record says, and an answer for
// each connection.
type fake struct {
	t     *testing.T
	l     *net.UnixListener
	talks sync.WaitGroup
	mu    sync.Mutex
	asked []control.Request
	conns []*socket.Conn
}

// supervise makes a container one that runs, and answers those who ask by talk, in
// a goroutine for each. What is left of the conversation ends with the test.
func supervise(t *testing.T, s *container.Store, id string, st container.State, talk func(*fakeConn, control.Request, []*os.File)) (*container.Container, *fake) {
	t.Helper()
	self, err := state.Identify(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if st.RunDir = s.Dirs().ContainerRun(id); st.Supervisor.Pid == 0 {
		st.Supervisor = self
	}
	if st.Status == "" {
		st.Status = container.Running
	}
	if err := s.WriteState(id, st, false); err != nil {
		t.Fatal(err)
	}
	f := &fake{t: t}
	if f.l, err = control.Listen(st.RunDir); err != nil {
		t.Fatal(err)
	}
	f.talks.Go(func() { f.serve(talk) })
	t.Cleanup(func() {
		f.l.Close()
		f.mu.Lock()
		for _, c := range f.conns {
			c.Close()
		}
		f.mu.Unlock()
		f.talks.Wait()
	})
	return load(t, s, id), f
}

func (f *fake) serve(talk func(*fakeConn, control.Request, []*os.File)) {
	for {
		u, err := f.l.AcceptUnix()
		if err != nil {
			return
		}
		w := socket.New(u)
		f.mu.Lock()
		f.conns = append(f.conns, w)
		f.mu.Unlock()
		f.talks.Go(func() {
			defer u.Close()
			var req control.Request
			files, err := w.Receive(&req)
			if err != nil {
				return
			}
			defer wire.CloseFiles(files)
			f.mu.Lock()
			f.asked = append(f.asked, req)
			f.mu.Unlock()
			talk(&fakeConn{Conn: w, raw: u, t: f.t}, req, files)
		})
	}
}

// requests are those that came, by their operation.
func (f *fake) requests() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var ops []string
	for _, r := range f.asked {
		ops = append(ops, r.Op)
	}
	return ops
}

// fakeConn is one conversation, from the supervisor's side.
type fakeConn struct {
	*socket.Conn
	raw *net.UnixConn
	t   *testing.T
}

func (c *fakeConn) say(r control.Reply, files ...*os.File) {
	if err := c.Send(r, files...); err != nil {
		c.t.Errorf("answer %q: %v", r.Event, err)
	}
}

// left waits until the other side has closed the connection.
func (c *fakeConn) left() {
	for {
		files, err := c.Receive(&control.Request{})
		wire.CloseFiles(files)
		if err != nil {
			return
		}
	}
}

// done answers every request.
func done(c *fakeConn, _ control.Request, _ []*os.File) {
	c.say(control.Reply{Event: control.EventDone})
}

// silent answers none, until it is left.
func silent(c *fakeConn, _ control.Request, _ []*os.File) { c.left() }

// no refuses every request.
func no(c *fakeConn, _ control.Request, _ []*os.File) {
	c.say(control.Reply{Event: control.EventError, Code: 1, Error: "no", Hint: "ask again"})
}

// promptly fails a test that takes longer than a call that ended.
func promptly(t *testing.T, what string, f func()) {
	t.Helper()
	began := time.Now()
	f()
	if took := time.Since(began); took > limit {
		t.Errorf("%s: it took %v", what, took)
	}
}

func refused(err error) bool {
	var se *control.StartError
	return errors.As(err, &se) && se.Message == "no" && se.Hint() == "ask again"
}
