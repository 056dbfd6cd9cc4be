// SPDX-License-Identifier: Apache-2.0

package slirp

import (
	"bytes"
	"errors"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	xicmp "golang.org/x/net/icmp"
	xipv4 "golang.org/x/net/ipv4"
	xipv6 "golang.org/x/net/ipv6"
	"golang.org/x/sys/unix"

	"coracle/internal/testutil"
	"coracle/pkg/slirp/netns"
)

// withIPv6 is the configuration on a host that has IPv6.
func withIPv6(c *Config) {
	c.Address6, c.Gateway6 = netip.MustParsePrefix("fd00:c0:2::64/64"), netip.MustParseAddr("fd00:c0:2::2")
}

// newBox6 is a container on a host that has IPv6, without which it skips.
func newBox6(t testing.TB) *box {
	t.Helper()
	l, err := net.Listen("tcp6", net.JoinHostPort(hostAddr6, "0"))
	if err != nil {
		t.Skipf("no IPv6: %v", err)
	}
	l.Close()
	return newBox(t, withIPv6)
}

// ping sends one echo request from inside, and waits for the answer.
func (b *box) ping(dst string, limit time.Duration) error {
	ip := netip.MustParseAddr(dst)
	network, proto := "udp4", 1
	var kind xicmp.Type = xipv4.ICMPTypeEcho
	var want xicmp.Type = xipv4.ICMPTypeEchoReply
	if ip.Is6() {
		network, proto, kind, want = "udp6", 58, xipv6.ICMPTypeEchoRequest, xipv6.ICMPTypeEchoReply
	}
	c, err := netns.In(b.ns, func() (*xicmp.PacketConn, error) { return xicmp.ListenPacket(network, "") })
	if err != nil {
		return err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(limit))
	data := bytes.Repeat([]byte("echo"), 500)
	text, err := (&xicmp.Message{Type: kind, Body: &xicmp.Echo{ID: 1, Seq: 7, Data: data}}).Marshal(nil)
	if err == nil {
		_, err = c.WriteTo(text, &net.UDPAddr{IP: ip.AsSlice()})
	}
	if err != nil {
		return err
	}
	buf := make([]byte, 4096)
	n, _, err := c.ReadFrom(buf)
	if err != nil {
		return err
	}
	m, err := xicmp.ParseMessage(proto, buf[:n])
	if err != nil {
		return err
	}
	if e, ok := m.Body.(*xicmp.Echo); !ok || m.Type != want || e.Seq != 7 || !bytes.Equal(e.Data, data) {
		return errors.New("another answer")
	}
	return nil
}

// TestEcho asks the gateway, which answers by itself, and hosts, where the
// host's ping_group_range decides.
func TestEcho(t *testing.T) {
	if !onHost(t) {
		return
	}
	b := newBox(t, nil)
	if err := b.ping("10.0.2.2", 5*time.Second); err != nil {
		t.Errorf("gateway: %v", err)
	}
	if err := b.ping(hostAddr, 300*time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("where the host forbids it: %v", err)
	}
	const allowed = "/proc/sys/net/ipv4/ping_group_range"
	if err := os.WriteFile(allowed, []byte("0 0"), 0); err != nil {
		t.Skipf("ping sockets are not allowed: %v", err)
	}
	if err := b.ping(hostAddr, 5*time.Second); err != nil {
		t.Errorf("%s: %v", hostAddr, err)
	}
	for _, closed := range []string{"169.254.169.254", "10.0.2.77"} {
		if err := b.ping(closed, 300*time.Millisecond); err == nil {
			t.Errorf("%s answers", closed)
		}
	}
	six := newBox6(t)
	for _, dst := range []string{"fd00:c0:2::2", hostAddr6} {
		if err := six.ping(dst, 5*time.Second); err != nil {
			t.Errorf("%s: %v", dst, err)
		}
	}
}

// TestIPv6 carries TCP and UDP over IPv6, and says of destinations that fail
// what the host's kernel says.
func TestIPv6(t *testing.T) {
	if !onHost(t) {
		return
	}
	b := newBox6(t)
	l, err := net.Listen("tcp6", net.JoinHostPort(hostAddr6, "0"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go accept(l, digest)
	c, err := b.dial("tcp6", l.Addr().String(), 5*time.Second)
	if err == nil {
		err = exchange(c, bytes.Repeat([]byte("six"), 1<<20))
	}
	if err != nil {
		t.Errorf("TCP: %v", err)
	}
	s, err := net.ListenPacket("udp6", net.JoinHostPort(hostAddr6, "0"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	go echoPackets(s)
	if got := sayUDP(t, b, s.LocalAddr().String(), "six"); got != "six" {
		t.Errorf("UDP: %q", got)
	}
	for dst, kind := range map[string]int{"2001:db8:1::/48": unix.RTN_UNREACHABLE, "2001:db8:2::/48": unix.RTN_PROHIBIT} {
		if err := netlink.RouteAdd(&netlink.Route{Dst: ipNet(netip.MustParsePrefix(dst)), Type: kind}); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		addr string
		want error
	}{
		{"[" + hostAddr6 + "]:1", unix.ECONNREFUSED},
		{"[2001:db8:1::1]:80", unix.EHOSTUNREACH},
		{"[2001:db8:2::1]:80", unix.EACCES},
		{"[2001:db8:3::1]:80", unix.ENETUNREACH},
		{"[fd00:c0:2::2]:80", unix.ECONNREFUSED}, // closed by policy
		{"[64:ff9b::7f00:1]:80", unix.ECONNREFUSED},
	} {
		b.refuses(t, "tcp6", tt.addr, tt.want)
	}
}

// sayUDP sends a datagram from inside and returns the answer.
func sayUDP(t testing.TB, b *box, addr, text string) string {
	t.Helper()
	c, err := b.dial("udp", addr, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.Write([]byte(text))
	c.SetReadDeadline(time.Now().Add(5 * time.Second))
	buf := make([]byte, 1024)
	n, err := c.Read(buf)
	if err != nil {
		t.Fatal(err)
	}
	return string(buf[:n])
}

// TestIdleConversationEnds has a conversation that is silent for long: its
// socket on the host is given back, and the next word begins a new one.
func TestIdleConversationEnds(t *testing.T) {
	if !onHost(t) {
		return
	}
	b := newBox(t, func(c *Config) { c.idle = 1200 * time.Millisecond })
	s, err := net.ListenPacket("udp", hostAddr+":0")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	from := make(chan string, 8)
	go func() {
		buf := make([]byte, 1024)
		for {
			n, who, err := s.ReadFrom(buf)
			if err != nil {
				return
			}
			from <- who.String()
			s.WriteTo(buf[:n], who)
		}
	}()
	c, err := b.dial("udp", s.LocalAddr().String(), time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	say := func() string {
		t.Helper()
		c.Write([]byte("hello"))
		c.SetReadDeadline(time.Now().Add(5 * time.Second))
		if _, err := c.Read(make([]byte, 64)); err != nil {
			t.Fatal(err)
		}
		return <-from
	}
	first := say()
	for range 15 { // as long as it speaks it stays
		time.Sleep(b.net.flows.idle / 12)
		if now := say(); now != first {
			t.Fatalf("the conversation ended while it spoke: %s, then %s", first, now)
		}
	}
	testutil.Eventually(t, "the conversation ends", func() bool { return b.net.flows.now.Load() == 0 })
	if again := say(); again == first {
		t.Errorf("the socket at %s is still used", first)
	}
}
