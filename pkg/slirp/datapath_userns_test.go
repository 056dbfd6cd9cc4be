// SPDX-License-Identifier: Apache-2.0

package slirp

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"coracle/internal/testutil"
	"coracle/pkg/slirp/netns"
	"coracle/pkg/slirp/publish"
	"coracle/pkg/slirp/sockaddr"
)

const (
	hostAddr    = "192.0.2.1"
	hostAddr6   = "2001:db8::1"
	blackHole   = "192.0.2.77:80"   // on ext, whose other end takes frames and says nothing
	unreachable = "198.51.100.1:80" // by a route that says so
	noRoute     = "203.0.113.1:80"
)

// onHost runs the test again as root of a user and network namespace, which
// play the host. It reports whether this is there.
func onHost(t testing.TB) bool {
	t.Helper()
	if os.Getenv(hostMark) != "" {
		hostInterfaces(t)
		return true
	}
	cmd := asHost("-test.run=^"+t.Name()+"$", "-test.v", "-test.timeout=240s")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		testutil.NeedsUserns(t, err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v\n%s", err, out.Bytes())
	}
	if bytes.Contains(out.Bytes(), []byte("--- SKIP")) {
		t.Skipf("%s", out.Bytes())
	}
	return false
}

func hostInterfaces(t testing.TB) {
	t.Helper()
	if _, err := netlink.LinkByName("ext"); err == nil {
		return // another worker of a fuzz target has made it
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(linkUp("lo"))
	attrs := netlink.NewLinkAttrs()
	attrs.Name = "ext"
	if err := netlink.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: "far"}); err != nil {
		t.Skipf("no veth pair: %v", err)
	}
	must(linkUp("far"))
	must(linkUp("ext"))
	link, err := netlink.LinkByName("ext")
	must(err)
	for _, a := range []string{hostAddr + "/24", hostAddr6 + "/64"} {
		err := netlink.AddrAdd(link, &netlink.Addr{IPNet: ipNet(netip.MustParsePrefix(a)), Flags: unix.IFA_F_NODAD})
		if a == hostAddr6+"/64" && err != nil {
			continue // no IPv6 here
		}
		must(err)
		// The kernel makes the route to an IPv6 address later, by a work queue that a busy
		// machine keeps waiting: until then it looks for the address on the wire.
		testutil.Eventually(t, a+" is the host's", func() bool {
			routes, err := netlink.RouteGet(netip.MustParsePrefix(a).Addr().AsSlice())
			return err == nil && len(routes) > 0 && routes[0].Type == unix.RTN_LOCAL
		})
	}
	must(netlink.RouteAdd(&netlink.Route{Dst: ipNet(netip.MustParsePrefix("198.51.100.0/24")), Type: unix.RTN_UNREACHABLE}))
}

// box is a container's network.
type box struct {
	t     testing.TB
	ns    *os.File
	net   *Link
	ports *publish.Ports
}

func newBox(t testing.TB, change func(*Config)) *box {
	t.Helper()
	ns, err := netns.New()
	if err != nil {
		t.Skipf("no network namespace: %v", err)
	}
	cfg := DefaultConfig()
	if change != nil {
		change(&cfg)
	}
	n, err := Start(ns, cfg)
	if err != nil {
		t.Fatal(err)
	}
	ports := publish.New(ns)
	ports.Forward(n)
	t.Cleanup(func() { ports.Close(); n.Close(); ns.Close() })
	return &box{t, ns, n, ports}
}

// dial connects from inside.
func (b *box) dial(network, addr string, limit time.Duration) (net.Conn, error) {
	return netns.In(b.ns, func() (net.Conn, error) { return net.DialTimeout(network, addr, limit) })
}

func (b *box) listen(addr string) net.Listener {
	b.t.Helper()
	l, err := netns.In(b.ns, func() (net.Listener, error) { return net.Listen("tcp", addr) })
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { l.Close() })
	return l
}

func listenHost(t testing.TB, serve func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", hostAddr+":0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go accept(l, serve)
	return l.Addr().String()
}

func accept(l net.Listener, serve func(net.Conn)) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go serve(c)
	}
}

// digest reads to the end, and then answers with what it has read: only a
// half-closed connection gets there.
func digest(c net.Conn) {
	defer c.Close()
	h := sha256.New()
	if _, err := io.Copy(h, c); err == nil {
		c.Write(h.Sum(nil))
	}
}

// exchange sends data to a digest.
func exchange(c net.Conn, data []byte) error {
	defer c.Close()
	c.SetDeadline(time.Now().Add(60 * time.Second))
	if _, err := c.Write(data); err != nil {
		return err
	}
	if err := c.(*net.TCPConn).CloseWrite(); err != nil {
		return err
	}
	got, err := io.ReadAll(c)
	if want := sha256.Sum256(data); err == nil && !bytes.Equal(got, want[:]) {
		err = fmt.Errorf("digest %x, want %x", got, want)
	}
	return err
}

func TestTCPOut(t *testing.T) {
	if !onHost(t) {
		return
	}
	carriers(t, tcpOut)
}

func tcpOut(t *testing.T, b *box) {
	data := make([]byte, 8<<20)
	rand.Read(data)
	c, err := b.dial("tcp", listenHost(t, digest), 5*time.Second)
	if err == nil {
		err = exchange(c, data)
	}
	if err != nil {
		t.Errorf("out: %v", err)
	}
	// The other way: the server says its piece and half-closes first.
	heard := make(chan string, 1)
	addr := listenHost(t, func(c net.Conn) {
		defer c.Close()
		c.Write(data)
		c.(*net.TCPConn).CloseWrite()
		last, _ := io.ReadAll(c)
		heard <- string(last)
	})
	if c, err = b.dial("tcp", addr, 5*time.Second); err != nil {
		t.Fatal(err)
	}
	c.SetDeadline(time.Now().Add(60 * time.Second))
	got, err := io.ReadAll(c)
	if err != nil || !bytes.Equal(got, data) {
		t.Errorf("in: %d bytes of %d, %v", len(got), len(data), err)
	}
	c.Write([]byte("after the end"))
	c.Close()
	if s := <-heard; s != "after the end" {
		t.Errorf("after half-close: %q", s)
	}
}

func TestResetIsCarried(t *testing.T) {
	if !onHost(t) {
		return
	}
	carriers(t, resetIsCarried)
}

func resetIsCarried(t *testing.T, b *box) {
	result, got := make(chan error, 1), make(chan struct{})
	addr := listenHost(t, func(c net.Conn) {
		defer c.Close()
		c.SetReadDeadline(time.Now().Add(5 * time.Second))
		io.ReadFull(c, make([]byte, 1))
		close(got)
		_, err := c.Read(make([]byte, 1))
		result <- err
	})
	c, err := b.dial("tcp", addr, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	c.Write([]byte("x"))
	<-got
	c.(*net.TCPConn).SetLinger(0)
	c.Close()
	if err := <-result; !errors.Is(err, unix.ECONNRESET) {
		t.Errorf("server sees %v", err)
	}
	addr = listenHost(t, func(c net.Conn) {
		io.ReadFull(c, make([]byte, 1))
		c.(*net.TCPConn).SetLinger(0)
		c.Close()
	})
	if c, err = b.dial("tcp", addr, 5*time.Second); err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.Write([]byte("x"))
	c.SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err = c.Read(make([]byte, 1)); !errors.Is(err, unix.ECONNRESET) {
		t.Errorf("client sees %v", err)
	}
}

// refuses dials what cannot be reached: the container hears why, and without a wait.
func (b *box) refuses(t *testing.T, network, addr string, want error) {
	t.Helper()
	began := time.Now()
	c, err := b.dial(network, addr, 5*time.Second)
	if err == nil {
		c.Close()
	}
	if took := time.Since(began); !errors.Is(err, want) || took > 4*time.Second {
		t.Errorf("%s: %v after %v, want %v", addr, err, took, want)
	}
}

func TestDestinationsThatFail(t *testing.T) {
	if !onHost(t) {
		return
	}
	b := newBox(t, nil)
	for _, tt := range []struct {
		addr string
		want error
	}{
		{hostAddr + ":1", unix.ECONNREFUSED},
		{unreachable, unix.EHOSTUNREACH},
		{noRoute, unix.ENETUNREACH},
		{"10.0.2.2:80", unix.ECONNREFUSED}, // closed by policy
		{"169.254.169.254:80", unix.ECONNREFUSED},
	} {
		b.refuses(t, "tcp4", tt.addr, tt.want)
	}
}

func TestBlackHolesSlowNobody(t *testing.T) {
	if !onHost(t) {
		return
	}
	link, err := netlink.LinkByName("ext")
	if err == nil { // frames to it go out, and nothing comes back
		err = netlink.NeighSet(&netlink.Neigh{
			LinkIndex: link.Attrs().Index, State: netlink.NUD_PERMANENT,
			IP: net.ParseIP("192.0.2.77"), HardwareAddr: net.HardwareAddr{2, 0, 0, 0, 0, 1},
		})
	}
	if err != nil {
		t.Fatal(err)
	}
	b := newBox(t, nil)
	const many = 200
	_, err = netns.In(b.ns, func() (struct{}, error) {
		for range many {
			fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
			if err != nil {
				return struct{}{}, err
			}
			t.Cleanup(func() { unix.Close(fd) })
			dst := netip.MustParseAddrPort(blackHole)
			if err := unix.Connect(fd, sockaddr.Of(dst)); err != unix.EINPROGRESS {
				return struct{}{}, err
			}
		}
		return struct{}{}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	addr := listenHost(t, digest)
	began := time.Now()
	for range 50 {
		c, err := b.dial("tcp", addr, 5*time.Second)
		if err == nil {
			err = exchange(c, []byte("hello"))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if d := time.Since(began); d > 9*time.Second {
		t.Errorf("50 connections took %v", d)
	}
}

func TestUDP(t *testing.T) {
	if !onHost(t) {
		return
	}
	b := newBox(t, nil)
	s, err := net.ListenPacket("udp", hostAddr+":0")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	go echoPackets(s)
	c, err := b.dial("udp", s.LocalAddr().String(), time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, size := range []int{0, 1, 1400, 9000, 60000} {
		data := make([]byte, size)
		rand.Read(data)
		c.Write(data)
		c.SetReadDeadline(time.Now().Add(5 * time.Second))
		buf := make([]byte, 64<<10)
		if n, err := c.Read(buf); err != nil || !bytes.Equal(buf[:n], data) {
			t.Errorf("%d bytes: %d back, %v", size, n, err)
		}
	}
}

func echoPackets(s net.PacketConn) {
	buf := make([]byte, 64<<10)
	for {
		n, from, err := s.ReadFrom(buf)
		if err != nil {
			return
		}
		s.WriteTo(buf[:n], from)
	}
}
