// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"coracle/internal/testutil"
	"coracle/internal/testutil/userns"
)

// alone reports whether the test is in a network namespace of its own, where
// servers may have port 53.
func alone(t *testing.T) bool {
	t.Helper()
	if !userns.Again(t, syscall.CLONE_NEWNET) {
		return false
	}
	lo, err := netlink.LinkByName("lo")
	if err == nil {
		err = netlink.LinkSetUp(lo)
	}
	if err != nil {
		t.Fatal(err)
	}
	return true
}

// overUDP serves questions at an address; nil is no answer. It counts them.
func overUDP(t *testing.T, addr string, answer func([]byte) [][]byte) *atomic.Int32 {
	t.Helper()
	s, err := net.ListenPacket("udp", net.JoinHostPort(addr, "53"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	asked := new(atomic.Int32)
	go func() {
		buf := make([]byte, 64<<10)
		for {
			n, from, err := s.ReadFrom(buf)
			if err != nil {
				return
			}
			asked.Add(1)
			for _, a := range answer(bytes.Clone(buf[:n])) {
				_, _ = s.WriteTo(a, from)
			}
		}
	}()
	return asked
}

// saying answers everything with a code and a text.
func saying(rcode byte, text string) func([]byte) [][]byte {
	return func(q []byte) [][]byte { return [][]byte{reply(q, rcode, text)} }
}

func silent([]byte) [][]byte { return nil }

// TestAsk asks several servers over UDP.
func TestAsk(t *testing.T) {
	if !alone(t) {
		return
	}
	overUDP(t, "127.0.0.1", saying(0, "one"))
	overUDP(t, "127.0.0.2", silent)
	overUDP(t, "127.0.0.3", saying(rcodeServFail, "failed"))
	overUDP(t, "127.0.0.4", saying(rcodeRefused, "refused"))
	overUDP(t, "127.0.0.5", saying(rcodeNotImp, "not implemented"))
	overUDP(t, "127.0.0.6", saying(3, "no such name"))
	overUDP(t, "127.0.0.7", saying(0, strings.Repeat("long", 15000)))
	overUDP(t, "::1", saying(0, "six"))
	q := question(0xabcd, "www.example", 1)
	for _, c := range []struct{ servers, want string }{
		{"127.0.0.1", "one"},
		{"::1", "six"},
		{"127.0.0.2 127.0.0.1", "one"}, // silent
		{"127.0.0.3 127.0.0.1", "one"}, // cannot
		{"127.0.0.4 127.0.0.1", "one"},
		{"127.0.0.5 127.0.0.1", "one"},
		{"127.0.0.9 127.0.0.1", "one"},          // nobody listens
		{"127.0.0.6 127.0.0.1", "no such name"}, // that is an answer
		{"127.0.0.3", "failed"},                 // the server's own words
		{"127.0.0.9 127.0.0.3", "failed"},
		{"127.0.0.7", strings.Repeat("long", 15000)},
	} {
		var text strings.Builder
		for s := range strings.FieldsSeq(c.servers) {
			text.WriteString("nameserver " + s + "\n")
		}
		r := NewResolver(t.Context(), conf(t, text.String()), nil, false)
		got := r.Ask(q)
		if !answers(got, q) || string(got[len(q):]) != c.want {
			t.Errorf("%s: %.80q, want %.80q", c.servers, got, c.want)
		}
	}
	r := NewResolver(t.Context(), conf(t, "nameserver 127.0.0.9\n"), nil, false)
	if got := r.Ask(q); !answers(got, q) || got[3]&0xf != rcodeServFail {
		t.Errorf("nobody there: %q", got)
	}
	for name, m := range map[string][]byte{"nothing": nil, "eleven bytes": q[:11]} {
		if got := r.Ask(m); got != nil {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// TestAskForged has a server send what is no answer before the one that is: the
// number of another question, the question itself, too little.
func TestAskForged(t *testing.T) {
	if !alone(t) {
		return
	}
	q := question(0x5151, "bank.example", 1)
	asked := overUDP(t, "127.0.0.1", func(q []byte) [][]byte {
		other := reply(q, 0, "forged")
		other[1]++
		return [][]byte{{}, q[:5], q, other, reply(q, 0, "")[:headerSize-1], reply(q, 0, "true"), reply(q, 0, "late")}
	})
	r := NewResolver(t.Context(), conf(t, "nameserver 127.0.0.1\n"), nil, false)
	if got := r.Ask(q); !answers(got, q) || string(got[len(q):]) != "true" {
		t.Errorf("%q", got)
	}
	if asked.Load() != 1 {
		t.Errorf("asked %d times", asked.Load())
	}
}

// TestAskRemembers: the second question goes to who answered the first.
func TestAskRemembers(t *testing.T) {
	if !alone(t) {
		return
	}
	down := overUDP(t, "127.0.0.1", saying(rcodeRefused, ""))
	overUDP(t, "127.0.0.2", saying(0, "two"))
	r := NewResolver(t.Context(), conf(t, "nameserver 127.0.0.1\nnameserver 127.0.0.2\n"), nil, false)
	for i := range uint16(5) {
		if got := r.Ask(question(i, "x.example", 1)); !bytes.HasSuffix(got, []byte("two")) {
			t.Fatalf("%q", got)
		}
	}
	if n := down.Load(); n != 1 {
		t.Errorf("who cannot answer was asked %d times", n)
	}
}

// TestAskBook: a name that is known is not asked for outside.
func TestAskBook(t *testing.T) {
	if !alone(t) {
		return
	}
	asked := overUDP(t, "127.0.0.1", saying(0, "outside"))
	r := NewResolver(t.Context(), conf(t, ""), &book{name: "db"}, false)
	if got := r.Ask(question(1, "db", 1)); !bytes.HasSuffix(got, []byte("from the book")) || asked.Load() != 0 {
		t.Errorf("%q, asked %d times", got, asked.Load())
	}
	if got := r.Ask(question(1, "web", 1)); !bytes.HasSuffix(got, []byte("outside")) {
		t.Errorf("%q", got)
	}
}

// TestAskEnds: the resolver's end ends the question.
func TestAskEnds(t *testing.T) {
	if !alone(t) {
		return
	}
	ctx, cancel := context.WithCancel(t.Context())
	overUDP(t, "127.0.0.1", func([]byte) [][]byte { cancel(); return nil })
	r := NewResolver(ctx, conf(t, ""), nil, false)
	q := question(1, "x", 1)
	if got := r.Ask(q); !answers(got, q) || got[3]&0xf != rcodeServFail {
		t.Errorf("%q", got)
	}
}

// upstream serves connections at port 53 of an address.
func upstream(t *testing.T, addr string, serve func(n int32, c net.Conn)) *atomic.Int32 {
	t.Helper()
	l, err := net.Listen("tcp", net.JoinHostPort(addr, "53"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	count := new(atomic.Int32)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			n := count.Add(1)
			go func() { defer c.Close(); serve(n, c) }()
		}
	}()
	return count
}

// answerAll answers each question of a connection, most of them at most.
func answerAll(c net.Conn, most int, text string) {
	for range most {
		q, err := readFramed(c)
		if err != nil || writeFramed(c, reply(q, 0, text)) != nil {
			return
		}
	}
}

// session is a guest's connection that is served.
func session(t *testing.T, r *Resolver) (guest net.Conn, ended <-chan struct{}) {
	t.Helper()
	guest, server := net.Pipe()
	done := make(chan struct{})
	go func() { defer close(done); r.Serve(server); server.Close() }()
	t.Cleanup(func() { guest.Close(); <-done })
	_ = guest.SetDeadline(time.Now().Add(20 * time.Second))
	return guest, done
}

func ask(t *testing.T, guest net.Conn, q []byte) (string, error) {
	t.Helper()
	if err := writeFramed(guest, q); err != nil {
		return "", err
	}
	a, err := readFramed(guest)
	if err != nil {
		return "", err
	}
	if !answers(a, q) {
		t.Errorf("%q is no answer to %q", a, q)
		return "", nil
	}
	if a[3]&0xf != 0 {
		return "code " + string('0'+rune(a[3]&0xf)), nil
	}
	return string(a[len(q):]), nil
}

// TestServe: one connection to a server carries all questions of one of the guest,
// and known names need none.
func TestServe(t *testing.T) {
	if !alone(t) {
		return
	}
	count := upstream(t, "127.0.0.2", func(_ int32, c net.Conn) { answerAll(c, 1000, strings.Repeat("tcp", 10000)) })
	r := NewResolver(t.Context(), conf(t, "nameserver 127.0.0.1\nnameserver 127.0.0.2\n"), &book{name: "db"}, false)
	guest, ended := session(t, r)
	for i, c := range []struct {
		name, want string
		upstream   int32
	}{
		{"db", "from the book", 0},
		{"a.example", strings.Repeat("tcp", 10000), 1},
		{"db", "from the book", 1},
		{"b.example", strings.Repeat("tcp", 10000), 1},
	} {
		got, err := ask(t, guest, question(uint16(i), c.name, 1))
		if err != nil || got != c.want || count.Load() != c.upstream {
			t.Errorf("%s: %.60q, %v, with %d connections", c.name, got, err, count.Load())
		}
	}
	guest.Close()
	<-ended
}

// TestServeReconnects: a server may close a connection that was idle, and is asked
// anew; one that closes a new one has failed.
func TestServeReconnects(t *testing.T) {
	if !alone(t) {
		return
	}
	count := upstream(t, "127.0.0.1", func(_ int32, c net.Conn) { answerAll(c, 1, "once") })
	guest, _ := session(t, NewResolver(t.Context(), conf(t, ""), nil, false))
	for i := range uint16(3) {
		if got, err := ask(t, guest, question(i, "a", 1)); err != nil || got != "once" {
			t.Fatalf("question %d: %q, %v", i, got, err)
		}
	}
	if count.Load() != 3 {
		t.Errorf("%d connections", count.Load())
	}
}

// TestServeHostile: what a server does over TCP is at worst an answer that there is
// none, and the next question is asked again.
func TestServeHostile(t *testing.T) {
	if !alone(t) {
		return
	}
	forged := func(change func([]byte) []byte) func(net.Conn) {
		return func(c net.Conn) {
			if q, err := readFramed(c); err == nil {
				_ = writeFramed(c, change(q))
			}
		}
	}
	for name, lie := range map[string]func(net.Conn){
		"closes":           func(net.Conn) {},
		"hears and closes": func(c net.Conn) { _, _ = readFramed(c) },
		"another number":   forged(func(q []byte) []byte { a := reply(q, 0, "lie"); a[0] ^= 0xff; return a }),
		"the question":     forged(func(q []byte) []byte { return q }),
		"nothing":          forged(func([]byte) []byte { return nil }),
		"half a header":    forged(func(q []byte) []byte { return reply(q, 0, "")[:6] }),
		"less than it says": func(c net.Conn) {
			if q, err := readFramed(c); err == nil {
				_, _ = c.Write(append(binary.BigEndian.AppendUint16(nil, 60000), reply(q, 0, "lie")...))
			}
		},
		"half a length": func(c net.Conn) {
			if _, err := readFramed(c); err == nil {
				_, _ = c.Write([]byte{0})
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			var lied, told atomic.Int32
			l, err := net.Listen("tcp", "127.0.0.1:53")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			go func() {
				for {
					c, err := l.Accept()
					if err != nil {
						return
					}
					if lied.CompareAndSwap(0, 1) {
						lie(c)
					} else {
						told.Add(1)
						answerAll(c, 1, "truth")
					}
					c.Close()
				}
			}()
			guest, _ := session(t, NewResolver(t.Context(), conf(t, ""), nil, false))
			if got, err := ask(t, guest, question(1, "a", 1)); err != nil || got != "code 2" || lied.Load() != 1 || told.Load() != 0 {
				t.Errorf("the lie: %q, %v", got, err)
			}
			if got, err := ask(t, guest, question(2, "a", 1)); err != nil || got != "truth" {
				t.Errorf("afterwards: %q, %v", got, err)
			}
		})
	}
}

// TestServeGuests: a guest that says something other than questions loses its
// connection, and nothing else.
func TestServeGuests(t *testing.T) {
	if !alone(t) {
		return
	}
	upstream(t, "127.0.0.1", func(_ int32, c net.Conn) { answerAll(c, 1000, "well") })
	r := NewResolver(t.Context(), conf(t, ""), nil, false)
	for name, said := range map[string][]byte{
		"no bytes":       {0, 0},
		"too few":        {0, 3, 1, 2, 3},
		"a cut question": {0, 40, 1, 2},
		"half a length":  {9},
	} {
		guest, ended := session(t, r)
		go func() { _, _ = guest.Write(said); guest.(interface{ Close() error }).Close() }()
		if _, err := io.ReadAll(guest); err != nil && !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("%s: %v", name, err)
		}
		<-ended
	}
	guest, _ := session(t, r)
	if got, err := ask(t, guest, question(1, "a", 1)); err != nil || got != "well" {
		t.Errorf("another guest: %q, %v", got, err)
	}
}

// TestServeEnds: the resolver's end ends a question that a server does not answer.
func TestServeEnds(t *testing.T) {
	if !alone(t) {
		return
	}
	ctx, cancel := context.WithCancel(t.Context())
	release := make(chan struct{})
	defer close(release)
	upstream(t, "127.0.0.1", func(_ int32, c net.Conn) { _, _ = readFramed(c); cancel(); <-release })
	guest, _ := session(t, NewResolver(ctx, conf(t, ""), nil, false))
	if got, err := ask(t, guest, question(1, "a", 1)); err != nil || got != "code 2" {
		t.Errorf("%q, %v", got, err)
	}
}

// TestDial connects to the first that takes connections.
func TestDial(t *testing.T) {
	if !alone(t) {
		return
	}
	count := upstream(t, "127.0.0.2", func(_ int32, c net.Conn) { _, _ = readFramed(c) })
	r := NewResolver(t.Context(), conf(t, "nameserver 127.0.0.1\nnameserver 127.0.0.2\n"), nil, false)
	c, err := r.Dial()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if got := c.RemoteAddr().String(); got != "127.0.0.2:53" {
		t.Errorf("connected to %s", got)
	}
	testutil.Eventually(t, "the server sees it", func() bool { return count.Load() == 1 })
	r = NewResolver(t.Context(), conf(t, "nameserver 127.0.0.8\nnameserver 127.0.0.9\n"), nil, false)
	if _, err := r.Dial(); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("nobody there: %v", err)
	}
}
