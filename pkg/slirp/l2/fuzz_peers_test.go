// SPDX-License-Identifier: Apache-2.0

package l2

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
)

// wiring is a member of a network whose wire is in the hands of a test, and
// another member that the test is.
type wiring struct {
	one, two *member
	wire     *os.File // what the container writes, and reads
	toOne    *net.UnixConn
	number   uint32
}

// member is one of two on a segment.
type member struct {
	Place
	path  string
	conn  *net.UnixConn
	other *member
}

func newMembers(t testing.TB) (one, two *member) {
	t.Helper()
	var list [2]*member
	for i := range list {
		m := &member{path: filepath.Join(t.TempDir(), "socket")}
		m.Gateway, m.Gateway6 = netip.MustParseAddr("172.18.0.1"), netip.MustParseAddr("fd12::1")
		m.Address = netip.PrefixFrom(netip.AddrFrom4([4]byte{172, 18, 0, byte(2 + i)}), 16)
		m.Address6 = netip.PrefixFrom(netip.MustParseAddr([]string{"fd12::2", "fd12::3"}[i]), 64)
		m.MAC = MACOf(m.Address.Addr())
		var err error
		if m.conn, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Name: m.path, Net: "unixgram"}); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { m.conn.Close() })
		list[i] = m
	}
	list[0].other, list[1].other = list[1], list[0]
	return list[0], list[1]
}

func (m *member) ByMAC(mac MAC) (Peer, bool) { return Peer{MAC: mac}, mac == m.other.MAC }
func (m *member) ByAddr(a netip.Addr) (Peer, bool) {
	return Peer{MAC: m.other.MAC}, a == m.other.Address.Addr() || a == m.other.Address6.Addr()
}
func (m *member) Others() []MAC       { return []MAC{m.other.MAC} }
func (m *member) Conn() *net.UnixConn { return m.conn }
func (m *member) Dial(mac MAC) (*net.UnixConn, error) {
	if mac != m.other.MAC {
		return nil, errors.New("nobody is there")
	}
	return net.DialUnix("unixgram", nil, &net.UnixAddr{Name: m.other.path, Net: "unixgram"})
}

func newWiring(t testing.TB) *wiring {
	t.Helper()
	one, two := newMembers(t)
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	s := NewSwitch(Wire{Stack: fds[0], tap: &tapWire{others: fds[0]}}, Config{Place: one.Place}, one)
	v := &wiring{one: one, two: two, wire: os.NewFile(uintptr(fds[1]), "wire")}
	if v.toOne, err = v.two.Dial(v.one.MAC); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.Close()
		v.toOne.Close()
		v.wire.Close()
		unix.Close(fds[0])
	})
	return v
}

// frame is a good one, with a number in it.
func (v *wiring) frame(from, to *member) []byte {
	v.number++
	f := make([]byte, VnetHeader+EtherHeader+20)
	ether := f[VnetHeader:]
	copy(ether, to.MAC[:])
	copy(ether[6:], from.MAC[:])
	ether[12], ether[EtherHeader] = 0x08, 0x45
	copy(ether[EtherHeader+12:], from.Address.Addr().AsSlice())
	copy(ether[EtherHeader+16:], to.Address.Addr().AsSlice())
	return binary.BigEndian.AppendUint32(f, v.number)
}

// out has the container write a frame and then a good one, which must reach the
// other member. Before it may come only what is in the container's own name.
func (v *wiring) out(t *testing.T, frame []byte) {
	t.Helper()
	good := v.frame(v.one, v.two)
	for _, f := range [][]byte{frame, good} {
		if _, err := v.wire.Write(f); err != nil && len(f) > 0 {
			t.Fatal(err)
		}
	}
	buf := make([]byte, MaxFrame)
	_ = v.two.conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	for oob := make([]byte, unix.CmsgSpace(4)); ; {
		n, oobn, _, _, err := v.two.conn.ReadMsgUnix(buf, oob)
		if err != nil {
			t.Fatalf("the other member hears nothing: %v", err)
		}
		if oobn > 0 {
			giveWire(oob[:oobn], -1)
			continue
		}
		if bytes.Equal(buf[:n], good) {
			break
		}
		if !v.own(buf[:n], frame) {
			t.Fatalf("the other member hears %x", buf[:n])
		}
	}
	// What the container hears itself is who has an address.
	for n := v.heard(buf); n > 0; n = v.heard(buf) {
		ether := buf[VnetHeader:n]
		from, answer := ether[6:12], isARP(ether) && ether[EtherHeader+7] == 2
		if isDiscovery(ether) {
			answer = header.ICMPv6(ether[EtherHeader+header.IPv6MinimumSize:]).Type() == header.ICMPv6NeighborAdvert
		}
		if !answer || !bytes.Equal(from, v.two.MAC[:]) && MAC(from) != MACOf(v.one.Gateway) {
			t.Fatalf("the container hears %x", buf[:n])
		}
	}
}

// own reports whether what arrived is a frame that was sent, in the container's
// own name.
func (v *wiring) own(arrived, sent []byte) bool {
	ether := arrived[VnetHeader:]
	if !bytes.Equal(ether[6:12], v.one.MAC[:]) {
		return false
	}
	if etherType(ether) == unix.ETH_P_IPV6 {
		const hopLimit = VnetHeader + EtherHeader + 7
		sent = bytes.Clone(sent)
		sent[hopLimit] = min(sent[hopLimit], discoveryHops-1)
		return bytes.Equal(arrived, sent) && netip.AddrFrom16([16]byte(ether[EtherHeader+8:])) == v.one.Address6.Addr()
	}
	return bytes.Equal(arrived, sent) && etherType(ether) == unix.ETH_P_IP && netip.AddrFrom4([4]byte(ether[EtherHeader+12:])) == v.one.Address.Addr()
}

// frame6 is an IPv6 packet to the other member, with a message of ICMPv6.
func (v *wiring) frame6(kind header.ICMPv6Type, body []byte) []byte {
	ip := make([]byte, header.IPv6MinimumSize)
	header.IPv6(ip).Encode(&header.IPv6Fields{
		PayloadLength: uint16(4 + len(body)), TransportProtocol: header.ICMPv6ProtocolNumber, HopLimit: discoveryHops,
		SrcAddr: tcpip.AddrFromSlice(v.one.Address6.Addr().AsSlice()), DstAddr: tcpip.AddrFromSlice(v.two.Address6.Addr().AsSlice()),
	})
	f := append(make([]byte, VnetHeader), v.two.MAC[:]...)
	f = append(append(f, v.one.MAC[:]...), 0x86, 0xdd)
	return append(append(append(f, ip...), byte(kind), 0, 0, 0), body...)
}

// heard reads what is already there.
func (v *wiring) heard(buf []byte) (n int) {
	raw, err := v.wire.SyscallConn()
	if err != nil {
		return 0
	}
	_ = raw.Control(func(fd uintptr) { n, _, _ = unix.Recvfrom(int(fd), buf, unix.MSG_DONTWAIT) })
	return max(n, 0)
}

// in has another member send a datagram and then a good one, which must reach
// the container.
func (v *wiring) in(t *testing.T, datagram []byte) {
	t.Helper()
	good := v.frame(v.two, v.one)
	for _, d := range [][]byte{datagram, good} {
		_ = v.toOne.SetWriteDeadline(time.Now().Add(5 * time.Second))
		if _, err := v.toOne.Write(d); err != nil {
			t.Fatal(err)
		}
	}
	buf := make([]byte, MaxFrame+1)
	_ = v.wire.SetReadDeadline(time.Now().Add(5 * time.Second))
	for {
		n, err := v.wire.Read(buf)
		if err != nil {
			t.Fatalf("the container hears nothing: %v", err)
		}
		if bytes.Equal(buf[:n], good) {
			return
		}
		if n < VnetHeader+EtherHeader || !bytes.Equal(buf[:n], datagram[:min(len(datagram), MaxFrame)]) {
			t.Fatalf("the container hears %x", buf[:n])
		}
	}
}

// FuzzPeers gives the switch of a network any frame of its container, and any
// datagram of another member. Good ones get through afterwards, and nothing
// goes out in another's name.
func FuzzPeers(f *testing.F) {
	v := newWiring(f)
	arp := make([]byte, VnetHeader+EtherHeader+arpLength)
	ether := arp[VnetHeader:]
	ether[12], ether[13] = 0x08, 0x06
	copy(ether[EtherHeader:], []byte{0, 1, 8, 0, 6, 4, 0, 1, 2, 0x42, 10, 0, 0, 1})
	copy(ether[EtherHeader+24:], v.two.Address.Addr().AsSlice())
	broadcast := v.frame(v.one, v.two)
	copy(broadcast[VnetHeader:], bytes.Repeat([]byte{0xff}, 6))
	solicit := append([]byte{0, 0, 0, 0}, v.two.Address6.Addr().AsSlice()...)
	for _, seed := range [][]byte{
		v.frame6(header.ICMPv6NeighborSolicit, solicit), v.frame6(header.ICMPv6NeighborSolicit, append(solicit, 1, 1, 2, 0x42, 0, 0, 0, 0)),
		v.frame6(header.ICMPv6NeighborSolicit, solicit[:7]), v.frame6(header.ICMPv6NeighborAdvert, solicit), v.frame6(header.ICMPv6RouterAdvert, make([]byte, 12)),
		v.frame6(header.ICMPv6EchoRequest, []byte{0, 1, 0, 1, 'x'}), v.frame6(header.ICMPv6EchoRequest, nil)[:VnetHeader+EtherHeader+30],
		nil, []byte("short"), arp, arp[:len(arp)-1], broadcast, v.frame(v.one, v.two), v.frame(v.two, v.one), v.frame(v.one, v.one),
		bytes.Repeat([]byte{0xff}, 64), make([]byte, MaxFrame), make([]byte, MaxFrame+100), v.frame(v.one, v.two)[:VnetHeader+EtherHeader],
	} {
		f.Add(seed, true)
		f.Add(seed, false)
	}
	f.Fuzz(func(t *testing.T, data []byte, out bool) {
		if out {
			v.out(t, data)
		} else {
			v.in(t, data)
		}
	})
}
