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
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"coracle/internal/testutil/userns"
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

// TestOnlyTheUserIsServed connects as somebody else than root of the user namespace,
// and as root.
func TestOnlyTheUserIsServed(t *testing.T) {
	inside, dir := os.Getuid() == 0, filepath.Join(t.TempDir(), "run")
	l, err := control.Listen(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var served atomic.Int32
	s := &server{ctl: l, ops: map[string]operation{"go": answers(func(control.Request) error { served.Add(1); return nil })}}
	over := make(chan struct{})
	go func() { s.serve(); close(over) }()
	c, err := control.Dial(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.Send(control.Request{Op: "go"})
	var r control.Reply
	_, err = c.ReceiveWithin(time.Minute, &r)
	if answered := err == nil && r.Event == control.EventDone; answered != inside || (served.Load() > 0) != inside {
		t.Errorf("as user %d: %+v, %v", os.Getuid(), r, err)
	}
	l.Close()
	within(t, "the server ends with its socket", over)
	s.talks.Wait()
	if !inside {
		userns.Again(t, 0)
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
