// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"coracle/internal/testutil"
)

// TestRelay carries between two sockets that are handed over; there may be only so
// many.
func TestRelay(t *testing.T) {
	h := newHouse(t)
	if h == nil {
		return
	}
	carrier, err := NewCarrier(h.ns)
	must(t, err)
	defer carrier.Close()
	const most = 2
	relay := func() (a, b *os.File, err error) {
		host, a := socketPair(t)
		inside, b := socketPair(t)
		err = carrier.Relay(host, most, func() (int, error) { return inside, nil })
		if err != nil {
			unix.Close(host)
			unix.Close(inside)
		}
		return a, b, err
	}
	a, b, err := relay()
	must(t, err)
	say(t, a, b, "out")
	say(t, b, a, "in")
	c, d, err := relay()
	must(t, err)
	say(t, c, d, "the second")
	if _, _, err := relay(); err != unix.EMFILE {
		t.Errorf("a third: %v", err)
	}
	a.Close()
	if rest, err := io.ReadAll(b); err != nil || len(rest) > 0 {
		t.Errorf("after the other's end: %q, %v", rest, err)
	}
	b.Close()
	testutil.Eventually(t, "there is room again", func() bool {
		_, _, err := relay()
		return err == nil
	})
	say(t, d, c, "the second is there still")

	// An error of the other side's maker is the caller's, and so is the socket.
	host, mine := socketPair(t)
	broken := errors.New("cannot make one")
	if err := carrier.Relay(host, 100, func() (int, error) { return -1, broken }); err != broken {
		t.Errorf("%v", err)
	}
	if _, err := unix.Write(host, []byte("mine")); err != nil {
		t.Errorf("the socket was closed: %v", err)
	}
	unix.Close(host)
	mine.Close()

	carrier.Close()
	if rest, err := io.ReadAll(d); err != nil || len(rest) > 0 {
		t.Errorf("after the carrier's end: %q, %v", rest, err)
	}
	host, _ = socketPair(t)
	defer unix.Close(host)
	if err := carrier.Relay(host, 100, func() (int, error) { t.Error("called"); return -1, nil }); err != os.ErrClosed {
		t.Errorf("a closed carrier: %v", err)
	}
}

// TestWrongNamespace: what is no network namespace is said.
func TestWrongNamespace(t *testing.T) {
	f, err := os.Open(os.DevNull)
	must(t, err)
	defer f.Close()
	if _, err := New(f); err == nil || !strings.Contains(err.Error(), "setns") {
		t.Errorf("%v", err)
	}
}

// TestCrowd: many come at once, over two loops, and each hears its own.
func TestCrowd(t *testing.T) {
	h := newHouse(t)
	if h == nil {
		return
	}
	come := h.serve("10.0.2.15:80")
	second, err := New(h.ns)
	must(t, err)
	defer second.Close()
	addr, _ := h.publish("127.0.0.1:0", NewServer(80, four), second)
	go func() {
		for s := range come {
			go func() { defer s.Close(); _, _ = io.Copy(s, s) }()
		}
	}()
	const visitors = 150
	errs := make(chan error, visitors)
	for i := range visitors {
		go func() {
			c, err := net.Dial("tcp", addr)
			if err != nil {
				errs <- err
				return
			}
			defer c.Close()
			_ = c.SetDeadline(time.Now().Add(30 * time.Second))
			text := fmt.Sprintf("visitor %d", i)
			got := make([]byte, len(text))
			if _, err = io.WriteString(c, text); err == nil {
				_, err = io.ReadFull(c, got)
			}
			if err == nil && string(got) != text {
				err = fmt.Errorf("%s hears %s", text, got)
			}
			errs <- err
		}()
	}
	for range visitors {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
}
