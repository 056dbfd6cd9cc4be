// SPDX-License-Identifier: Apache-2.0

package slirp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/tcpip/checksum"
	"gvisor.dev/gvisor/pkg/tcpip/header"

	"coracle/pkg/slirp/l2"
	"coracle/pkg/slirp/netns"
)

// rogue is a container whose kernel has no address, so that all that is said on
// its wire is what a test writes.
type rogue struct {
	*box
	fd    int // packet socket on eth0, with a virtio_net_hdr before every frame
	conn  tcpState
	conns uint32
	ping  uint16
}

// tcpState is where the rogue's one connection to the host is.
type tcpState struct {
	from, to uint16 // ports
	seq, ack uint32
}

func newRogue(t testing.TB, change func(*Config)) *rogue {
	t.Helper()
	r := &rogue{box: newBox(t, change)}
	_, err := netns.In(r.ns, func() (struct{}, error) {
		link, err := netlink.LinkByName("eth0")
		if err != nil {
			return struct{}{}, err
		}
		for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
			addrs, err := netlink.AddrList(link, family)
			for i := range addrs {
				err = errors.Join(err, netlink.AddrDel(link, &addrs[i]))
			}
			if err != nil {
				return struct{}{}, err
			}
		}
		r.fd, err = packetSocket(link.Attrs().Index)
		return struct{}{}, err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(r.fd) })
	return r
}

// send writes a frame. The kernel refuses some, such as one with a nonsensical
// virtio_net_hdr; a full queue is no error either.
func (r *rogue) send(vnet, frame []byte) {
	hdr := make([]byte, vnetHeader)
	copy(hdr, vnet)
	_, _ = unix.Write(r.fd, append(hdr, frame...))
}

// receive returns the next frame, or nil when there is none until then.
func (r *rogue) receive(until time.Time) []byte {
	buf := make([]byte, l2.MaxFrame)
	for {
		wait := time.Until(until)
		if wait <= 0 {
			return nil
		}
		fds := []unix.PollFd{{Fd: int32(r.fd), Events: unix.POLLIN}}
		if n, err := unix.Poll(fds, int(wait.Milliseconds())+1); err != nil && err != unix.EINTR || n == 0 && err == nil {
			return nil
		}
		if n, err := unix.Read(r.fd, buf); err == nil && n >= vnetHeader+etherHeader {
			return buf[vnetHeader:n]
		}
	}
}

// ether puts the gateway's hardware address before a packet. Only
// ICMP's checksums are looked at.
func ether(c Config, kind uint16, packet []byte) []byte {
	gateway := macOf(c.Gateway)
	f := append([]byte(nil), gateway[:]...)
	f = append(f, c.MAC[:]...)
	return append(binary.BigEndian.AppendUint16(f, kind), packet...)
}

func (r *rogue) ipv4(dst netip.Addr, proto byte, payload []byte) []byte {
	h := make([]byte, header.IPv4MinimumSize, header.IPv4MinimumSize+len(payload))
	h[0], h[8], h[9] = 0x45, 64, proto
	binary.BigEndian.PutUint16(h[2:], uint16(len(h)+len(payload)))
	copy(h[12:], r.net.cfg.Address.Addr().AsSlice())
	copy(h[16:], dst.AsSlice())
	ip := header.IPv4(h)
	ip.SetChecksum(^ip.CalculateChecksum())
	packet := append(h, payload...)
	if icmp := header.ICMPv4(packet[len(h):]); proto == unix.IPPROTO_ICMP && len(icmp) >= header.ICMPv4MinimumSize {
		icmp.SetChecksum(0)
		icmp.SetChecksum(^checksum.Checksum(icmp, 0))
	}
	if tcp := header.TCP(packet[len(h):]); proto == unix.IPPROTO_TCP && len(tcp) >= header.TCPMinimumSize {
		tcp.SetChecksum(0)
		tcp.SetChecksum(^checksum.Checksum(tcp, header.PseudoHeaderChecksum(header.TCPProtocolNumber, ip.SourceAddress(), ip.DestinationAddress(), uint16(len(tcp)))))
	}
	return ether(r.net.cfg, unix.ETH_P_IP, packet)
}

func (r *rogue) ipv6(dst netip.Addr, proto byte, payload []byte) []byte {
	h := make([]byte, header.IPv6MinimumSize, header.IPv6MinimumSize+len(payload))
	h[0], h[6], h[7] = 0x60, proto, 64
	binary.BigEndian.PutUint16(h[4:], uint16(len(payload)))
	copy(h[8:], r.net.cfg.Address6.Addr().AsSlice())
	copy(h[24:], dst.AsSlice())
	packet := append(h, payload...)
	if icmp := header.ICMPv6(packet[len(h):]); proto == unix.IPPROTO_ICMPV6 && len(icmp) >= header.ICMPv6MinimumSize {
		ip := header.IPv6(packet)
		icmp.SetChecksum(0)
		icmp.SetChecksum(header.ICMPv6Checksum(header.ICMPv6ChecksumParams{Header: icmp, Src: ip.SourceAddress(), Dst: ip.DestinationAddress()}))
	}
	return ether(r.net.cfg, unix.ETH_P_IPV6, packet)
}

// segment is a part of the rogue's connection to the host.
func (r *rogue) segment(flags byte, ahead uint16, payload []byte) []byte {
	h := make([]byte, header.TCPMinimumSize, header.TCPMinimumSize+len(payload))
	binary.BigEndian.PutUint16(h, r.conn.from)
	binary.BigEndian.PutUint16(h[2:], r.conn.to)
	binary.BigEndian.PutUint32(h[4:], r.conn.seq+uint32(ahead))
	binary.BigEndian.PutUint32(h[8:], r.conn.ack)
	h[12], h[13] = 5<<4, flags
	binary.BigEndian.PutUint16(h[14:], 0xffff)
	return r.ipv4(netip.MustParseAddr(hostAddr), unix.IPPROTO_TCP, append(h, payload...))
}

const syn, rst, ack = 2, 4, 16

// connect opens the connection anew.
func (r *rogue) connect(port uint16) bool {
	// A number of its own, as a kernel would choose.
	r.conns++
	r.conn = tcpState{from: uint16(1024 + r.conns%60000), to: port, seq: r.conns << 12}
	request := r.segment(syn, 0, nil)
	return r.until(request, unix.IPPROTO_TCP, func(b []byte) bool {
		tcp := header.TCP(b)
		if len(tcp) < header.TCPMinimumSize || tcp.DestinationPort() != r.conn.from || tcp.SourcePort() != port || tcp.Flags()&(syn|ack) != syn|ack {
			return false
		}
		r.conn.seq, r.conn.ack = tcp.AckNumber(), tcp.SequenceNumber()+1
		r.send(nil, r.segment(ack, 0, nil))
		return true
	})
}

// until sends a frame, again and again, until the right answer comes.
func (r *rogue) until(request []byte, proto byte, right func([]byte) bool) bool {
	for end := time.Now().Add(8 * time.Second); time.Now().Before(end); {
		r.send(nil, request)
		next := time.Now().Add(500 * time.Millisecond)
		for f := r.receive(next); f != nil; f = r.receive(next) {
			ip := header.IPv4(f[etherHeader:])
			r.resetAgain(ip)
			if len(ip) > header.IPv4MinimumSize && f[12] == 8 && f[13] == 0 && ip[9] == proto && right(ip[header.IPv4MinimumSize:]) {
				return true
			}
		}
	}
	return false
}

// resetAgain ends the connection when somebody asks whether it was meant: a reset
// with another number than the next one is challenged (RFC 5961).
func (r *rogue) resetAgain(ip header.IPv4) {
	if len(ip) < header.IPv4MinimumSize+header.TCPMinimumSize || ip[9] != unix.IPPROTO_TCP {
		return
	}
	if tcp := header.TCP(ip[header.IPv4MinimumSize:]); tcp.DestinationPort() == r.conn.from && tcp.Flags()&(syn|rst|ack) == ack {
		r.conn.seq = tcp.AckNumber()
		r.send(nil, r.segment(rst, 0, nil))
	}
}

// answered reports whether the gateway answers an echo request: all that was
// sent before has been read then.
func (r *rogue) answered() bool {
	r.ping++
	echo := header.ICMPv4(make([]byte, header.ICMPv4MinimumSize))
	echo.SetType(header.ICMPv4Echo)
	echo.SetIdent(r.ping)
	return r.until(r.ipv4(r.net.cfg.Gateway, unix.IPPROTO_ICMP, echo), unix.IPPROTO_ICMP, func(b []byte) bool {
		h := header.ICMPv4(b)
		return len(h) >= header.ICMPv4MinimumSize && h.Type() == header.ICMPv4EchoReply && h.Ident() == r.ping
	})
}

// play writes frames as data says: each is a length, a kind and what is in it.
func (r *rogue) play(data []byte) {
	v4 := []netip.Addr{r.net.cfg.Gateway, r.net.cfg.DNS, netip.MustParseAddr(hostAddr), netip.MustParseAddr("127.0.0.1"),
		netip.MustParseAddr("198.51.100.1"), netip.MustParseAddr("224.0.0.1"), netip.MustParseAddr("255.255.255.255"), r.net.cfg.Address.Addr()}
	v6 := []netip.Addr{r.net.cfg.Gateway6, netip.MustParseAddr(hostAddr6), netip.IPv6Loopback(), netip.MustParseAddr("ff02::1"),
		netip.MustParseAddr("::ffff:127.0.0.1"), netip.MustParseAddr("fe80::1"), r.net.cfg.Address6.Addr(), netip.IPv6Unspecified()}
	for frames := 0; len(data) >= 3 && frames < 64; frames++ {
		size, kind := int(binary.BigEndian.Uint16(data)), data[2]
		data = data[3:]
		part := data[:min(size, len(data))]
		data = data[len(part):]
		switch {
		case kind%5 == 0:
			r.send(nil, part)
		case kind%5 == 1 && len(part) >= 2:
			r.send(nil, r.ipv4(v4[part[0]%8], part[1], part[2:]))
		case kind%5 == 2 && len(part) >= 2:
			r.send(nil, r.ipv6(v6[part[0]%8], part[1], part[2:]))
		case kind%5 == 3 && len(part) >= 3:
			r.send(nil, r.segment(part[0], binary.BigEndian.Uint16(part[1:]), part[3:]))
		case kind%5 == 4 && len(part) >= vnetHeader:
			r.send(part[:vnetHeader], part[vnetHeader:])
		}
	}
}

// FuzzFrames has a container with NET_RAW write frames of any kind. The network
// lives, and nobody gets to the host's loopback.
func FuzzFrames(f *testing.F) {
	if !onHost(f) {
		f.Fuzz(func(*testing.T, []byte) {}) // there
		return
	}
	var intruders atomic.Int32
	for _, addr := range []string{"127.0.0.1:80", "[::1]:80"} {
		if l, err := net.Listen("tcp", addr); err == nil {
			f.Cleanup(func() { l.Close() })
			go accept(l, func(c net.Conn) { intruders.Add(1); c.Close() })
		}
	}
	_, port, _ := net.SplitHostPort(listenHost(f, digest))
	to, err := netip.ParseAddrPort("0.0.0.0:" + port)
	if err != nil {
		f.Fatal(err)
	}
	r := newRogue(f, withIPv6)
	for _, seed := range frameSeeds(r) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if !r.connect(to.Port()) {
			t.Fatal("no connection to the host")
		}
		r.play(data)
		r.send(nil, r.segment(rst|ack, 0, nil))
		r.conn.seq-- // said before: the answer tells the number of the right reset
		r.send(nil, r.segment(ack, 0, []byte{0}))
		if !r.answered() {
			t.Fatal("the gateway does not answer any more")
		}
		if intruders.Load() != 0 {
			t.Fatal("a connection to the host's loopback")
		}
	})
}

// script makes data for play.
func script(frames ...[]byte) []byte {
	var b []byte
	for _, f := range frames {
		b = append(binary.BigEndian.AppendUint16(b, uint16(len(f)-1)), f...)
	}
	return b
}

func part(kind byte, rest ...[]byte) []byte { return append([]byte{kind}, bytes.Join(rest, nil)...) }

// frameSeeds are an example of everything that a container may say, and of some
// that it should not.
func frameSeeds(r *rogue) [][]byte {
	tcpSYN := []byte{0x30, 0x39, 0, 80, 0, 0, 0, 1, 0, 0, 0, 0, 0x60, 2, 0xff, 0xff, 0, 0, 0, 0, 2, 4, 5, 0xb4}
	dns := []byte("\x30\x39\x00\x35\x00\x19\x00\x00\x00\x07\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x01")
	echo := []byte{8, 0, 0, 0, 0, 1, 0, 1, 'x'}
	echo6 := []byte{128, 0, 0, 0, 0, 1, 0, 1, 'x'}
	quoted := append([]byte{3, 4, 0, 0, 0, 0, 2, 0x24}, r.segment(ack, 0, nil)[etherHeader:]...)
	arp := ether(r.net.cfg, unix.ETH_P_ARP, []byte{0, 1, 8, 0, 6, 4, 0, 1, 2, 0x42, 10, 0, 2, 100, 10, 0, 2, 100, 0, 0, 0, 0, 0, 0, 10, 0, 2, 2})
	solicit := append([]byte{135, 0, 0, 0, 0, 0, 0, 0}, netip.MustParseAddr("fd00:c0:2::2").AsSlice()...)
	fragment := func(off uint16) []byte {
		p := r.ipv4(netip.MustParseAddr(hostAddr), unix.IPPROTO_UDP, bytes.Repeat([]byte("y"), 24))
		binary.BigEndian.PutUint16(p[etherHeader+6:], off)
		h := header.IPv4(p[etherHeader:])
		h.SetChecksum(0)
		h.SetChecksum(^h.CalculateChecksum())
		return p
	}
	options := r.ipv4(netip.MustParseAddr(hostAddr), unix.IPPROTO_ICMP, append([]byte{7, 7, 4, 10, 0, 2, 2, 0x44, 12, 5, 1}, echo...))
	options[etherHeader] = 0x48
	hopByHop := append([]byte{58, 0, 5, 2, 0, 0, 1, 0}, echo6...)
	routing := append([]byte{58, 2, 0, 1, 0, 0, 0, 0}, append(netip.MustParseAddr(hostAddr6).AsSlice(), echo6...)...)
	gso := append([]byte{0, 1, 54, 0, 0x64, 0, 34, 0, 16, 0}, r.segment(ack, 0, bytes.Repeat([]byte("z"), 300))...)
	return [][]byte{
		nil,
		script(part(0, nil), part(0, []byte("short")), part(0, arp), part(0, arp[:20]), part(0, fragment(0x2000)), part(0, fragment(3)), part(0, fragment(0x3fff))),
		script(part(1, []byte{0, 6}, tcpSYN), part(1, []byte{2, 6}, tcpSYN), part(1, []byte{3, 6}, tcpSYN), part(1, []byte{4, 6}, tcpSYN), part(1, []byte{6, 6}, tcpSYN)),
		script(part(1, []byte{1, 17}, dns), part(1, []byte{2, 17}, dns), part(1, []byte{3, 17}, dns), part(1, []byte{1, 17}, dns[:9]), part(1, []byte{2, 17}, dns[:4])),
		script(part(1, []byte{0, 1}, echo), part(1, []byte{2, 1}, echo), part(1, []byte{2, 1}, echo[:6]), part(1, []byte{2, 1}, quoted), part(0, options)),
		script(part(2, []byte{0, 58}, echo6), part(2, []byte{1, 58}, echo6), part(2, []byte{3, 58}, solicit), part(2, []byte{1, 0}, hopByHop), part(2, []byte{1, 43}, routing)),
		script(part(2, []byte{1, 6}, tcpSYN), part(2, []byte{2, 6}, tcpSYN), part(2, []byte{4, 6}, tcpSYN), part(2, []byte{1, 17}, dns), part(2, []byte{1, 44}, []byte{17, 0, 0, 1, 0, 0, 0, 1}, dns)),
		script(part(3, []byte{ack, 0, 0}, []byte("hello")), part(3, []byte{ack, 0, 90}, []byte("later")), part(3, []byte{ack | 32, 0, 5}, []byte("urgent")), part(3, []byte{ack | 1, 0, 11}), part(3, []byte{syn | ack, 0, 0}), part(3, []byte{rst, 0, 0})),
		script(part(4, gso), part(4, []byte{1, 3, 42, 0, 8, 0, 34, 0, 6, 0}, gso[vnetHeader:]), part(4, bytes.Repeat([]byte{0xff}, 90))),
	}
}
