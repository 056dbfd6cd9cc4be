// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"coracle/internal/testutil"
	"coracle/pkg/container"
	"coracle/pkg/container/control"
	"coracle/pkg/state"
	"coracle/pkg/wire"
	"coracle/pkg/wire/socket"
)

// visit is what the supervisor of a start does with those who wait: it comes to each,
// and talks.
func visit(t *testing.T, c *container.Container, talk func(*socket.Conn, control.Request)) (met int) {
	t.Helper()
	notes, err := os.ReadDir(c.Dir().Waiting())
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range notes {
		path := filepath.Join(c.Dir().Waiting(), n.Name())
		place, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		u, err := socket.Dial(strings.TrimSpace(string(place)))
		if err != nil {
			continue
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		conn := socket.New(u)
		defer conn.Close()
		var req control.Request
		files, err := conn.ReceiveWithin(limit, &req)
		wire.CloseFiles(files)
		if err != nil {
			t.Fatal(err)
		}
		met++
		talk(conn, req)
	}
	return met
}

func exits(code int) func(*socket.Conn, control.Request) {
	return func(c *socket.Conn, _ control.Request) {
		_ = c.Send(control.Reply{Event: control.EventExit, Code: code})
	}
}

type outcome struct {
	code int
	err  error
}

// waitIn waits elsewhere.
func waitIn(ctx context.Context, w *Waiting) <-chan outcome {
	over := make(chan outcome, 1)
	go func() {
		code, err := w.Wait(ctx)
		over <- outcome{code, err}
	}()
	return over
}

func register(t *testing.T, s *container.Store, c *container.Container, until Condition) *Waiting {
	t.Helper()
	w, err := Register(t.Context(), s, c, until)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	return w
}

// TestNextExit: whoever waits before there is a supervisor hears of the end, however
// soon it comes, and of no start that failed.
func TestNextExit(t *testing.T) {
	s := newStore(t)
	c := create(t, s, container.Record{})
	w := register(t, s, c, NextExit)
	over := waitIn(t.Context(), w)
	met := visit(t, c, func(conn *socket.Conn, r control.Request) {
		if r.Op != control.OpWait {
			t.Errorf("asked for %q", r.Op)
		}
		_ = conn.Send(control.Reply{Event: control.EventError, Code: 127, Error: "no such program"})
	})
	if met != 1 {
		t.Fatalf("%d wait", met)
	}
	testutil.Eventually(t, "it waits for another start", func() bool {
		left, err := os.ReadDir(c.Dir().Waiting())
		return err == nil && len(left) == 1
	})
	visit(t, c, exits(3))
	if got := <-over; got.code != 3 || got.err != nil {
		t.Errorf("%+v", got)
	}
	for _, dir := range []string{c.Dir().Waiting(), s.Dirs().Meetings()} {
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("left in %s: %v %v", dir, left, err)
		}
	}
}

// TestRemoved waits through starts, for the end of the container.
func TestRemoved(t *testing.T) {
	s := newStore(t)
	c := create(t, s, container.Record{})
	over := waitIn(t.Context(), register(t, s, c, Removed))
	visit(t, c, exits(5))
	testutil.Eventually(t, "it waits still", func() bool {
		left, err := os.ReadDir(c.Dir().Waiting())
		return err == nil && len(left) == 1
	})
	if err := s.Remove(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if got := <-over; got.err != nil { // the record says 0: no process has ended
		t.Errorf("%+v", got)
	}
	over = waitIn(t.Context(), register(t, s, create(t, s, container.Record{}), NotRunning))
	if got := <-over; got != (outcome{}) {
		t.Errorf("one that does not run: %+v", got)
	}
}

// TestStartedBeforeTheGuest: a container that was started before there was a guest is
// connected to as any that runs.
func TestStartedBeforeTheGuest(t *testing.T) {
	s := newStore(t)
	old := create(t, s, container.Record{})
	_, f := supervise(t, s, old.ID, container.State{}, func(c *fakeConn, _ control.Request, _ []*os.File) {
		c.say(control.Reply{Event: control.EventExit, Code: 4})
	})
	over := waitIn(t.Context(), register(t, s, old, NextExit)) // as it was read before
	if got := <-over; got.code != 4 || got.err != nil {
		t.Errorf("%+v", got)
	}
	if ops := f.requests(); len(ops) != 1 || ops[0] != control.OpWait {
		t.Errorf("%v", ops)
	}
}

// TestAskedTooLate: a supervisor that lets go of its clients, and records the end of
// the process then, is waited for.
func TestAskedTooLate(t *testing.T) {
	for _, until := range []Condition{NotRunning, NextExit, Removed} {
		t.Run(string(until), func(t *testing.T) {
			s := newStore(t)
			p := process(t)
			asked := make(chan struct{}, 8)
			c, _ := supervise(t, s, create(t, s, container.Record{}).ID, container.State{Supervisor: p}, func(conn *fakeConn, _ control.Request, _ []*os.File) {
				conn.Close()
				asked <- struct{}{}
			})
			over := waitIn(t.Context(), register(t, s, c, until))
			<-asked
			ended := container.State{Status: container.Exited, ExitCode: 5}
			if err := errors.Join(s.WriteState(c.ID, ended, false), p.Kill(t.Context())); err != nil {
				t.Fatal(err)
			}
			if until == Removed {
				testutil.Eventually(t, "it waits for the removal", func() bool {
					left, err := os.ReadDir(c.Dir().Waiting())
					return err == nil && len(left) == 1
				})
				if err := s.Remove(t.Context(), c); err != nil {
					t.Fatal(err)
				}
			}
			if got := <-over; got.code != 5 || got.err != nil {
				t.Errorf("%+v", got)
			}
		})
	}
}

// TestGuestLeaves ends with its context, and leaves nothing.
func TestGuestLeaves(t *testing.T) {
	s := newStore(t)
	c := create(t, s, container.Record{})
	ctx, leave := context.WithCancel(t.Context())
	over := waitIn(ctx, register(t, s, c, NextExit))
	leave()
	if got := <-over; !errors.Is(got.err, context.Canceled) {
		t.Errorf("%+v", got)
	}
	if left, _ := os.ReadDir(c.Dir().Waiting()); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	var gone *container.NotFoundError
	if err := s.Remove(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if _, err := Register(t.Context(), s, c, NextExit); !errors.As(err, &gone) {
		t.Errorf("of one that is gone: %v", err)
	}
}

// TestParted: who comes too late for a container with --rm that has ended hears how it
// did; one that was removed without it is unknown.
func TestParted(t *testing.T) {
	for _, auto := range []bool{true, false} {
		s := newStore(t)
		read := create(t, s, container.Record{Name: "web", Labels: map[string]string{"exitCode": "9"}, Life: container.Life{AutoRemove: auto}})
		read.State = container.State{Status: container.Running, Supervisor: process(t)} // as it was
		s.Event(&read.Record, "die", map[string]string{"exitCode": "6"})
		if err := s.WriteState(read.ID, container.State{Status: container.Exited, ExitCode: 6}, false); err != nil {
			t.Fatal(err)
		}
		if err := s.Remove(t.Context(), load(t, s, read.ID)); err != nil {
			t.Fatal(err)
		}
		for _, arg := range []string{"web", read.ID, read.ID[:12]} {
			if code, known := Parted(t.Context(), s, arg); known != auto || known && code != 6 {
				t.Errorf("with --rm %t, %s: %d, %t", auto, arg, code, known)
			}
		}
		for _, arg := range []string{"we", "", read.ID[:11]} {
			if code, known := Parted(t.Context(), s, arg); known {
				t.Errorf("%q: %d", arg, code)
			}
		}
		if code, err := Wait(t.Context(), s, read); code != 6 || err != nil {
			t.Errorf("of one that was read before it ended: %d, %v", code, err)
		}
		for _, until := range []Condition{NotRunning, NextExit, Removed} {
			if got := <-waitIn(t.Context(), register(t, s, read, until)); got.code != 6 || got.err != nil {
				t.Errorf("%s, read before it ended: %+v", until, got)
			}
		}
	}
}

// TestGuestAttaches gets its output from a process that it was there before.
func TestGuestAttaches(t *testing.T) {
	s := newStore(t)
	c := create(t, s, container.Record{})
	g, err := Await(s, c)
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	result := make(chan error, 1)
	go func() {
		defer w.Close()
		ses, err := g.Attach(t.Context(), c, &control.Attach{Stdout: true}, []*os.File{w})
		if err == nil {
			_, err = ses.Exit()
			ses.Close()
		}
		result <- err
	}()
	met := visit(t, c, func(conn *socket.Conn, r control.Request) {
		if r.Op != control.OpAttach || r.Attach == nil || !r.Attach.Stdout {
			t.Errorf("%+v", r)
		}
		for _, ev := range []string{control.EventAttached, control.EventStarted, control.EventExit} {
			_ = conn.Send(control.Reply{Event: ev})
		}
	})
	if err := <-result; err != nil || met != 1 {
		t.Errorf("%d: %v", met, err)
	}
}

// TestExecRecords: what one process asks for another finds, and the container's end
// takes along.
func TestExecRecords(t *testing.T) {
	s := newStore(t)
	c := create(t, s, container.Record{})
	x := &container.Exec{Options: control.ExecOptions{Args: []string{"true"}}, Stdout: true}
	if err := s.CreateExec(c, x); !errors.Is(err, container.ErrNotRunning) {
		t.Errorf("in a container that does not run: %v", err)
	}
	c, f := supervise(t, s, c.ID, container.State{}, done)
	if err := s.CreateExec(c, x); err != nil {
		t.Fatal(err)
	}
	found, of, err := s.LoadExec(x.ID)
	if err != nil || of.ID != c.ID || !found.Stdout || found.Options.ID != x.ID || found.State != (container.ExecState{}) {
		t.Errorf("%+v %v", found, err)
	}
	if ids := s.ExecIDs(c); len(ids) != 1 || ids[0] != x.ID {
		t.Errorf("%v", ids)
	}
	code := 3
	if err := s.WriteExecState(c, x.ID, container.ExecState{Started: true, Code: &code}); err != nil {
		t.Fatal(err)
	}
	if found, _, err := s.LoadExec(x.ID); err != nil || *found.State.Code != 3 || len(s.ExecIDs(c)) != 0 {
		t.Errorf("%+v %v", found, err)
	}
	var missing *container.NoSuchExecError
	for _, id := range []string{"x", state.NewID(), c.ID[:32] + strings.Repeat("0", 32), "../" + x.ID[3:]} {
		if _, _, err := s.LoadExec(id); !errors.As(err, &missing) {
			t.Errorf("%s: %v", id, err)
		}
	}
	if err := Resize(t.Context(), c, control.Resize{Exec: x.ID, Rows: 5, Cols: 6}); err != nil {
		t.Error(err)
	}
	if ops := f.requests(); len(ops) != 1 || ops[0] != control.OpResize {
		t.Errorf("%v", ops)
	}
}
