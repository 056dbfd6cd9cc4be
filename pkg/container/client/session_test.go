// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"coracle/pkg/container"
	"coracle/pkg/container/control"
	"coracle/pkg/events"
	"coracle/pkg/wire"
	"coracle/pkg/wire/socket"
)

func pipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); w.Close() })
	return r, w
}

// TestAttach is a session with the first process: its output goes to the
// descriptors that were sent, its input comes from the one that came.
func TestAttach(t *testing.T) {
	s := newStore(t)
	c := create(t, s, container.Record{Process: container.Process{Tty: true}})
	fromOutside, input := pipe(t)
	signals := make(chan int, 1)
	c, f := supervise(t, s, c.ID, container.State{}, func(conn *fakeConn, r control.Request, files []*os.File) {
		conn.say(control.Reply{Event: control.EventAttached}, input)
		conn.say(control.Reply{Event: control.EventBusy})
		conn.say(control.Reply{Event: control.EventStarted})
		_, _ = io.Copy(files[0], io.LimitReader(fromOutside, 5))
		var sig control.Request
		_, _ = conn.Receive(&sig)
		signals <- sig.Signal
		conn.say(control.Reply{Event: control.EventExit, Code: 42})
	})
	out, w := pipe(t)
	ses, err := Attach(t.Context(), s, c, &control.Attach{Stdin: true, Stdout: true, Rows: 24, Cols: 80}, []*os.File{w})
	if err != nil {
		t.Fatal(err)
	}
	defer ses.Close()
	w.Close() // theirs is the last
	if !ses.Tty || ses.Stdin == nil || f.asked[0].Attach.Cols != 80 {
		t.Fatalf("%+v of %+v", ses, f.asked[0].Attach)
	}
	if _, err := ses.Stdin.WriteString("hello"); err != nil {
		t.Fatal(err)
	}
	ses.Stdin.Close()
	if err := ses.Signal(unix.SIGTERM); err != nil {
		t.Error(err)
	}
	if code, err := ses.Exit(); code != 42 || err != nil || <-signals != int(unix.SIGTERM) {
		t.Errorf("%d, %v", code, err)
	}
	if text, err := io.ReadAll(out); string(text) != "hello" || err != nil {
		t.Errorf("%q, %v", text, err)
	}
}

// TestSessionEnds is every end that a session can have.
func TestSessionEnds(t *testing.T) {
	started := control.Reply{Event: control.EventStarted}
	lost := control.Reply{Event: control.EventLost, Stream: "/dev/stdout", Code: int(unix.EPIPE)}
	for what, c := range map[string]struct {
		replies []control.Reply
		code    int
		want    func(error) bool
	}{
		"exit":         {[]control.Reply{started, {Event: control.EventExit, Code: 3}}, 3, func(err error) bool { return err == nil }},
		"lost output":  {[]control.Reply{started, lost}, 125, func(err error) bool { return errors.Is(err, unix.EPIPE) }},
		"lost at once": {[]control.Reply{lost, started}, 125, func(err error) bool { return errors.Is(err, unix.EPIPE) }},
		"error":        {[]control.Reply{started, {Event: control.EventError, Error: "no", Hint: "ask again"}}, 125, refused},
		"cut off":      {[]control.Reply{started}, 137, func(err error) bool { return err != nil && err.Error() == "supervisor lost" }},
		"an unknown word is passed over": {[]control.Reply{started, {Event: "news"}, {Event: control.EventExit}}, 0,
			func(err error) bool { return err == nil }},
	} {
		t.Run(what, func(t *testing.T) {
			s := newStore(t)
			ctr, _ := supervise(t, s, create(t, s, container.Record{}).ID, container.State{}, func(conn *fakeConn, _ control.Request, _ []*os.File) {
				for _, r := range c.replies {
					conn.say(r)
				}
			})
			ses, err := Attach(t.Context(), s, ctr, &control.Attach{}, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer ses.Close()
			if code, err := ses.Exit(); code != c.code || !c.want(err) {
				t.Errorf("%d, %v", code, err)
			}
		})
	}
}

// TestRecordedEnd: where the supervisor goes without a word, what it has recorded
// counts, as for who waits.
func TestRecordedEnd(t *testing.T) {
	for _, removed := range []bool{false, true} { // with its record, as --rm does
		s := newStore(t)
		id := create(t, s, container.Record{}).ID
		c, _ := supervise(t, s, id, container.State{}, func(conn *fakeConn, _ control.Request, _ []*os.File) {
			conn.say(control.Reply{Event: control.EventStarted})
			err := s.WriteState(id, container.State{Status: container.Exited, ExitCode: 5}, false)
			if c, lerr := s.Load(id); removed {
				died := events.New(events.Container, "die", id, map[string]string{"exitCode": "5"})
				err = errors.Join(err, lerr, events.Append(s.Dirs().Root, died), s.Remove(t.Context(), c))
			}
			if err != nil {
				t.Error(err)
			}
		})
		ses, err := Attach(t.Context(), s, c, &control.Attach{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if code, err := ses.Exit(); code != 5 || err != nil {
			t.Errorf("removed: %v: %d, %v", removed, code, err)
		}
		ses.Close()
	}
}

// TestSessionDoesNotBegin is what is said against one.
func TestSessionDoesNotBegin(t *testing.T) {
	for what, c := range map[string]struct {
		reply control.Reply
		want  string
	}{
		"refused":         {control.Reply{Event: control.EventError, Error: "no", Hint: "ask again", Code: 126}, "no"},
		"another's words": {control.Reply{Event: "hello"}, `start container: unexpected answer "hello"`},
	} {
		t.Run(what, func(t *testing.T) {
			s := newStore(t)
			_, stdin := pipe(t)
			ctr, _ := supervise(t, s, create(t, s, container.Record{}).ID, container.State{}, func(conn *fakeConn, _ control.Request, _ []*os.File) {
				conn.say(control.Reply{Event: control.EventAttached}, stdin)
				conn.say(c.reply)
				conn.left()
			})
			if _, err := Attach(t.Context(), s, ctr, &control.Attach{Stdin: true}, nil); err == nil || err.Error() != c.want {
				t.Errorf("%v, want %s", err, c.want)
			}
		})
	}
}

// TestSessionOfTheContext ends with it, whatever the process does.
func TestSessionOfTheContext(t *testing.T) {
	s := newStore(t)
	left := make(chan struct{})
	c, _ := supervise(t, s, create(t, s, container.Record{}).ID, container.State{}, func(conn *fakeConn, _ control.Request, _ []*os.File) {
		conn.say(control.Reply{Event: control.EventStarted})
		conn.left()
		close(left)
	})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ses, err := Attach(ctx, s, c, &control.Attach{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer ses.Close()
	promptly(t, "the end of a session", func() {
		cancel()
		if _, err := ses.Exit(); !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
		<-left
	})
	if err := ses.Signal(unix.SIGHUP); !errors.Is(err, context.Canceled) {
		t.Errorf("a signal after that: %v", err)
	}
}

// TestDetach ends the session by a word, and the process hears nothing of it.
func TestDetach(t *testing.T) {
	s := newStore(t)
	var heard control.Request
	c, _ := supervise(t, s, create(t, s, container.Record{}).ID, container.State{}, func(conn *fakeConn, _ control.Request, _ []*os.File) {
		conn.say(control.Reply{Event: control.EventStarted})
		if _, err := conn.Receive(&heard); err != nil {
			t.Error(err)
		}
		conn.say(control.Reply{Event: control.EventExit})
	})
	ses, err := Attach(t.Context(), s, c, &control.Attach{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer ses.Close()
	if err := ses.Detach(); err != nil {
		t.Error(err)
	}
	if _, err := ses.Exit(); err != nil || heard.Op != control.OpDetach {
		t.Errorf("%v: %v", heard, err)
	}
}

// TestExec is another process's streams, whichever were asked for.
func TestExec(t *testing.T) {
	for what, c := range map[string]struct {
		o    control.ExecOptions
		send int
		have string // of stdin, stdout, stderr
	}{
		"streams":      {control.ExecOptions{Stdin: true}, 3, "ioe"},
		"no input":     {control.ExecOptions{}, 2, "oe"},
		"terminal":     {control.ExecOptions{Tty: true}, 1, "i"},
		"detached":     {control.ExecOptions{Detach: true}, 0, ""},
		"too many":     {control.ExecOptions{}, 4, ""},
		"tty and more": {control.ExecOptions{Tty: true}, 2, ""},
	} {
		t.Run(what, func(t *testing.T) {
			s := newStore(t)
			ctr, _ := supervise(t, s, create(t, s, container.Record{}).ID, container.State{}, func(conn *fakeConn, r control.Request, _ []*os.File) {
				var files []*os.File
				for range c.send {
					_, w := pipe(t)
					files = append(files, w)
				}
				conn.say(control.Reply{Event: control.EventAttached}, files...)
				wire.CloseFiles(files)
				conn.say(control.Reply{Event: control.EventStarted, Pid: 12})
				conn.say(control.Reply{Event: control.EventExit, Code: 5})
			})
			es, err := Exec(t.Context(), ctr, c.o)
			if err != nil {
				t.Fatal(err)
			}
			defer es.Close()
			var have strings.Builder
			for name, f := range map[string]*os.File{"i": es.Stdin, "o": es.Stdout, "e": es.Stderr} {
				if f != nil {
					have.WriteString(name)
					f.Close()
				}
			}
			if len(have.String()) != len(c.have) || strings.Trim(have.String(), c.have) != "" || es.Pid != 12 {
				t.Errorf("%s, want %s; pid %d", have.String(), c.have, es.Pid)
			}
			if code, err := es.Exit(); code != 5 || err != nil {
				t.Errorf("%d, %v", code, err)
			}
		})
	}
}

// TestExecRefused says why, and keeps nothing open.
func TestExecRefused(t *testing.T) {
	for _, r := range []control.Reply{{Event: control.EventError, Code: 127, Error: "no", Hint: "ask again"}, {Event: control.EventExit}} {
		s := newStore(t)
		gone, w := pipe(t)
		_, w2 := pipe(t)
		c, _ := supervise(t, s, create(t, s, container.Record{}).ID, container.State{}, func(conn *fakeConn, _ control.Request, _ []*os.File) {
			conn.say(control.Reply{Event: control.EventAttached}, w, w2)
			w.Close()
			conn.say(r)
			conn.left()
		})
		_, err := Exec(t.Context(), c, control.ExecOptions{Args: []string{"x"}})
		var se *control.StartError
		if err == nil || errors.As(err, &se) != (r.Event == control.EventError) || se != nil && se.Code != 127 {
			t.Errorf("%q: %v", r.Event, err)
		}
		if n, err := gone.Read(make([]byte, 1)); n != 0 || err != io.EOF {
			t.Errorf("%q: the output is open: %d, %v", r.Event, n, err)
		}
	}
}

// TestExecStreamsAreCalledBack: who reads output that does not end can stop.
func TestExecStreamsAreCalledBack(t *testing.T) {
	s := newStore(t)
	r, _ := pipe(t) // whose other end stays open: nothing comes, and no end
	c, _ := supervise(t, s, create(t, s, container.Record{}).ID, container.State{}, func(conn *fakeConn, _ control.Request, _ []*os.File) {
		conn.say(control.Reply{Event: control.EventAttached}, r, r)
		conn.say(control.Reply{Event: control.EventStarted})
		conn.left()
	})
	es, err := Exec(t.Context(), c, control.ExecOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer es.Close()
	ended := make(chan error, 1)
	go func() {
		_, err := es.Stdout.Read(make([]byte, 1))
		ended <- err
	}()
	es.Stdout.Close()
	es.Stderr.Close()
	if err := <-ended; !errors.Is(err, os.ErrClosed) {
		t.Errorf("%v", err)
	}
}

// TestLaunch gives a spawned supervisor what it starts with.
func TestLaunch(t *testing.T) {
	for what, answer := range map[string]control.Reply{
		"runs":    {Event: control.EventStarted},
		"refused": {Event: control.EventError, Code: 127, Error: "no", Hint: "ask again"},
		"dies":    {},
	} {
		t.Run(what, func(t *testing.T) {
			s := newStore(t)
			c := create(t, s, container.Record{})
			ours, theirs, err := socket.Pair()
			if err != nil {
				t.Fatal(err)
			}
			v := &Supervisor{ready: make(chan struct{}), conn: ours, pid: os.Getpid()}
			close(v.ready)
			other, err := socket.FromFile(theirs)
			if err != nil {
				t.Fatal(err)
			}
			defer other.Close()
			r, w := pipe(t)
			got := make(chan control.Request, 1)
			go func() {
				var req control.Request
				files, _ := other.Receive(&req)
				wire.CloseFiles(files)
				if len(files) != 3 {
					t.Errorf("%d files came", len(files))
				}
				got <- req
				if answer.Event == "" {
					other.Close()
					return
				}
				_ = other.Send(control.Reply{Event: control.EventAttached})
				_ = other.Send(answer)
			}()
			ses, err := Launch(t.Context(), s, c, Start{Supervisor: v, Attach: &control.Attach{Stdout: true}, Out: []*os.File{w}, Sockets: []*os.File{r, r}})
			if req := <-got; req.Op != control.OpStart || req.Maps == nil || req.Attach == nil || req.Listen != 2 {
				t.Errorf("it was asked for %+v", req)
			}
			var se *control.StartError
			switch what {
			case "runs":
				if err != nil {
					t.Fatal(err)
				}
				ses.Close()
			case "refused":
				if !refused(err) || !errors.As(err, &se) || se.Code != 127 {
					t.Errorf("%v", err)
				}
			case "dies":
				if !errors.As(err, &se) || se.Code != 125 || se.Message != "start container: supervisor lost" {
					t.Errorf("%v", err)
				}
			}
		})
	}
}

// TestLaunchOfNothing: the supervisor could not be spawned, or nobody waits for it
// any more.
func TestLaunchOfNothing(t *testing.T) {
	s := newStore(t)
	c := create(t, s, container.Record{})
	ready := make(chan struct{})
	close(ready)
	var se *control.StartError
	if _, err := Launch(t.Context(), s, c, Start{Supervisor: &Supervisor{ready: ready, err: syscall.ENOSPC}}); !errors.As(err, &se) || se.Code != 125 {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	ours, theirs, err := socket.Pair()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Launch(ctx, s, c, Start{Supervisor: &Supervisor{ready: ready, conn: ours}}); !errors.As(err, &se) || se.Message != context.Canceled.Error() {
		t.Errorf("%v", err)
	}
	if n, err := theirs.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Errorf("it was told something: %d, %v", n, err)
	}
	theirs.Close()
	(*Supervisor)(nil).Close()
}
