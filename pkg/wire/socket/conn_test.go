// SPDX-License-Identifier: Apache-2.0

package socket

import (
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

type note struct {
	Text   string `json:"text"`
	Number int    `json:"number"`
}

// conns are the two ends of a conversation, with a poller beneath.
func conns(t *testing.T) (a, b *Conn) {
	t.Helper()
	a, f, err := Pair()
	if err != nil {
		t.Fatal(err)
	}
	if b, err = FromFile(f); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		a.Close()
		b.Close()
	})
	return a, b
}

func TestReceiveWithin(t *testing.T) {
	a, b := conns(t)
	var n note
	if _, err := b.ReceiveWithin(time.Millisecond, &n); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("of silence: %v", err)
	}
	// The deadline is gone with the call.
	got := make(chan error, 1)
	go func() {
		_, err := b.Receive(&n)
		got <- err
	}()
	if err := a.Send(note{Number: 5}); err != nil {
		t.Fatal(err)
	}
	if err := <-got; err != nil || n.Number != 5 {
		t.Errorf("%+v, %v", n, err)
	}
	// One that begins to speak and does not end is silent, too.
	if _, err := a.s.Write([]byte{0, 0, 0, 9, '{'}); err != nil {
		t.Fatal(err)
	}
	if _, err := b.ReceiveWithin(time.Millisecond, &n); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("of half a message: %v", err)
	}
}

func TestSendWithin(t *testing.T) {
	a, b := conns(t)
	var err error
	for n := 0; err == nil && n < 1000; n++ {
		err = a.SendWithin(time.Millisecond, note{Text: strings.Repeat("x", 64<<10)})
	}
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("to somebody who does not read: %v", err)
	}
	b.Close()
	if err := a.SendWithin(time.Minute, note{}); !errors.Is(err, unix.EPIPE) {
		t.Errorf("to somebody who is gone: %v", err)
	}
}

func TestCloseEndsAWait(t *testing.T) {
	_, b := conns(t)
	got := make(chan error, 1)
	go func() {
		_, err := b.Receive(&note{})
		got <- err
	}()
	b.Close()
	if err := <-got; !errors.Is(err, net.ErrClosed) {
		t.Errorf("%v", err)
	}
}

func TestConcurrentSends(t *testing.T) {
	a, b := conns(t)
	const senders, each = 8, 20
	var wg sync.WaitGroup
	for i := range senders {
		wg.Go(func() {
			for range each {
				if err := a.Send(note{Number: i, Text: strings.Repeat(string(rune('a'+i)), 50<<10)}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	var seen [senders]int
	for range senders * each {
		var n note
		if _, err := b.Receive(&n); err != nil {
			t.Fatal(err)
		}
		if strings.Trim(n.Text, string(rune('a'+n.Number))) != "" {
			t.Fatal("two messages are mixed")
		}
		seen[n.Number]++
	}
	for i, n := range seen {
		if n != each {
			t.Errorf("%d of sender %d", n, i)
		}
	}
	wg.Wait()
	a.Close()
	if _, err := b.Receive(&note{}); !errors.Is(err, io.EOF) {
		t.Errorf("after the end: %v", err)
	}
}

func TestFromFileTakesSocketsOnly(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if _, err := FromFile(r); err == nil {
		t.Error("a pipe was taken")
	}
	if _, err := r.Stat(); err == nil {
		t.Error("the file is open")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Skip(err)
	}
	defer l.Close()
	f, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := FromFile(f); err == nil {
		t.Error("a listener of TCP was taken")
	}
}

// TestAddressesOfAnyDepth: sun_path has 108 bytes, and a directory has more.
func TestAddressesOfAnyDepth(t *testing.T) {
	path := filepath.Join(t.TempDir(), strings.Repeat("d", 200), strings.Repeat("e", 200))
	if err := os.MkdirAll(path, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := Dial(filepath.Join(path, "s")); !errors.Is(err, unix.ENOENT) || !strings.Contains(err.Error(), path) {
		t.Errorf("of nothing: %v", err)
	}
	if _, err := Dial(filepath.Join(path, "none", "s")); !errors.Is(err, unix.ENOENT) {
		t.Errorf("in no directory: %v", err)
	}
	dir, err := OpenDir(path)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	first, err := Listen(dir, "s")
	if err != nil {
		t.Fatal(err)
	}
	first.Close()
	if _, err := Dial(filepath.Join(path, "s")); !errors.Is(err, unix.ECONNREFUSED) {
		t.Errorf("of a dead one: %v", err)
	}
	l, err := Listen(dir, "s") // in the place of the dead one
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := Dial(filepath.Join(path, "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := New(c).Send(note{Number: 3}); err != nil {
		t.Fatal(err)
	}
	u, err := l.AcceptUnix()
	if err != nil {
		t.Fatal(err)
	}
	defer u.Close()
	var n note
	if _, err := New(u).Receive(&n); err != nil || n.Number != 3 {
		t.Errorf("%+v, %v", n, err)
	}
	if _, err := Listen(dir, strings.Repeat("n", 200)); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("of a long name: %v", err)
	}
}

// Who waits takes nothing: the message is there for who receives it.
func TestAwait(t *testing.T) {
	a, b := conns(t)
	if err := b.Await(time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("of silence: %v", err)
	}
	if err := a.Send(note{Number: 7}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := b.Await(time.Minute); err != nil {
			t.Errorf("of a message: %v", err)
		}
	}
	var n note
	if _, err := b.Receive(&n); err != nil || n.Number != 7 {
		t.Errorf("%+v, %v", n, err)
	}
	a.Close()
	if err := b.Await(time.Minute); err != nil {
		t.Errorf("of the end: %v", err)
	}
}
