// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"coracle/internal/testutil"
	"coracle/pkg/container"
	"coracle/pkg/container/control"
	"coracle/pkg/container/logfile"
	"coracle/pkg/state"
)

// process is one that a record may call a supervisor, and that may be killed.
func process(t *testing.T) state.Process {
	t.Helper()
	cmd := exec.Command("sleep", "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	reaped := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(reaped)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-reaped
	})
	p, err := state.Identify(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestStop is what a supervisor is asked for, and how long it is waited for.
func TestStop(t *testing.T) {
	five, never := 5, -1
	for what, c := range map[string]struct {
		own, given *int
		want       int
	}{
		"docker's":   {want: 10},
		"its own":    {own: &five, want: 5},
		"as asked":   {own: &five, given: &never, want: -1},
		"never ends": {own: &never, want: -1},
	} {
		t.Run(what, func(t *testing.T) {
			s := newStore(t)
			web := create(t, s, container.Record{Life: container.Life{StopTimeout: c.own}})
			if err := Stop(t.Context(), web, 0, c.given); err != nil {
				t.Errorf("of one that does not run: %v", err)
			}
			web, f := supervise(t, s, web.ID, container.State{}, done)
			if err := Stop(t.Context(), web, unix.SIGUSR1, c.given); err != nil {
				t.Error(err)
			}
			if r := f.asked[0]; r.Op != control.OpStop || r.Timeout == nil || *r.Timeout != c.want || r.Signal != int(unix.SIGUSR1) {
				t.Errorf("it was asked for %+v", r)
			}
		})
	}
}

// TestKillOfTheWedged ends a container by the end of its supervisor where that
// does not do it: one that a signal has stopped, and one that ends the
// conversation.
func TestKillOfTheWedged(t *testing.T) {
	for what, talk := range map[string]func(*fakeConn, control.Request, []*os.File){
		"stopped":  silent,
		"cut off":  func(*fakeConn, control.Request, []*os.File) {},
		"nonsense": func(c *fakeConn, _ control.Request, _ []*os.File) { _, _ = c.raw.Write([]byte{0xff, 0xff, 0xff, 0xff}) },
		"refuses":  no,
	} {
		t.Run(what, func(t *testing.T) {
			s := newStore(t)
			p := process(t)
			if what == "stopped" {
				if err := unix.Kill(p.Pid, unix.SIGSTOP); err != nil {
					t.Fatal(err)
				}
			}
			c, _ := supervise(t, s, create(t, s, container.Record{}).ID, container.State{Supervisor: p}, talk)
			if what == "stopped" {
				testutil.Eventually(t, "the signal has stopped it", func() bool { return state.Stopped(p.Pid) })
			}
			promptly(t, "kill", func() {
				if err := Kill(t.Context(), c); err != nil {
					t.Error(err)
				}
			})
			if p.Alive() {
				t.Error("its supervisor is alive")
			}
			if now := load(t, s, c.ID); now.State.Status != container.Exited {
				t.Errorf("it is %s", now.State.Status)
			}
		})
	}
}

// TestSignal reaches a container that runs.
func TestSignal(t *testing.T) {
	s := newStore(t)
	c := create(t, s, container.Record{})
	for _, sig := range []syscall.Signal{unix.SIGHUP, unix.SIGKILL} {
		var down *container.NotRunningError
		if err := Signal(t.Context(), c, sig); !errors.As(err, &down) || err.Error() != "container "+c.ID+" is not running" {
			t.Errorf("%v to one that does not run: %v", sig, err)
		}
	}
	c, f := supervise(t, s, c.ID, container.State{}, done)
	if err := errors.Join(Signal(t.Context(), c, unix.SIGHUP), Kill(t.Context(), c)); err != nil {
		t.Error(err)
	}
	if !slices.Equal(f.requests(), []string{control.OpSignal, control.OpStop}) || f.asked[0].Signal != int(unix.SIGHUP) || *f.asked[1].Timeout != 0 {
		t.Errorf("it was asked for %+v", f.asked)
	}
}

// TestWait is the exit code of one that has ended, ends, or ends before it could
// be asked.
func TestWait(t *testing.T) {
	s := newStore(t)
	c := create(t, s, container.Record{})
	ended := container.State{Status: container.Exited, ExitCode: 3}
	if err := s.WriteState(c.ID, ended, false); err != nil {
		t.Fatal(err)
	}
	if code, err := Wait(t.Context(), s, load(t, s, c.ID)); code != 3 || err != nil {
		t.Errorf("of one that has ended: %d, %v", code, err)
	}
	p := process(t)
	c, f := supervise(t, s, c.ID, container.State{Supervisor: p}, func(conn *fakeConn, r control.Request, _ []*os.File) {
		if r.Op == control.OpWait {
			conn.say(control.Reply{Event: control.EventExit, Code: 7})
		} else { // wait-down: it ends, and is too late with its answer
			ended.ExitCode = 8
			if err := errors.Join(s.WriteState(c.ID, ended, false), p.Kill(t.Context())); err != nil {
				t.Error(err)
			}
		}
	})
	if code, err := Wait(t.Context(), s, c); code != 7 || err != nil {
		t.Errorf("of one that ends: %d, %v", code, err)
	}
	if code, err := WaitDown(t.Context(), s, c); code != 8 || err != nil {
		t.Errorf("of one that is down: %d, %v", code, err)
	}
	if !slices.Equal(f.requests(), []string{control.OpWait, control.OpWaitDown}) {
		t.Errorf("it was asked for %v", f.requests())
	}
}

// TestEndOfTheContext ends every wait for a supervisor, which sees its client
// leave.
func TestEndOfTheContext(t *testing.T) {
	never := -1
	for what, wait := range map[string]func(context.Context, *container.Store, *container.Container) error{
		"wait": func(ctx context.Context, s *container.Store, c *container.Container) error {
			_, err := Wait(ctx, s, c)
			return err
		},
		"wait down": func(ctx context.Context, s *container.Store, c *container.Container) error {
			_, err := WaitDown(ctx, s, c)
			return err
		},
		"stop": func(ctx context.Context, _ *container.Store, c *container.Container) error {
			return Stop(ctx, c, 0, &never)
		},
		"kill":  func(ctx context.Context, _ *container.Store, c *container.Container) error { return Kill(ctx, c) },
		"pause": func(ctx context.Context, _ *container.Store, c *container.Container) error { return Pause(ctx, c) },
		"attach": func(ctx context.Context, s *container.Store, c *container.Container) error {
			_, err := Attach(ctx, s, c, &control.Attach{}, nil)
			return err
		},
		"exec": func(ctx context.Context, _ *container.Store, c *container.Container) error {
			_, err := Exec(ctx, c, control.ExecOptions{Args: []string{"true"}})
			return err
		},
		"stat": func(ctx context.Context, _ *container.Store, c *container.Container) error {
			_, err := StatPath(ctx, c, "/", false)
			return err
		},
	} {
		t.Run(what, func(t *testing.T) {
			s := newStore(t)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			left := make(chan struct{})
			c, _ := supervise(t, s, create(t, s, container.Record{}).ID, container.State{}, func(conn *fakeConn, _ control.Request, _ []*os.File) {
				cancel()
				conn.left()
				close(left)
			})
			promptly(t, what, func() {
				if err := wait(ctx, s, c); !errors.Is(err, context.Canceled) {
					t.Errorf("%v", err)
				}
				<-left
			})
			if err := wait(ctx, s, c); !errors.Is(err, context.Canceled) {
				t.Errorf("when it had ended before: %v", err)
			}
		})
	}
}

// TestNothingStaysOpen: calls that their contexts end, also in the middle of a
// conversation in which descriptors came, leave none of them and no goroutine.
func TestNothingStaysOpen(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // which would close files that were forgotten
	s := newStore(t)
	r, w := pipe(t)
	var answered atomic.Int32
	c, f := supervise(t, s, create(t, s, container.Record{}).ID, container.State{}, func(conn *fakeConn, req control.Request, _ []*os.File) {
		switch req.Op {
		case control.OpAttach:
			conn.say(control.Reply{Event: control.EventAttached}, w)
			answered.Add(1)
		case control.OpExec:
			conn.say(control.Reply{Event: control.EventAttached}, r, r)
			answered.Add(1)
		}
		conn.left()
		conn.Close()
	})
	open := func() int {
		names, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(names)
	}
	round := func() {
		ctx, cancel := context.WithCancel(t.Context())
		var calls sync.WaitGroup
		before := len(f.requests())
		for _, call := range []func() error{
			func() error { _, err := Wait(ctx, s, c); return err },
			func() error {
				_, err := Attach(ctx, s, c, &control.Attach{Stdin: true, Stdout: true}, []*os.File{w})
				return err
			},
			func() error { _, err := Exec(ctx, c, control.ExecOptions{}); return err },
			func() error {
				return Logs(ctx, s, c, logfile.Options{Follow: true}, func(logfile.Entry) error { return nil })
			},
		} {
			calls.Go(func() {
				if err := call(); !errors.Is(err, context.Canceled) {
					t.Errorf("%v", err)
				}
			})
		}
		testutil.Eventually(t, "all are answered", func() bool { return len(f.requests()) == before+4 && answered.Load() == 2 })
		answered.Store(0)
		cancel()
		calls.Wait()
	}
	round() // what is opened once and for all is open
	files, routines := open(), runtime.NumGoroutine()
	for range 5 {
		round()
	}
	testutil.Eventually(t, "all is closed", func() bool { return open() <= files && runtime.NumGoroutine() <= routines })
}
