// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"errors"
	"io"
	"net"
	"strconv"
	"syscall"
	"testing"
	"time"

	"coracle/internal/testutil"
)

// TestEarlyVisitors: who comes before the server listens is served when it does, with
// what was said meanwhile; one who has left is nobody's business.
func TestEarlyVisitors(t *testing.T) {
	h := newHouse(t)
	if h == nil {
		return
	}
	for at, inside := range map[string]uint16{"127.0.0.1:0": 82, "[::1]:0": 83} {
		s := NewServer(inside, both)
		s.Await(time.Hour)
		where, port := h.publish(at, s)
		var early []*net.TCPConn
		for range 3 {
			c := h.visit(where)
			_, err := io.WriteString(c, "hello")
			must(t, err)
			early = append(early, c)
		}
		must(t, early[0].SetLinger(0))
		early[0].Close()
		must(t, early[1].CloseWrite())
		testutil.Eventually(t, "the visitors wait", func() bool {
			waiting := 0
			h.loop.do(func() { waiting = len(h.loop.early) })
			return waiting == 2
		})
		come := h.serve(net.JoinHostPort("10.0.2.15", strconv.Itoa(int(inside))))
		for range 2 {
			server := <-come
			got := make([]byte, 5)
			if _, err := io.ReadFull(server, got); err != nil || string(got) != "hello" {
				t.Errorf("%s: the server hears %q, %v", at, got, err)
			}
			_, err := io.WriteString(server, "and you")
			must(t, err)
			server.Close()
		}
		for _, c := range early[1:] {
			if got, err := io.ReadAll(c); err != nil || string(got) != "and you" {
				t.Errorf("%s: an early visitor hears %q, %v", at, got, err)
			}
		}
		if s.awaited(time.Now()) {
			t.Errorf("%s: the server is still awaited", at)
		}
		visitor, server := h.pair(come, where)
		say(t, visitor, server, "later")
		must(t, port.Close())
	}
}

// TestServerNeverListens: visitors wait as long as was said, and then are refused.
func TestServerNeverListens(t *testing.T) {
	h := newHouse(t)
	if h == nil {
		return
	}
	s := NewServer(84, both)
	s.Await(100 * time.Millisecond)
	where, _ := h.publish("127.0.0.1:0", s)
	for range 2 {
		c, err := net.Dial("tcp", where)
		if err == nil {
			must(t, c.SetDeadline(time.Now().Add(30*time.Second)))
			_, err = c.Read(make([]byte, 1))
			c.Close()
		}
		if !errors.Is(err, syscall.ECONNRESET) { // as early as the dial, when nobody waits any more
			t.Errorf("%v, want a reset", err)
		}
	}
	if s.awaited(time.Now()) {
		t.Error("the server is still awaited")
	}
}
