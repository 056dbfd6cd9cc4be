// SPDX-License-Identifier: Apache-2.0

package supervise

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"coracle/pkg/container/control"
	"coracle/pkg/wire"
	"coracle/pkg/wire/socket"
)

// rawPair is the supervisor's end, and a client's that is written to byte by byte.
func rawPair(t *testing.T) (ours *socket.Conn, client *net.UnixConn) {
	t.Helper()
	ours, f, err := socket.Pair()
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.FileConn(f)
	f.Close()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ours.Close(); c.Close() })
	return ours, c.(*net.UnixConn)
}

// framed is a message as it travels: its length, and its text.
func framed(text string) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(text))), text...)
}

// TestHostileMessages sends what is no request. The server ends the conversation, or
// says that it does not know the operation, and nothing is called.
func TestHostileMessages(t *testing.T) {
	called := false
	s := &server{ops: map[string]operation{"go": bare(func(*socket.Conn, control.Request) error { called = true; return nil })}}
	for name, c := range map[string]struct {
		bytes    []byte
		answered bool
	}{
		"nothing":         {nil, false},
		"half a length":   {[]byte{0, 0}, false},
		"no text":         {[]byte{0, 0, 0, 9}, false},
		"half a text":     {framed(`{"op":"go"}`)[:9], false},
		"too long":        {append([]byte{0xff, 0xff, 0xff, 0xff}, make([]byte, 4096)...), false},
		"no JSON":         {framed("go"), false},
		"another type":    {framed(`["go"]`), false},
		"a number as op":  {framed(`{"op":1}`), false},
		"text as options": {framed(`{"op":"go","exec":"x"}`), false},
		"a signal, text":  {framed(`{"op":"go","signal":"KILL"}`), false},
		"too large":       {framed(`{"op":"go","signal":1e30}`), false},
		"deep":            {framed(strings.Repeat(`{"op":`, 20000)), false},
		"null":            {framed(`null`), true},
		"unknown":         {framed(`{"op":"GO!"}`), true},
		"a long name":     {framed(`{"op":"` + strings.Repeat("g", 5000) + `"}`), true},
	} {
		ours, client := rawPair(t)
		over := make(chan struct{})
		go func() { s.talk(ours); close(over) }()
		_, _ = client.Write(c.bytes) // who does not read on refuses the rest
		_ = client.CloseWrite()
		_ = client.SetReadDeadline(time.Now().Add(time.Minute))
		var r control.Reply
		_, err := wire.Receive(client, &r)
		if answered := err == nil && r.Event == control.EventError && strings.HasPrefix(r.Error, "unknown operation"); answered != c.answered {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
		within(t, "the conversation ends", over)
	}
	if called {
		t.Error("something was called")
	}
}

// TestDescriptorsThatNobodyAskedFor come with every request; none stays open.
func TestDescriptorsThatNobodyAskedFor(t *testing.T) {
	s := &server{ops: map[string]operation{
		"answers": answers(func(control.Request) error { return nil }),
		"bare":    bare(func(c *socket.Conn, _ control.Request) error { return reply(c, errors.New("no")) }),
	}}
	for _, op := range []string{"answers", "bare", "unknown"} {
		ours, client := pair(t)
		go s.talk(ours)
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := client.Send(control.Request{Op: op}, w, w, w); err != nil {
			t.Fatal(err)
		}
		w.Close()
		hear(t, client)
		_ = r.SetReadDeadline(time.Now().Add(time.Minute))
		if _, err := r.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("%s: a descriptor stays open: %v", op, err)
		}
		r.Close()
	}
}

func TestReplies(t *testing.T) {
	for _, c := range []struct {
		err  error
		want control.Reply
	}{
		{nil, control.Reply{Event: control.EventDone}},
		{errors.New("no"), control.Reply{Event: control.EventError, Code: 1, Error: "no"}},
		{control.NewStartError(126, errors.New("denied")), control.Reply{Event: control.EventError, Code: 126, Error: "denied"}},
	} {
		ours, client := pair(t)
		if err := reply(ours, c.err); err != nil {
			t.Fatal(err)
		}
		if r, _ := hear(t, client); r.Event != c.want.Event || r.Code != c.want.Code || r.Error != c.want.Error {
			t.Errorf("%v: %+v", c.err, r)
		}
	}
}

// TestOnlyTheUserIsServed connects as the user whose process this is, who is told
// from others.
func TestOnlyTheUserIsServed(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	l, err := control.Listen(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s := &server{ctl: l, ops: map[string]operation{"go": answers(func(control.Request) error { return nil })}}
	over := make(chan struct{})
	go func() { s.serve(); close(over) }()
	c, err := control.Dial(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Send(control.Request{Op: "go"}); err != nil {
		t.Fatal(err)
	}
	var r control.Reply
	if _, err := c.ReceiveWithin(time.Minute, &r); err != nil || r.Event != control.EventDone {
		t.Errorf("as the user: %+v, %v", r, err)
	}
	l.Close()
	within(t, "the server ends with its socket", over)
	s.talks.Wait()

	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fds[1])
	f := os.NewFile(uintptr(fds[0]), "socket")
	defer f.Close()
	sock, err := net.FileConn(f)
	if err != nil {
		t.Fatal(err)
	}
	defer sock.Close()
	u, ok := sock.(*net.UnixConn)
	if !ok {
		t.Fatalf("%T", sock)
	}
	for user, want := range map[int]bool{os.Geteuid(): true, os.Geteuid() + 1: false, 65534: false, 0: os.Geteuid() == 0} {
		if got := isFrom(u, user); got != want {
			t.Errorf("user %d is taken for who connected: %t", user, got)
		}
	}
}

// TestBusy looks at the words that keep a client waiting.
func TestBusy(t *testing.T) {
	ours, client := pair(t)
	synctest.Test(t, func(t *testing.T) {
		stop := sayBusy(ours)
		time.Sleep(2*busyInterval + time.Second)
		stop()
		stop()
		synctest.Wait()
	})
	_ = reply(ours, nil)
	for _, want := range []string{control.EventBusy, control.EventBusy, control.EventDone} {
		if r, _ := hear(t, client); r.Event != want {
			t.Errorf("%+v, want %s", r, want)
		}
	}
}

// TestManyAtOnce has clients that stay while others come and go.
func TestManyAtOnce(t *testing.T) {
	gate := make(chan struct{})
	s := &server{ops: map[string]operation{
		"wait": bare(func(c *socket.Conn, _ control.Request) error { <-gate; return reply(c, nil) }),
		"go":   answers(func(control.Request) error { return nil }),
	}}
	var waiting []*socket.Conn
	for n := range 40 {
		ours, client := pair(t)
		op := "go"
		if n%2 == 0 {
			op, waiting = "wait", append(waiting, client)
		}
		s.talks.Go(func() { s.talk(ours) })
		if err := client.Send(control.Request{Op: op}); err != nil {
			t.Fatal(err)
		}
		if op == "go" {
			hear(t, client)
		}
	}
	close(gate)
	for _, c := range waiting {
		hear(t, c)
	}
	s.talks.Wait()
}
