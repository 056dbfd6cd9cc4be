// SPDX-License-Identifier: Apache-2.0

package slirp

import (
	"bytes"
	"crypto/rand"
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"

	"coracle/internal/testutil"
	"coracle/pkg/slirp/l2"
	"coracle/pkg/slirp/netns"
	"coracle/pkg/slirp/slirptest"
)

// members puts two boxes on a network with both families.
func members(t *testing.T, change func(*Config)) (one, two *box) {
	t.Helper()
	join := joiner(t, change)
	return join(), join()
}

// joiner makes such a network, and boxes on it.
func joiner(t *testing.T, change func(*Config)) func() *box {
	t.Helper()
	segment := slirptest.NewSegment(t)
	return func() *box {
		t.Helper()
		m := segment.Join(t)
		return newBox(t, func(c *Config) {
			join(c, m)
			if change != nil {
				change(c)
			}
		})
	}
}

// join makes the plan of a link that of a member.
func join(c *Config, m *slirptest.Member) {
	c.Place, c.DNS, c.Peers = m.Place, m.Gateway, m
}

// leave takes a box off its segment.
func (b *box) leave() { b.net.cfg.Peers.(*slirptest.Member).Leave() }

// reach exchanges data with a server in two, over both families.
func reach(t *testing.T, one, two *box) {
	t.Helper()
	go accept(two.listen("0.0.0.0:80"), digest)
	go accept(two.listen("[::]:81"), digest)
	data := make([]byte, 4<<20)
	rand.Read(data)
	for _, to := range []netip.AddrPort{
		netip.AddrPortFrom(two.net.cfg.Address.Addr(), 80), netip.AddrPortFrom(two.net.cfg.Address6.Addr(), 81),
	} {
		c, err := one.dial("tcp", to.String(), 5*time.Second)
		if err == nil {
			err = exchange(c, data)
		}
		if err != nil {
			t.Errorf("%s: %v", to, err)
		}
	}
}

func TestMembersReachEachOther(t *testing.T) {
	if !onHost(t) {
		return
	}
	one, two := members(t, nil)
	reach(t, one, two)
	// The kernel forgets who is where when a link goes down.
	_, err := netns.In(one.ns, func() (struct{}, error) {
		link, err := netlink.LinkByName("eth0")
		if err == nil {
			err = netlink.LinkSetDown(link)
		}
		if err == nil {
			err = netlink.LinkSetUp(link)
		}
		if err == nil {
			err = netlink.RouteAdd(&netlink.Route{LinkIndex: link.Attrs().Index, Gw: one.net.cfg.Gateway.AsSlice()})
		}
		return struct{}{}, err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, to := range []string{net.JoinHostPort(two.net.cfg.Address.Addr().String(), "80"), listenHost(t, digest)} {
		c, err := one.dial("tcp", to, 5*time.Second)
		if err == nil {
			err = exchange(c, []byte("hello"))
		}
		if err != nil {
			t.Errorf("after the link was down: %s: %v", to, err)
		}
	}
}

// TestMemberComesBack has a member leave and another one take its addresses.
func TestMemberComesBack(t *testing.T) {
	if !onHost(t) {
		return
	}
	join := joiner(t, nil)
	one, two := join(), join()
	reach(t, one, two)
	before := two.net.cfg.Address
	two.leave()
	// The wire is still there, as that of a supervisor that was killed may be.
	three := join()
	if three.net.cfg.Address != before {
		t.Fatalf("%s, not %s", three.net.cfg.Address, before)
	}
	go accept(three.listen("0.0.0.0:90"), digest)
	// For a moment frames still go to the one before, where nobody listens.
	var c net.Conn
	testutil.Eventually(t, "the new one is reached", func() bool {
		var err error
		c, err = one.dial("tcp", netip.AddrPortFrom(before.Addr(), 90).String(), 5*time.Second)
		return err == nil
	})
	if err := exchange(c, []byte("hello")); err != nil {
		t.Errorf("the new one: %v", err)
	}
	// Now it is gone with its member.
	three.leave()
	three.net.Disconnect()
	reach(t, one, join())
}

// TestEntryHearsNothing has a member try to listen at the socket by which it
// puts frames on another's wire.
func TestEntryHearsNothing(t *testing.T) {
	if !onHost(t) {
		return
	}
	join := joiner(t, nil)
	one, two, three := join(), join(), join()
	conn, err := one.net.cfg.Peers.Dial(two.net.cfg.MAC)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fd, err := l2.AskForWire(conn)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	var name unix.Sockaddr
	if name, err = unix.Getsockname(fd); err == nil {
		err = unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: everything, Ifindex: name.(*unix.SockaddrLinklayer).Ifindex})
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DETACH_FILTER, 0); !errors.Is(err, unix.EPERM) {
		t.Errorf("the filter can be removed: %v", err)
	}
	reach(t, three, two)
	reach(t, two, three)
	if n, _, err := unix.Recvfrom(fd, make([]byte, 1), 0); err != unix.EAGAIN {
		t.Errorf("%d bytes of another's frames are heard, %v", n, err)
	}
}

// TestMembersCannotLie has one member tell another, by neighbour discovery and
// in packets, that it is somebody else.
func TestMembersCannotLie(t *testing.T) {
	if !onHost(t) {
		return
	}
	one, two := members(t, nil)
	reach(t, one, two)
	gateway6, own6 := one.net.cfg.Gateway6, one.net.cfg.Address6.Addr()
	own, to := one.net.cfg.MAC, two.net.cfg.MAC
	advert := func(src netip.Addr) []byte { // that the gateway is here
		ip := header.IPv6(make([]byte, header.IPv6MinimumSize+32))
		dst := two.net.cfg.Address6.Addr()
		ip.Encode(&header.IPv6Fields{PayloadLength: 32, TransportProtocol: 58, HopLimit: 255, SrcAddr: tcpipAddr(src), DstAddr: tcpipAddr(dst)})
		msg := header.ICMPv6(ip[header.IPv6MinimumSize:])
		msg.SetType(header.ICMPv6NeighborAdvert)
		na := header.NDPNeighborAdvert(msg.MessageBody())
		na.SetOverrideFlag(true)
		na.SetTargetAddress(tcpipAddr(gateway6))
		copy(na[20:], append([]byte{2, 1}, own[:]...))
		msg.SetChecksum(header.ICMPv6Checksum(header.ICMPv6ChecksumParams{Header: msg, Src: tcpipAddr(src), Dst: tcpipAddr(dst)}))
		frame := append(append([]byte{}, to[:]...), own[:]...)
		return append(append(frame, 0x86, 0xdd), ip...)
	}
	hopByHop := func(src netip.Addr) []byte { // behind another header
		f := advert(src)
		ip := header.IPv6(f[l2.EtherHeader:])
		ip[6] = 0
		rest := append([]byte{58, 0, 1, 4, 0, 0, 0, 0}, ip[header.IPv6MinimumSize:]...)
		f = append(f[:l2.EtherHeader+header.IPv6MinimumSize], rest...)
		header.IPv6(f[l2.EtherHeader:]).SetPayloadLength(uint16(len(rest)))
		return f
	}
	udp := func(src netip.Addr) []byte {
		f := hopByHop(src)
		f[l2.EtherHeader+header.IPv6MinimumSize] = 59 // nothing follows
		return f
	}
	heard, err := netns.In(two.ns, func() (int, error) {
		link, err := netlink.LinkByName("eth0")
		if err != nil {
			return -1, err
		}
		return packetSocket(link.Attrs().Index)
	})
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(heard)
	for _, f := range [][]byte{advert(own6), advert(gateway6), hopByHop(own6), hopByHop(gateway6), udp(gateway6)} {
		_, err := netns.In(one.ns, func() (struct{}, error) {
			link, err := netlink.LinkByName("eth0")
			if err != nil {
				return struct{}{}, err
			}
			fd, err := packetSocket(link.Attrs().Index)
			if err != nil {
				return struct{}{}, err
			}
			defer unix.Close(fd)
			_, err = unix.Write(fd, append(make([]byte, l2.VnetHeader), f...))
			return struct{}{}, err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	reach2 := func() error { // whatever was to arrive has arrived before this
		c, err := one.dial("tcp", netip.AddrPortFrom(two.net.cfg.Address6.Addr(), 81).String(), 5*time.Second)
		if err == nil {
			err = exchange(c, []byte("hello"))
		}
		return err
	}
	if err := reach2(); err != nil {
		t.Error(err)
	}
	buf, arrived := make([]byte, l2.MaxFrame), 0
	for {
		n, from, err := unix.Recvfrom(heard, buf, 0)
		if err != nil {
			break
		}
		if a, ok := from.(*unix.SockaddrLinklayer); ok && a.Pkttype == unix.PACKET_OUTGOING {
			continue // its own kernel asks for routers and neighbours when it likes
		}
		ip := header.IPv6(buf[l2.VnetHeader+l2.EtherHeader : n])
		if len(ip) < header.IPv6MinimumSize || buf[l2.VnetHeader+12] != 0x86 {
			continue
		}
		if src := addrOf(ip.SourceAddress()); src == gateway6 {
			t.Error("a packet in the gateway's name")
		}
		if bytes.Contains(ip.Payload(), gateway6.AsSlice()) { // answers to its own questions name members
			if arrived++; ip.HopLimit() == 255 {
				t.Errorf("a packet that may be taken for neighbour discovery: % x", buf[:n])
			}
		}
	}
	if arrived == 0 {
		t.Error("the packet behind another header did not arrive")
	}
	_, err = netns.In(two.ns, func() (struct{}, error) {
		list, err := netlink.NeighList(0, netlink.FAMILY_V6)
		for _, n := range list {
			if n.IP.Equal(gateway6.AsSlice()) && n.HardwareAddr.String() == own.String() {
				t.Error("the gateway is believed to be the other member")
			}
		}
		return struct{}{}, err
	})
	if err != nil {
		t.Error(err)
	}
}

const everything = unix.ETH_P_ALL>>8 | unix.ETH_P_ALL&0xff<<8 // htons

// packetSocket is what a program with NET_RAW has on an interface.
func packetSocket(index int) (int, error) {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return -1, err
	}
	return fd, errors.Join(unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_VNET_HDR, 1),
		unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: everything, Ifindex: index}))
}

func tcpipAddr(a netip.Addr) tcpip.Address { return tcpip.AddrFromSlice(a.AsSlice()) }

// TestFirstWordIsToAll has a member that has met nobody speak to all of them: the
// others hear it.
func TestFirstWordIsToAll(t *testing.T) {
	if !onHost(t) {
		return
	}
	one, two := members(t, nil)
	socket := func(b *box, at string) net.PacketConn {
		c, err := netns.In(b.ns, func() (net.PacketConn, error) { return net.ListenPacket("udp4", at) })
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	hear, say := socket(two, ":99"), socket(one, ":0")
	if _, err := say.WriteTo([]byte("to all"), &net.UDPAddr{IP: net.IPv4bcast, Port: 99}); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 64)
	_ = hear.SetReadDeadline(time.Now().Add(10 * time.Second))
	if n, from, err := hear.ReadFrom(buf); err != nil || string(buf[:n]) != "to all" {
		t.Errorf("heard %q of %v, %v", buf[:n], from, err)
	}
}
