// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"coracle/internal/testutil"
	"coracle/internal/testutil/userns"
	"coracle/pkg/slirp/netns"
	"coracle/pkg/slirp/sockaddr"
)

// house is a host and a container that has both's addresses on its loopback, with
// a loop between them.
type house struct {
	t    *testing.T
	ns   *os.File
	loop *Loop
}

// newHouse makes one in the namespaces that userns.Again gives; nil is outside.
func newHouse(t *testing.T) *house {
	t.Helper()
	if !userns.Again(t, syscall.CLONE_NEWNET) {
		return nil
	}
	must(t, addresses("203.0.113.9/32", "2001:db8::9/128"))
	ns, err := netns.New()
	must(t, err)
	_, err = netns.In(ns, func() (struct{}, error) {
		return struct{}{}, addresses(both.Addr.String()+"/32", both.Addr6.String()+"/128")
	})
	must(t, err)
	testutil.Eventually(t, "the host has its IPv6 address", func() bool { return ready("2001:db8::9") })
	testutil.Eventually(t, "the container has its IPv6 address", func() bool {
		yes, _ := netns.In(ns, func() (bool, error) { return ready(both.Addr6.String()), nil })
		return yes
	})
	h := &house{t: t, ns: ns}
	h.loop, err = New(ns)
	must(t, err)
	t.Cleanup(func() { h.loop.Close(); ns.Close() })
	return h
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// addresses gives the loopback of the thread's namespace addresses.
func addresses(list ...string) error {
	lo, err := netlink.LinkByName("lo")
	if err == nil {
		err = netlink.LinkSetUp(lo)
	}
	for _, a := range list {
		ip, parsed := netlink.ParseAddr(a)
		if parsed == nil && err == nil {
			ip.Flags = unix.IFA_F_NODAD
			parsed = netlink.AddrAdd(lo, ip)
		}
		err = errors.Join(err, parsed)
	}
	return err
}

// ready reports whether connections can be made to an address of the thread's
// namespace: for a moment after it is given there is no way to one of IPv6.
func ready(addr string) bool {
	l, err := net.Listen("tcp", net.JoinHostPort(addr, "0"))
	if err != nil {
		return false
	}
	defer l.Close()
	// Without net.Dialer, which may go on in another thread.
	fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	_ = unix.SetsockoptInt(fd, unix.SOL_TCP, unix.TCP_USER_TIMEOUT, 100)
	return unix.Connect(fd, sockaddr.Of(l.Addr().(*net.TCPAddr).AddrPort())) == nil
}

// serve listens in the container, and hands over who comes.
func (h *house) serve(addr string) <-chan *net.TCPConn {
	h.t.Helper()
	l, err := netns.In(h.ns, func() (net.Listener, error) { return net.Listen("tcp", addr) })
	must(h.t, err)
	come := make(chan *net.TCPConn, 64)
	h.t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_ = c.SetDeadline(time.Now().Add(30 * time.Second))
			come <- c.(*net.TCPConn)
		}
	}()
	return come
}

// publish makes a port of the host for one of the container.
func (h *house) publish(addr string, s *Server, loops ...*Loop) (string, *Port) {
	h.t.Helper()
	l, err := net.Listen("tcp", addr)
	must(h.t, err)
	where := l.Addr().String()
	p, err := Listen(l.(*net.TCPListener), append(loops, h.loop), s)
	must(h.t, err)
	return where, p
}

func (h *house) visit(addr string) *net.TCPConn { h.t.Helper(); return h.visitFrom("", addr) }

func (h *house) visitFrom(from, addr string) *net.TCPConn {
	h.t.Helper()
	d := net.Dialer{Timeout: 20 * time.Second}
	if from != "" {
		d.LocalAddr = net.TCPAddrFromAddrPort(netip.MustParseAddrPort(from))
	}
	c, err := d.Dial("tcp", addr)
	must(h.t, err)
	h.t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(30 * time.Second))
	return c.(*net.TCPConn)
}

// pair is a visitor and the server's end of the same connection.
func (h *house) pair(come <-chan *net.TCPConn, addr string) (visitor, server *net.TCPConn) {
	h.t.Helper()
	visitor = h.visit(addr)
	select {
	case server = <-come:
	case <-time.After(20 * time.Second):
		h.t.Fatal("nobody came")
	}
	h.t.Cleanup(func() { server.Close() })
	return visitor, server
}

func say(t testing.TB, from io.Writer, to io.Reader, text string) {
	t.Helper()
	_, err := io.WriteString(from, text)
	must(t, err)
	got := make([]byte, len(text))
	if _, err := io.ReadFull(to, got); err != nil || string(got) != text {
		t.Fatalf("%q arrives as %q, %v", text, got, err)
	}
}

// TestVisitors: each is seen under the name that it has, with its port.
func TestVisitors(t *testing.T) {
	h := newHouse(t)
	if h == nil {
		return
	}
	come := h.serve("10.0.2.15:80")
	come6 := h.serve("[fd00::15]:80")
	fourOnly := h.serve("10.0.2.15:81")
	for _, c := range []struct {
		name, listen, from, want string
		port                     uint16
		come                     <-chan *net.TCPConn
	}{
		{"the host", "127.0.0.1:0", "127.0.0.1:4001", "10.0.2.2:4001", 80, come},
		{"somebody", "0.0.0.0:0", "203.0.113.9:4002", "203.0.113.9:4002", 80, come},
		{"the host over IPv6", "[::1]:0", "[::1]:4003", "[fd00::2]:4003", 80, come6},
		{"somebody over IPv6", "[::]:0", "[2001:db8::9]:4004", "[2001:db8::9]:4004", 80, come6},
		{"over IPv6 to who listens for IPv4 alone", "[::]:0", "[2001:db8::9]:4005", "10.0.2.2:4005", 81, fourOnly},
	} {
		addr, p := h.publish(c.listen, NewServer(c.port, both))
		_, port, _ := net.SplitHostPort(addr)
		from := netip.MustParseAddrPort(c.from)
		v := h.visitFrom(c.from, net.JoinHostPort(from.Addr().String(), port))
		s := <-c.come
		if got := s.RemoteAddr().String(); got != c.want {
			t.Errorf("%s: the server sees %s, want %s", c.name, got, c.want)
		}
		say(t, v, s, "hello")
		say(t, s, v, "welcome")
		s.Close()
		must(t, p.Close())
	}
}

// TestPortTaken: two visitors with one port number are both led in; the second has
// another number there.
func TestPortTaken(t *testing.T) {
	h := newHouse(t)
	if h == nil {
		return
	}
	come := h.serve("10.0.2.15:80")
	addr, _ := h.publish("127.0.0.1:0", NewServer(80, four))
	one := h.visitFrom("127.0.0.1:4100", addr)
	first := <-come
	two := h.visitFrom("127.0.0.2:4100", addr) // is the gateway too
	second := <-come
	say(t, one, first, "one")
	say(t, two, second, "two")
	host, port, _ := net.SplitHostPort(second.RemoteAddr().String())
	if host != "10.0.2.2" || port == "4100" {
		t.Errorf("the second is %s:%s", host, port)
	}
}

// TestHalfClose: the end of what one says is told when all of it has arrived, and
// the other may go on.
func TestHalfClose(t *testing.T) {
	h := newHouse(t)
	if h == nil {
		return
	}
	come := h.serve("10.0.2.15:80")
	addr, _ := h.publish("127.0.0.1:0", NewServer(80, four))
	for _, size := range []int{0, 1, 100 << 10, 3 << 20} {
		for _, visitorFirst := range []bool{true, false} {
			visitor, server := h.pair(come, addr)
			a, b := visitor, server
			if !visitorFirst {
				a, b = server, visitor
			}
			text := bytes.Repeat([]byte("half"), size/4)
			go func() { _, _ = a.Write(text); _ = a.CloseWrite() }()
			if got, err := io.ReadAll(b); err != nil || !bytes.Equal(got, text) {
				t.Fatalf("%d bytes arrive as %d, %v", len(text), len(got), err)
			}
			say(t, b, a, "still here")
			must(t, b.CloseWrite())
			if rest, err := io.ReadAll(a); err != nil || len(rest) > 0 {
				t.Fatalf("the end of the other side: %q, %v", rest, err)
			}
			a.Close()
			b.Close()
		}
	}
	testutil.Eventually(t, "all ends are gone", func() bool { return h.open() == 0 })
}

// open is how many ends the loop has.
func (h *house) open() (n int) {
	h.loop.do(func() {
		for _, e := range h.loop.ends {
			if e != nil {
				n++
			}
		}
	})
	return n
}

// TestBulk carries much both ways at once, to readers that are slow for a while,
// within the kernel and through a buffer.
func TestBulk(t *testing.T) {
	h := newHouse(t)
	if h == nil {
		return
	}
	come := h.serve("10.0.2.15:80")
	addr, _ := h.publish("127.0.0.1:0", NewServer(80, four))
	const size = 24 << 20
	defer func() {
		testutil.Eventually(t, "all pipes are given back", func() bool {
			lent := 0
			h.loop.do(func() { lent = h.loop.pipes.made - len(h.loop.pipes.free) })
			return lent == 0
		})
	}()
	for _, limit := range []int{0, 8} { // pipes: through a buffer, within the kernel
		h.loop.LimitPipes(limit)
		visitor, server := h.pair(come, addr)
		sums := make(chan string, 4)
		send := func(c *net.TCPConn, seed byte) {
			sum := sha256.New()
			r := io.LimitReader(rand.NewChaCha8([32]byte{seed}), size)
			_, err := io.CopyBuffer(struct{ io.Writer }{c}, io.TeeReader(r, sum), make([]byte, 200<<10))
			_ = c.CloseWrite()
			sums <- fmt.Sprintf("%d: %x, %v", seed, sum.Sum(nil)[:8], err)
		}
		receive := func(c *net.TCPConn, seed byte) {
			sum := sha256.New()
			_, err := io.CopyN(sum, c, 1)
			testutil.Eventually(t, "the writer is held", func() bool { return h.held() })
			if err == nil {
				_, err = io.Copy(struct{ io.Writer }{sum}, c)
			}
			sums <- fmt.Sprintf("%d: %x, %v", seed, sum.Sum(nil)[:8], err)
		}
		go send(visitor, 1)
		go send(server, 2)
		go receive(server, 1)
		go receive(visitor, 2)
		seen := map[string]int{}
		for range 4 {
			seen[<-sums]++
		}
		if len(seen) != 2 {
			t.Errorf("limit of %d: what was sent and what came: %v", limit, seen)
		}
		made := 0
		h.loop.do(func() { made = h.loop.pipes.made })
		if (made > 0) != (limit > 0) {
			t.Errorf("limit of %d: %d pipes", limit, made)
		}
	}
}

// held reports whether something waits to be taken.
func (h *house) held() (yes bool) {
	h.loop.do(func() {
		for _, e := range h.loop.ends {
			yes = yes || e != nil && e.waits()
		}
	})
	return yes
}

// TestReset: a connection that one side cuts is cut on the other, also while data
// waits.
func TestReset(t *testing.T) {
	h := newHouse(t)
	if h == nil {
		return
	}
	come := h.serve("10.0.2.15:80")
	addr, _ := h.publish("127.0.0.1:0", NewServer(80, four))
	h.loop.do(func() { h.loop.graveTime = time.Hour })
	for _, waiting := range []bool{false, true} {
		for _, visitorFirst := range []bool{true, false} {
			a, b := h.pair(come, addr)
			if !visitorFirst {
				a, b = b, a
			}
			say(t, a, b, "before")
			if waiting { // a writes until nothing goes
				_ = a.SetWriteDeadline(time.Now().Add(20 * time.Second))
				go func() { _, _ = a.Write(make([]byte, 64<<20)) }()
				testutil.Eventually(t, "data waits", h.held)
			}
			must(t, a.SetLinger(0))
			a.Close()
			if waiting && visitorFirst { // see grave
				testutil.Eventually(t, "somebody answers in the visitor's name", func() bool { return h.graves() == 1 })
			}
			if _, err := io.Copy(io.Discard, b); !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("waiting: %v, the visitor cuts: %v: %v", waiting, visitorFirst, err)
			}
			b.Close()
		}
	}
	testutil.Eventually(t, "all ends are gone", func() bool { return h.open() == 0 })
	h.loop.do(func() { h.loop.graves[0].until = time.Now() })
	testutil.Eventually(t, "nobody answers any more", func() bool { return h.graves() == 0 })
}

func (h *house) graves() (n int) {
	h.loop.do(func() { n = len(h.loop.graves) })
	return n
}

// TestNobodyListens: a visitor is refused as soon as that is known, and the next one
// is led in.
func TestNobodyListens(t *testing.T) {
	h := newHouse(t)
	if h == nil {
		return
	}
	server := NewServer(80, both)
	addr, _ := h.publish("127.0.0.1:0", server)
	six, _ := h.publish("[::1]:0", server)
	turnedAway := func(addr string) {
		t.Helper()
		c, err := net.Dial("tcp", addr)
		if err == nil {
			_ = c.SetDeadline(time.Now().Add(20 * time.Second))
			_, err = c.Read(make([]byte, 1))
			c.Close()
		}
		if !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("a visitor of %s: %v", addr, err)
		}
	}
	turnedAway(addr)
	turnedAway(six)
	come := h.serve("10.0.2.15:80")
	v, s := h.pair(come, addr)
	say(t, v, s, "now")
	v, s = h.pair(come, six)
	say(t, v, s, "now")
	server.Forward(Target{})
	turnedAway(addr)
	say(t, v, s, "who was there stays")
	server.Forward(Target{Addr: netip.MustParseAddr("198.51.100.1")}) // no way there
	turnedAway(addr)
}

// TestPortEnds: with a port end its connections, and no others.
func TestPortEnds(t *testing.T) {
	h := newHouse(t)
	if h == nil {
		return
	}
	come := h.serve("10.0.2.15:80")
	second, err := New(h.ns)
	must(t, err)
	defer second.Close()
	addr, p := h.publish("127.0.0.1:0", NewServer(80, four), second)
	other, _ := h.publish("127.0.0.1:0", NewServer(80, four))
	v, s := h.pair(come, addr)
	w, u := h.pair(come, other)
	say(t, v, s, "both are there")
	say(t, w, u, "both are there")
	must(t, p.Close())
	for _, c := range []*net.TCPConn{v, s} {
		if _, err := c.Read(make([]byte, 1)); err != io.EOF && !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("a connection of a closed port: %v", err)
		}
	}
	if _, err := net.Dial("tcp", addr); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("a closed port: %v", err)
	}
	say(t, w, u, "the other one stays")
	h.loop.Close()
	for _, c := range []*net.TCPConn{w, u} {
		if _, err := c.Read(make([]byte, 1)); err != io.EOF && !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("a connection of a closed loop: %v", err)
		}
	}
	h.loop.Close() // again
}

// socketPair are two connected sockets, the first of which does not block.
func socketPair(t testing.TB) (fd int, other *os.File) {
	t.Helper()
	p, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	must(t, err)
	other = os.NewFile(uintptr(p[1]), "other")
	t.Cleanup(func() { other.Close() })
	_ = other.SetDeadline(time.Now().Add(20 * time.Second))
	return p[0], other
}

// TestLastWords: what was said before a connection was reset arrives: who answers
// without having read all, and closes, resets.
func TestLastWords(t *testing.T) {
	h := newHouse(t)
	if h == nil {
		return
	}
	come := h.serve("10.0.2.15:80")
	addr, _ := h.publish("127.0.0.1:0", NewServer(80, four))
	for range 50 {
		v, s := h.pair(come, addr)
		if _, err := io.WriteString(v, "a long request"); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(s, make([]byte, 1)); err != nil { // the rest is there, too
			t.Fatal(err)
		}
		_, err := io.WriteString(s, "no")
		s.Close()
		if got, _ := io.ReadAll(v); err != nil || string(got) != "no" {
			t.Fatalf("%q %v", got, err)
		}
		v.Close()
	}
}
