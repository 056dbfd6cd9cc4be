// SPDX-License-Identifier: Apache-2.0

package slirp

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	randv2 "math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/tcpip/checksum"
)

const (
	hostAddr    = "192.0.2.1"
	blackHole   = "192.0.2.77:80"   // on ext, whose other end takes frames and says nothing
	unreachable = "198.51.100.1:80" // by a route that says so
	noRoute     = "203.0.113.1:80"
)

// onHost runs the test again as root of a user and network namespace, which
// play the host. It reports whether this is there.
func onHost(t *testing.T) bool {
	t.Helper()
	const mark = "SLIRP_TEST_HOST"
	if os.Getenv(mark) != "" {
		hostInterfaces(t)
		return true
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v", "-test.timeout=60s")
	cmd.Env = append(os.Environ(), mark+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
	}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Skipf("no user namespace: %v", err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v\n%s", err, out.Bytes())
	}
	if bytes.Contains(out.Bytes(), []byte("--- SKIP")) {
		t.Skipf("%s", out.Bytes())
	}
	return false
}

func hostInterfaces(t *testing.T) {
	t.Helper()
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
	must(netlink.AddrAdd(link, &netlink.Addr{IPNet: ipNet(netip.MustParsePrefix(hostAddr + "/24"))}))
	must(netlink.RouteAdd(&netlink.Route{Dst: ipNet(netip.MustParsePrefix("198.51.100.0/24")), Type: unix.RTN_UNREACHABLE}))
}

// box is a container's network.
type box struct {
	t   *testing.T
	ns  *os.File
	net *Network
}

func newBox(t *testing.T, change func(*Config)) *box {
	t.Helper()
	ns, err := NewNetNS()
	if err != nil {
		t.Skipf("no network namespace: %v", err)
	}
	cfg := DefaultConfig()
	cfg.StateDir = t.TempDir()
	if change != nil {
		change(&cfg)
	}
	n, err := Start(ns, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close(); ns.Close() })
	return &box{t, ns, n}
}

// dial connects from inside.
func (b *box) dial(network, addr string, limit time.Duration) (net.Conn, error) {
	return inNetNS(b.ns, func() (net.Conn, error) { return net.DialTimeout(network, addr, limit) })
}

func (b *box) listen(addr string) net.Listener {
	b.t.Helper()
	l, err := inNetNS(b.ns, func() (net.Listener, error) { return net.Listen("tcp", addr) })
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { l.Close() })
	return l
}

func listenHost(t *testing.T, serve func(net.Conn)) string {
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
	c.SetDeadline(time.Now().Add(20 * time.Second))
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
	b := newBox(t, nil)
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
	c.SetDeadline(time.Now().Add(20 * time.Second))
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
	b := newBox(t, nil)
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
		began := time.Now()
		c, err := b.dial("tcp4", tt.addr, 5*time.Second)
		if err == nil {
			c.Close()
		}
		if !errors.Is(err, tt.want) || time.Since(began) > 2*time.Second {
			t.Errorf("%s: %v after %v, want %v", tt.addr, err, time.Since(began), tt.want)
		}
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
	_, err = inNetNS(b.ns, func() (struct{}, error) {
		for range many {
			fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
			if err != nil {
				return struct{}{}, err
			}
			t.Cleanup(func() { unix.Close(fd) })
			dst := netip.MustParseAddrPort(blackHole)
			if err := unix.Connect(fd, sockaddr(dst)); err != unix.EINPROGRESS {
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
	if d := time.Since(began); d > 3*time.Second {
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

func resolvConf(t *testing.T, servers ...string) string {
	t.Helper()
	var b bytes.Buffer
	for _, s := range servers {
		fmt.Fprintf(&b, "nameserver %s\n", s)
	}
	path := filepath.Join(t.TempDir(), "resolv.conf")
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func dnsServer(t *testing.T, addr string, answer func([]byte) []byte) {
	t.Helper()
	s, err := net.ListenPacket("udp", addr+":53")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	go func() {
		buf := make([]byte, 64<<10)
		for {
			n, from, err := s.ReadFrom(buf)
			if err != nil {
				return
			}
			if a := answer(bytes.Clone(buf[:n])); a != nil {
				s.WriteTo(a, from)
			}
		}
	}()
}

// respond makes an answer of a question, with more behind it.
func respond(more string, rcode byte) func([]byte) []byte {
	return func(q []byte) []byte {
		q[2] |= responseBit
		q[3] = q[3]&0xf0 | rcode
		return append(q, more...)
	}
}

func TestDNS(t *testing.T) {
	if !onHost(t) {
		return
	}
	dnsServer(t, "127.0.0.53", respond("one", 0))
	dnsServer(t, "127.0.0.54", func([]byte) []byte { return nil })
	dnsServer(t, "127.0.0.55", respond("failure", rcodeServFail))
	dnsServer(t, "127.0.0.56", func(q []byte) []byte { return q[:5] }) // no message
	var conf string
	b := newBox(t, func(c *Config) { conf = resolvConf(t, "127.0.0.53"); c.ResolvConf = conf })
	number := byte(0)
	ask := func(kind byte) (string, time.Duration) {
		t.Helper()
		c, err := b.dial("udp", "10.0.2.3:53", time.Second)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		number++
		q := []byte{7, number, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 'x', 0, 0, kind, 0, 1}
		began := time.Now()
		c.Write(q)
		c.SetReadDeadline(began.Add(4 * time.Second))
		buf := make([]byte, 64<<10)
		n, err := c.Read(buf)
		if err != nil || n < len(q) || !bytes.Equal(buf[:2], q[:2]) {
			return fmt.Sprint(err), time.Since(began)
		}
		return string(buf[len(q):n]), time.Since(began)
	}
	use := func(servers ...string) {
		t.Helper()
		text, err := os.ReadFile(resolvConf(t, servers...))
		if err == nil {
			err = os.WriteFile(conf, text, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, kind := range []byte{1, 5, 15, 16, 28, 33, 65, 255} {
		if got, _ := ask(kind); got != "one" {
			t.Errorf("type %d: %q", kind, got)
		}
	}
	for _, other := range []string{"127.0.0.54", "127.0.0.55", "127.0.0.56", "127.0.0.57"} {
		b.net.dns.remember("") // as if nobody had answered yet
		use(other, "127.0.0.53")
		got, d := ask(1)
		if got != "one" || d > time.Second {
			t.Errorf("behind %s: %q after %v", other, got, d)
		}
		if got, d = ask(1); got != "one" || d > dnsPatience {
			t.Errorf("behind %s, second time: %q after %v", other, got, d)
		}
	}
	use("127.0.0.55")
	if got, _ := ask(1); got != "failure" {
		t.Errorf("a server's failure is %q", got)
	}
	// Without a word of servers there is the one on the host's loopback.
	dnsServer(t, "127.0.0.1", respond("local", 0))
	use()
	if got, _ := ask(1); got != "local" {
		t.Errorf("resolv.conf empty: %q", got)
	}
	if err := os.Remove(conf); err != nil {
		t.Fatal(err)
	}
	if got, _ := ask(1); got != "local" {
		t.Errorf("resolv.conf missing: %q", got)
	}
}

func TestPublishedTCP(t *testing.T) {
	if !onHost(t) {
		return
	}
	b := newBox(t, nil)
	seen := make(chan string, 1)
	go accept(b.listen("0.0.0.0:8000"), func(c net.Conn) {
		host, _, _ := net.SplitHostPort(c.RemoteAddr().String())
		seen <- host
		digest(c)
	})
	ports, err := b.net.PublishSpec(PortSpec{HostPort: 8080, ContainerPort: 8000, Proto: "tcp"})
	if err != nil {
		t.Fatal(err)
	}
	data := make([]byte, 4<<20)
	rand.Read(data)
	for addr, want := range map[string]string{hostAddr: hostAddr, "127.0.0.1": "10.0.2.2", "::1": "10.0.2.2"} {
		if addr == "::1" && len(ports) == 1 {
			continue
		}
		c, err := net.Dial("tcp", net.JoinHostPort(addr, "8080"))
		if err == nil {
			err = exchange(c, data)
		}
		if err != nil {
			t.Errorf("%s: %v", addr, err)
			continue
		}
		if got := <-seen; got != want {
			t.Errorf("visitor %s is seen as %s, want %s", addr, got, want)
		}
	}
}

func TestHandedSocketServesItsPort(t *testing.T) {
	if !onHost(t) {
		return
	}
	b := newBox(t, nil)
	go accept(b.listen("0.0.0.0:8000"), digest)
	for _, addr := range []string{"0.0.0.0:80", "[::]:81", hostAddr + ":82"} {
		l, err := net.Listen("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		f, err := l.(*net.TCPListener).File()
		if err != nil {
			t.Fatal(err)
		}
		b.net.Hand([]*os.File{f, os.Stdin}) // what is no socket is passed over
		f.Close()
		l.Close()
	}
	for port, host := range map[uint16]netip.Addr{80: netip.IPv4Unspecified(), 81: {}, 82: netip.MustParseAddr(hostAddr)} {
		_, err := b.net.PublishSpec(PortSpec{HostIP: host, HostPort: port, ContainerPort: 8000, Proto: "tcp"})
		if err != nil {
			t.Errorf("port %d: %v", port, err)
			continue
		}
		c, err := net.Dial("tcp", netip.AddrPortFrom(netip.MustParseAddr(hostAddr), port).String())
		if err == nil {
			err = exchange(c, []byte("hello"))
		}
		if err != nil {
			t.Errorf("port %d: %v", port, err)
		}
	}
}

// TestFramesOfAnyKind writes noise to the wire, as a container with NET_RAW
// may, and then uses the network.
func TestFramesOfAnyKind(t *testing.T) {
	if !onHost(t) {
		return
	}
	b := newBox(t, nil)
	addr := listenHost(t, digest)
	_, err := inNetNS(b.ns, func() (struct{}, error) { return struct{}{}, noise(t) })
	if err != nil {
		t.Fatal(err)
	}
	c, err := b.dial("tcp", addr, 5*time.Second)
	if err == nil {
		err = exchange(c, []byte("hello"))
	}
	if err != nil {
		t.Error(err)
	}
}

func noise(t *testing.T) error {
	link, err := netlink.LinkByName("eth0")
	if err != nil {
		return err
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := randv2.New(randv2.NewPCG(seed, 0))
	to := &unix.SockaddrLinklayer{Ifindex: link.Attrs().Index}
	for i := range 20000 {
		frame := make([]byte, 14+r.IntN(200))
		for k := range frame {
			frame[k] = byte(r.Uint32())
		}
		if i%8 != 0 { // most of them are nearly right
			copy(frame, hardwareAddr(netip.MustParseAddr("10.0.2.2")))
			kind := [][2]byte{{8, 0}, {8, 0}, {8, 6}, {0x86, 0xdd}}[r.IntN(4)]
			frame[12], frame[13] = kind[0], kind[1]
		}
		if ip := frame[14:]; frame[12] == 8 && frame[13] == 0 && len(ip) > 24 {
			ip[0] = 0x45 + byte(r.IntN(2))
			ip[2], ip[3] = 0, byte(len(ip)-r.IntN(3))
			ip[6], ip[7] = byte(r.IntN(2))*0x20, 0
			ip[9] = []byte{1, 6, 17, 2, 58, 0}[r.IntN(6)]
			copy(ip[12:], []byte{10, 0, 2, 100})
			copy(ip[16:], []byte{192, 0, 2, byte(r.IntN(3))})
			ip[10], ip[11] = 0, 0
			sum := ^checksum.Checksum(ip[:20], 0)
			ip[10], ip[11] = byte(sum>>8), byte(sum)
		}
		if err := unix.Sendto(fd, frame, 0, to); err != nil && err != unix.ENOBUFS && err != unix.EINVAL {
			return err
		}
	}
	return nil
}
