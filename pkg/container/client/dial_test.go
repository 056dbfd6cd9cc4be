// SPDX-License-Identifier: Apache-2.0

package client

import (
	"encoding/binary"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"coracle/internal/testutil"
	"coracle/pkg/container"
	"coracle/pkg/container/control"
	"coracle/pkg/hint"
	"coracle/pkg/state"
)

// TestNobodyThere is a record that says that a container runs, and no supervisor
// that listens.
func TestNobodyThere(t *testing.T) {
	s := newStore(t)
	c := create(t, s, container.Record{})
	if err := Pause(t.Context(), c); !errors.Is(err, container.ErrNotRunning) {
		t.Errorf("it does not run: %v", err)
	}
	c, f := supervise(t, s, c.ID, container.State{Supervisor: process(t)}, done)
	f.l.Close()
	if err := c.State.Supervisor.Kill(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := Pause(t.Context(), c); !errors.Is(err, container.ErrNotRunning) {
		t.Errorf("its supervisor has died: %v", err)
	}
	if err := os.RemoveAll(c.State.RunDir); err != nil {
		t.Fatal(err)
	}
	if err := Pause(t.Context(), c); !errors.Is(err, container.ErrNotRunning) {
		t.Errorf("and so has its socket: %v", err)
	}
}

// TestAliveAndDeaf does not listen, and is not dead either.
func TestAliveAndDeaf(t *testing.T) {
	s := newStore(t)
	c, f := supervise(t, s, create(t, s, container.Record{}).ID, container.State{}, done)
	f.l.Close()
	err := Pause(t.Context(), c)
	if !errors.Is(err, unix.ECONNREFUSED) || !strings.Contains(err.Error(), "connect to supervisor of container "+c.ID[:12]) {
		t.Errorf("%v", err)
	}
}

// TestDiesOfIt is a supervisor that is killed while it is asked: the request came
// too late.
func TestDiesOfIt(t *testing.T) {
	s := newStore(t)
	p := process(t)
	c, _ := supervise(t, s, create(t, s, container.Record{}).ID, container.State{Supervisor: p}, func(*fakeConn, control.Request, []*os.File) {
		if err := p.Kill(t.Context()); err != nil {
			t.Error(err)
		}
	})
	if err := Pause(t.Context(), c); !errors.Is(err, container.ErrNotRunning) {
		t.Errorf("%v", err)
	}
}

// TestStopped is a supervisor that a signal keeps from answering.
func TestStopped(t *testing.T) {
	s := newStore(t)
	p := process(t)
	if err := unix.Kill(p.Pid, unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	testutil.Eventually(t, "the signal has stopped it", func() bool { return state.Stopped(p.Pid) })
	c, _ := supervise(t, s, create(t, s, container.Record{}).ID, container.State{Supervisor: p}, silent)
	for _, req := range []control.Request{{Op: control.OpPause}, {Op: control.OpUpdate}} {
		promptly(t, req.Op, func() {
			_, err := call(t.Context(), c, req)
			var se *silentError
			if !errors.As(err, &se) || !strings.Contains(err.Error(), "is stopped") || !strings.Contains(hint.Of(err), "kill -CONT") {
				t.Errorf("%v (%s)", err, hint.Of(err))
			}
		})
	}
}

// TestWordsOfSilence are the errors about who does not answer.
func TestWordsOfSilence(t *testing.T) {
	e := &silentError{peer: peer{strings.Repeat("ab", 32), 7}, after: 30 * time.Second}
	if e.Error() != "supervisor of container abababababab (pid 7) has not answered for 30s" || e.Hint() != "kill, or rm -f, ends the container without it" {
		t.Errorf("%v (%s)", e, e.Hint())
	}
	if (&lostError{}).Error() != "supervisor lost" {
		t.Error("lost")
	}
}

// TestBusy passes over the words of one that is at work.
func TestBusy(t *testing.T) {
	s := newStore(t)
	c, _ := supervise(t, s, create(t, s, container.Record{}).ID, container.State{}, func(c *fakeConn, r control.Request, files []*os.File) {
		for range 100 {
			c.say(control.Reply{Event: control.EventBusy})
		}
		done(c, r, files)
	})
	if err := Pause(t.Context(), c); err != nil {
		t.Error(err)
	}
}

// TestHostileAnswers: whoever listens there, a command says that it does not
// understand, and ends.
func TestHostileAnswers(t *testing.T) {
	header := func(n uint32) []byte { return binary.BigEndian.AppendUint32(nil, n) }
	for what, answer := range map[string][]byte{
		"a huge message":    append(header(1<<31), "{"...),
		"one byte too many": header(16<<20 + 1),
		"half a message":    append(header(100), `{"event":"done"`...),
		"half a length":     {0, 0},
		"no json":           append(header(4), "done"...),
		"another type":      append(header(2), "[]"...),
		"nothing":           {},
	} {
		t.Run(what, func(t *testing.T) {
			s := newStore(t)
			p := process(t)
			c, _ := supervise(t, s, create(t, s, container.Record{}).ID, container.State{Supervisor: p}, func(c *fakeConn, _ control.Request, _ []*os.File) {
				_, _ = c.raw.Write(answer)
				if what == "half a message" || what == "half a length" || what == "nothing" {
					_ = p.Kill(t.Context())
				}
			})
			promptly(t, what, func() {
				if err := Pause(t.Context(), c); err == nil {
					t.Error("it was taken for an answer")
				}
				if _, err := Exec(t.Context(), c, control.ExecOptions{}); err == nil {
					t.Error("it was taken for the start of a process")
				}
			})
		})
	}
}
