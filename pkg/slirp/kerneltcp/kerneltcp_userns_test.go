// SPDX-License-Identifier: Apache-2.0

package kerneltcp

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"

	"coracle/internal/testutil"
	"coracle/internal/testutil/userns"
	"coracle/pkg/slirp/l2"
	"coracle/pkg/slirp/netns"
)

var (
	place = l2.Place{Address: netip.MustParsePrefix("10.0.2.100/24"), Gateway: netip.MustParseAddr("10.0.2.2"), MAC: l2.MAC{2, 0, 0, 0, 0, 1}}
	dns   = netip.MustParseAddr("10.0.2.3")

	gatewayMAC = net.HardwareAddr{2, 0, 0, 0, 0, 2}
)

// wire is a container's namespace, the wire's, and a carrier on that; we are the
// stack, which sees requests for connections.
type wire struct {
	t         *testing.T
	container *os.File
	carrier   *Carrier
	raw       int // packets on the wire
	index     int
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newWire(t *testing.T) *wire {
	t.Helper()
	if !userns.Again(t, syscall.CLONE_NEWNET) {
		return nil
	}
	lo, err := netlink.LinkByName("lo")
	must(t, err)
	must(t, netlink.LinkSetUp(lo))
	w := &wire{t: t}
	w.container, err = netns.New()
	must(t, err)
	ns, err := netns.With(func() error { return w.plug() })
	must(t, err)
	_, err = netns.In(w.container, func() (struct{}, error) { return struct{}{}, w.inside() })
	must(t, err)
	// That the other end is up is noticed a little later: until then all is dropped
	// that goes out.
	testutil.Eventually(t, "the wire is up", func() bool {
		link, err := netns.In(ns, func() (netlink.Link, error) { return netlink.LinkByName("wire") })
		return err == nil && link.Attrs().OperState == netlink.OperUp
	})
	t.Cleanup(func() { w.carrier.Close(); unix.Close(w.raw); w.container.Close(); ns.Close() })
	return w
}

// plug makes the pair, in the wire's namespace.
func (w *wire) plug() error {
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.HardwareAddr = "wire", gatewayMAC // else packets to the gateway are not for us
	peer := net.HardwareAddr(place.MAC[:])
	if err := netlink.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: "eth0", PeerHardwareAddr: peer}); err != nil {
		w.t.Skipf("no veth pair: %v", err)
	}
	eth, err := netlink.LinkByName("eth0")
	if err == nil {
		err = netlink.LinkSetNsFd(eth, int(w.container.Fd()))
	}
	if err != nil {
		return err
	}
	link, err := netlink.LinkByName("wire")
	if err == nil {
		err = netlink.LinkSetUp(link)
	}
	if err != nil {
		return err
	}
	if w.carrier, err = New(link, place, dns); err != nil {
		w.t.Skipf("this kernel carries no connections: %v", err)
	}
	w.index = link.Attrs().Index
	proto := uint16(unix.ETH_P_IP)
	w.raw, err = unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, int(proto<<8|proto>>8))
	if err == nil {
		err = unix.SetsockoptTimeval(w.raw, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 20})
	}
	return errors.Join(err, unix.Bind(w.raw, &unix.SockaddrLinklayer{Protocol: proto<<8 | proto>>8, Ifindex: w.index}))
}

// inside makes the container's end, in its namespace.
func (w *wire) inside() error {
	eth, err := netlink.LinkByName("eth0")
	if err != nil {
		return err
	}
	gateway := place.Gateway.AsSlice()
	return errors.Join(
		netlink.AddrAdd(eth, &netlink.Addr{IPNet: &net.IPNet{IP: place.Address.Addr().AsSlice(), Mask: net.CIDRMask(24, 32)}}),
		netlink.LinkSetUp(eth), netlink.RouteAdd(&netlink.Route{LinkIndex: eth.Attrs().Index, Gw: gateway}),
		netlink.NeighSet(&netlink.Neigh{LinkIndex: eth.Attrs().Index, State: netlink.NUD_PERMANENT, IP: gateway, HardwareAddr: gatewayMAC}),
	)
}

// request is the next request for a connection to port.
func (w *wire) request(port uint16) (header.IPv4, header.TCP) {
	w.t.Helper()
	buf := make([]byte, 64<<10)
	for {
		n, from, err := unix.Recvfrom(w.raw, buf, 0)
		must(w.t, err)
		ip := header.IPv4(bytes.Clone(buf[:n]))
		if at, ok := from.(*unix.SockaddrLinklayer); !ok || at.Pkttype == unix.PACKET_OUTGOING || !ip.IsValid(n) || ip.TransportProtocol() != header.TCPProtocolNumber {
			continue
		}
		if tcp := header.TCP(ip.Payload()); tcp.Flags() == header.TCPFlagSyn && tcp.DestinationPort() == port {
			return ip, tcp
		}
	}
}

// accept answers a request on the wire, as the stack does.
func (w *wire) accept(ip header.IPv4, tcp header.TCP, isn uint32) {
	opts := []byte{2, 4, 5, 0xb4, 1, 3, 3, WindowScale, 1, 1, 4, 2}
	size := header.TCPMinimumSize + len(opts)
	packet := make([]byte, header.IPv4MinimumSize+size)
	out := header.IPv4(packet)
	out.Encode(&header.IPv4Fields{TotalLength: uint16(len(packet)), TTL: 64, Protocol: uint8(header.TCPProtocolNumber), SrcAddr: ip.DestinationAddress(), DstAddr: ip.SourceAddress()})
	out.SetChecksum(^out.CalculateChecksum())
	h := header.TCP(out.Payload())
	h.Encode(&header.TCPFields{
		SrcPort: tcp.DestinationPort(), DstPort: tcp.SourcePort(), SeqNum: isn, AckNum: tcp.SequenceNumber() + 1,
		DataOffset: uint8(size), Flags: header.TCPFlagSyn | header.TCPFlagAck, WindowSize: Window,
	})
	copy(h[header.TCPMinimumSize:], opts)
	sum := header.PseudoHeaderChecksum(header.TCPProtocolNumber, ip.DestinationAddress(), ip.SourceAddress(), uint16(size))
	h.SetChecksum(^h.CalculateChecksum(sum))
	to := unix.SockaddrLinklayer{Protocol: 8, Ifindex: w.index, Halen: 6}
	copy(to.Addr[:], place.MAC[:])
	if err := unix.Sendto(w.raw, packet, 0, &to); err != nil {
		w.t.Error(err)
	}
}

// connect is a connection of the container to the world, where it is the host's
// server that speaks.
func (w *wire) connect(port uint16) (container, server *net.TCPConn) {
	w.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(w.t, err)
	defer l.Close()
	type dialled struct {
		c   net.Conn
		err error
	}
	made := make(chan dialled, 1)
	go func() {
		c, err := netns.In(w.container, func() (net.Conn, error) {
			return net.DialTimeout("tcp", net.JoinHostPort("203.0.113.7", strconv.Itoa(int(port))), 20*time.Second)
		})
		made <- dialled{c, err}
	}()
	ip, tcp := w.request(port)
	host, err := net.Dial("tcp", l.Addr().String())
	must(w.t, err)
	far, err := l.Accept()
	must(w.t, err)
	addr := func(a tcpip.Address, port uint16) netip.AddrPort {
		ip, _ := netip.AddrFromSlice(a.AsSlice())
		return netip.AddrPortFrom(ip, port)
	}
	r := Handshake{Seq: tcp.SequenceNumber(), Window: tcp.WindowSize(), Options: header.ParseSynOptions(tcp.Options(), false)}
	must(w.t, w.carrier.Establish(host.(*net.TCPConn), addr(ip.DestinationAddress(), port), addr(ip.SourceAddress(), tcp.SourcePort()), r,
		func(isn uint32) { w.accept(ip, tcp, isn) }))
	got := <-made
	must(w.t, got.err)
	for _, c := range []net.Conn{got.c, far} {
		w.t.Cleanup(func() { c.Close() })
		_ = c.SetDeadline(time.Now().Add(30 * time.Second))
	}
	return got.c.(*net.TCPConn), far.(*net.TCPConn)
}

// TestEstablish: a connection that the kernel was given in the middle carries what
// either side says, ends in halves, and is cut when it is cut.
func TestEstablish(t *testing.T) {
	w := newWire(t)
	if w == nil {
		return
	}
	if w.carrier.Used() {
		t.Error("used before there was a connection")
	}
	c, s := w.connect(80)
	if !w.carrier.Used() {
		t.Error("not used after there was one")
	}
	if got := c.RemoteAddr().String(); got != "203.0.113.7:80" {
		t.Errorf("the container is connected to %s", got)
	}
	data := bytes.Repeat([]byte("0123456789abcdef"), 256<<10) // more than any window
	for _, ends := range [][2]*net.TCPConn{{c, s}, {s, c}} {
		go func() { _, _ = ends[0].Write(data); _ = ends[0].CloseWrite() }()
		if got, err := io.ReadAll(ends[1]); err != nil || !bytes.Equal(got, data) {
			t.Fatalf("%d bytes arrive as %d, %v", len(data), len(got), err)
		}
	}
	for _, serverCuts := range []bool{false, true} {
		a, b := w.connect(81)
		if serverCuts {
			a, b = b, a
		}
		_, err := a.Write([]byte("x"))
		must(t, err)
		_, err = io.ReadFull(b, make([]byte, 1))
		must(t, err)
		must(t, a.SetLinger(0))
		a.Close()
		if _, err := b.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("the server cuts: %v: %v", serverCuts, err)
		}
	}
	c, s = w.connect(82)
	w.carrier.Close()
	for what, end := range map[string]*net.TCPConn{"container": c, "server": s} {
		if _, err := end.Read(make([]byte, 1)); err != io.EOF && !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("the carrier's end, to the %s: %v", what, err)
		}
	}
}

// TestNotTheKernels: what belongs to no connection is not answered by the kernel, and
// neither is what goes to the stack itself.
func TestNotTheKernels(t *testing.T) {
	w := newWire(t)
	if w == nil {
		return
	}
	for _, to := range []string{"203.0.113.7:90", dns.String() + ":90", place.Gateway.String() + ":90"} {
		refused := make(chan error, 1)
		go func() {
			_, err := netns.In(w.container, func() (net.Conn, error) { return net.DialTimeout("tcp", to, 1500*time.Millisecond) })
			refused <- err
		}()
		if to != dns.String()+":90" { // whose hardware address nobody says here
			w.request(90)
		}
		var late net.Error
		if err := <-refused; !errors.As(err, &late) || !late.Timeout() {
			if !errors.Is(err, unix.EHOSTUNREACH) {
				t.Errorf("%s: somebody answered: %v", to, err)
			}
		}
	}
}

// TestEstablishIsRefused: what cannot be established leaves nothing open, and answers
// nobody.
func TestEstablishIsRefused(t *testing.T) {
	w := newWire(t)
	if w == nil {
		return
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	try := func(local, remote string) {
		t.Helper()
		host, err := net.Dial("tcp", l.Addr().String())
		must(t, err)
		far, err := l.Accept()
		must(t, err)
		defer far.Close()
		err = w.carrier.Establish(host.(*net.TCPConn), netip.MustParseAddrPort(local), netip.MustParseAddrPort(remote), Handshake{Options: header.TCPSynOptions{WS: -1}},
			func(uint32) { t.Error("the request was accepted") })
		if err == nil {
			t.Fatalf("%s to %s is established", local, remote)
		}
		_ = far.SetDeadline(time.Now().Add(20 * time.Second))
		if _, err := far.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("the host's side stays: %v", err)
		}
	}
	try("203.0.113.7:80", "[fd00::1]:80") // of two families
	w.carrier.Close()
	try("203.0.113.7:80", "10.0.2.100:4000") // the carrier has ended
}

func TestMostCarried(t *testing.T) {
	var l unix.Rlimit
	must(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &l))
	if n := mostCarried(); n < 1 || uint64(2*n) > l.Cur {
		t.Errorf("%d connections with %d descriptors", n, l.Cur)
	}
}
