// SPDX-License-Identifier: Apache-2.0

package supervise

import (
	"context"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"coracle/internal/testutil"
	"coracle/internal/testutil/store"
	"coracle/pkg/box"
	"coracle/pkg/container"
	"coracle/pkg/container/control"
	"coracle/pkg/events"
	"coracle/pkg/network"
	"coracle/pkg/ns"
	"coracle/pkg/state"
	"coracle/pkg/wire"
	"coracle/pkg/wire/socket"
)

// newContainer makes a container in a store of its own.
func newContainer(t *testing.T, r container.Record) (*container.Store, *container.Container) {
	t.Helper()
	d := store.Dirs(t)
	store := container.NewStore(d)
	if err := store.Create(context.Background(), &r); err != nil {
		t.Fatal(err)
	}
	c, err := store.Load(r.ID)
	if err != nil {
		t.Fatal(err)
	}
	return store, c
}

// newLedger is that of a new container.
func newLedger(t *testing.T, r container.Record) *ledger {
	t.Helper()
	l, err := openLedger(newContainer(t, r))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// written is the state that others read.
func written(t *testing.T, l *ledger) container.State {
	t.Helper()
	c, err := l.store.Load(l.id())
	if err != nil {
		t.Fatal(err)
	}
	return c.State
}

// actions are the events of the container so far.
func actions(t *testing.T, l *ledger) (list []string) {
	t.Helper()
	err := events.Read(context.Background(), l.store.Dirs().Root, events.Options{Past: true}, func(e events.Event) error {
		list = append(list, e.Action)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func happened(t *testing.T, l *ledger, action string) bool {
	t.Helper()
	return slices.Contains(actions(t, l), action)
}

// pair is a conversation: the supervisor's end and a client's.
func pair(t *testing.T) (ours, client *socket.Conn) {
	t.Helper()
	ours, f, err := socket.Pair()
	if err != nil {
		t.Fatal(err)
	}
	if client, err = socket.FromFile(f); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ours.Close(); client.Close() })
	return ours, client
}

// hear is the next reply that is sent to a client, and its files.
func hear(t *testing.T, client *socket.Conn) (control.Reply, []*os.File) {
	t.Helper()
	var r control.Reply
	files, err := client.ReceiveWithin(time.Minute, &r)
	if err != nil {
		t.Fatal("reply: ", err)
	}
	t.Cleanup(func() { wire.CloseFiles(files) })
	return r, files
}

// alone is a supervisor whose box is empty: its first process is one of the host.
func alone(t *testing.T, r container.Record) *supervisor {
	t.Helper()
	store, c := newContainer(t, r)
	s := &supervisor{store: store, id: c.ID, c: c, down: newEnding(), box: &box.Box{}, endChecks: func() {}}
	var err error
	if s.lock, err = state.Acquire(context.Background(), store.Dirs().Container(c.ID).Lock(), state.Exclusive); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.lock.Release)
	if s.book, err = openLedger(store, c); err != nil {
		t.Fatal(err)
	}
	s.first = &first{book: s.book, next: newEnding()}
	s.restarts = newRestarts(c.Life.Restart)
	s.restarts.pause = time.Hour // there is nothing to start
	s.bounds = &bounds{book: s.book, first: s.first, ended: s.down.over, limits: c.Limits.Cgroup}
	s.nets = &networks{book: s.book, c: c, box: &patchbay{}}
	s.mounts = &mounts{volumes: container.Volumes(store.Dirs()), c: c}
	s.sessions = &sessions{book: s.book, first: s.first, with: c.Process, box: &nothing{}}
	s.audience = &audience{book: s.book, first: s.first, down: s.down, kill: s.kill}
	s.server.ops = s.operations()
	return s
}

// begin starts the first process as a shell's line on the host.
func (s *supervisor) begin(t *testing.T, line string) {
	t.Helper()
	io, err := openStreams(s.c.Process, s.log)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/bin/sh", "-c", line)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = io.childIn, io.childOut, io.childErr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	io.closeChildEnds()
	init := &ns.Process{Process: cmd.Process, HostPid: cmd.Process.Pid}
	t.Cleanup(func() { _ = init.Process.Kill(); _, _ = init.Wait() })
	s.first.become(init, &specs.Spec{Process: &specs.Process{Env: []string{"HOME=/home/me"}}}, io)
	io.run(nil)
	s.book.record(func(st *container.State) { st.Status, st.Pid = container.Running, init.HostPid })
}

// live is what follows a start; the returned channel is closed at the end.
func (s *supervisor) lives(t *testing.T) <-chan struct{} {
	t.Helper()
	var err error
	if s.server.ctl, err = control.Listen(t.TempDir()); err != nil {
		t.Fatal(err)
	}
	over := make(chan struct{})
	go func() {
		defer close(over)
		s.down.code = s.outlive()
		s.end()
	}()
	return over
}

// ask makes one request, and returns the first reply.
func (s *supervisor) ask(t *testing.T, req control.Request, files ...*os.File) control.Reply {
	t.Helper()
	r, _ := hear(t, s.talkTo(t, req, files...))
	return r
}

func (s *supervisor) talkTo(t *testing.T, req control.Request, files ...*os.File) *socket.Conn {
	t.Helper()
	ours, client := pair(t)
	s.server.talks.Go(func() { s.server.talk(ours) })
	if err := client.Send(req, files...); err != nil {
		t.Fatal(err)
	}
	return client
}

// patchbay is a box's networks.
type patchbay struct {
	name    string
	refuses error
	netns   *os.File
}

func (p *patchbay) Attach(e network.Endpoint) (network.Place, error) {
	return network.Place{}, p.refuses
}
func (p *patchbay) Detach(string) error { return p.refuses }
func (p *patchbay) Rename(name string) error {
	p.name = name
	return p.refuses
}
func (p *patchbay) NetNS() *os.File { return p.netns }

// nothing is a box that no process starts in.
type nothing struct{ rootfs string }

func (n *nothing) Rootfs() string { return n.rootfs }
func (n *nothing) Exec(*ns.Process, *specs.Spec, *specs.Process, box.Stdio) (*ns.Process, error) {
	return nil, os.ErrPermission
}

// within waits for a channel to be closed.
func within(t *testing.T, what string, done <-chan struct{}) {
	t.Helper()
	testutil.Eventually(t, what, func() bool {
		select {
		case <-done:
			return true
		default:
			return false
		}
	})
}
