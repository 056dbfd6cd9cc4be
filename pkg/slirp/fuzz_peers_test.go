// SPDX-License-Identifier: Apache-2.0

package slirp

import (
	"bytes"
	"context"
	"coracle/pkg/state"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
)

// wiring is a member of a network whose wire is in the hands of a test, and
// another member that the test is.
type wiring struct {
	one, two *Membership
	wire     *os.File // what the container writes, and reads
	toOne    *net.UnixConn
	number   uint32
}

func newWiring(t testing.TB) *wiring {
	t.Helper()
	n, ctx := Networks{state.Dirs{Root: t.TempDir()}}, context.Background()
	w, err := n.Create(ctx, NewNamed{Name: "net", IPv6: true})
	if err != nil {
		t.Fatal(err)
	}
	var list [2]*Membership
	for i, name := range []string{"one", "two"} {
		if list[i], err = n.Join(ctx, w, Member{Container: strings.Repeat(name, 20), Name: name}); err != nil {
			t.Fatal(err)
		}
	}
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	s := newPeerSwitch(fds[0], -1, list[0])
	v := &wiring{one: list[0], two: list[1], wire: os.NewFile(uintptr(fds[1]), "wire")}
	if v.toOne, err = v.two.dial(v.one.Self.MAC); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.close()
		v.toOne.Close()
		v.wire.Close()
		unix.Close(fds[0])
		_ = errors.Join(v.one.Leave(), v.two.Leave())
	})
	return v
}

// frame is a good one, with a number in it.
func (v *wiring) frame(from, to *Membership) []byte {
	v.number++
	f := make([]byte, vnetHeader+etherHeader+20)
	ether := f[vnetHeader:]
	copy(ether, to.Self.MAC[:])
	copy(ether[6:], from.Self.MAC[:])
	ether[12], ether[etherHeader] = 0x08, 0x45
	copy(ether[etherHeader+12:], from.Self.Addr.AsSlice())
	copy(ether[etherHeader+16:], to.Self.Addr.AsSlice())
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
	buf := make([]byte, maxFrame)
	_ = v.two.conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	for oob := make([]byte, unix.CmsgSpace(4)); ; {
		n, oobn, _, _, err := v.two.conn.ReadMsgUnix(buf, oob)
		if err != nil {
			t.Fatalf("the other member hears nothing: %v", err)
		}
		if oobn > 0 {
			(&peerSwitch{entry: -1}).giveWire(oob[:oobn])
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
		ether := buf[vnetHeader:n]
		from, answer := ether[6:12], isARP(ether) && ether[etherHeader+7] == 2
		if isDiscovery(ether) {
			answer = header.ICMPv6(ether[etherHeader+header.IPv6MinimumSize:]).Type() == header.ICMPv6NeighborAdvert
		}
		if !answer || !bytes.Equal(from, v.two.Self.MAC[:]) && MAC(from) != macOf(v.one.Network.Gateway) {
			t.Fatalf("the container hears %x", buf[:n])
		}
	}
}

// own reports whether what arrived is a frame that was sent, in the container's
// own name.
func (v *wiring) own(arrived, sent []byte) bool {
	ether := arrived[vnetHeader:]
	if !bytes.Equal(ether[6:12], v.one.Self.MAC[:]) {
		return false
	}
	if etherType(ether) == unix.ETH_P_IPV6 {
		const hopLimit = vnetHeader + etherHeader + 7
		sent = bytes.Clone(sent)
		sent[hopLimit] = min(sent[hopLimit], discoveryHops-1)
		return bytes.Equal(arrived, sent) && netip.AddrFrom16([16]byte(ether[etherHeader+8:])) == v.one.Self.Addr6
	}
	return bytes.Equal(arrived, sent) && etherType(ether) == unix.ETH_P_IP && netip.AddrFrom4([4]byte(ether[etherHeader+12:])) == v.one.Self.Addr
}

// frame6 is an IPv6 packet to the other member, with a message of ICMPv6.
func (v *wiring) frame6(kind header.ICMPv6Type, body []byte) []byte {
	ip := make([]byte, header.IPv6MinimumSize)
	header.IPv6(ip).Encode(&header.IPv6Fields{
		PayloadLength: uint16(4 + len(body)), TransportProtocol: header.ICMPv6ProtocolNumber, HopLimit: discoveryHops,
		SrcAddr: tcpip.AddrFromSlice(v.one.Self.Addr6.AsSlice()), DstAddr: tcpip.AddrFromSlice(v.two.Self.Addr6.AsSlice()),
	})
	f := append(make([]byte, vnetHeader), v.two.Self.MAC[:]...)
	f = append(append(f, v.one.Self.MAC[:]...), 0x86, 0xdd)
	return append(append(append(f, ip...), byte(kind), 0, 0, 0), body...)
}

// heard reads what is already there.
func (v *wiring) heard(buf []byte) (n int) {
	_ = control(v.wire, func(fd int) error {
		var err error
		n, _, err = unix.Recvfrom(fd, buf, unix.MSG_DONTWAIT)
		return err
	})
	return n
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
	buf := make([]byte, maxFrame+1)
	_ = v.wire.SetReadDeadline(time.Now().Add(5 * time.Second))
	for {
		n, err := v.wire.Read(buf)
		if err != nil {
			t.Fatalf("the container hears nothing: %v", err)
		}
		if bytes.Equal(buf[:n], good) {
			return
		}
		if n < vnetHeader+etherHeader || !bytes.Equal(buf[:n], datagram[:min(len(datagram), maxFrame)]) {
			t.Fatalf("the container hears %x", buf[:n])
		}
	}
}

// FuzzPeers gives the switch of a network any frame of its container, and any
// datagram of another member. Good ones get through afterwards, and nothing
// goes out in another's name.
func FuzzPeers(f *testing.F) {
	v := newWiring(f)
	arp := make([]byte, vnetHeader+etherHeader+arpLength)
	ether := arp[vnetHeader:]
	ether[12], ether[13] = 0x08, 0x06
	copy(ether[etherHeader:], []byte{0, 1, 8, 0, 6, 4, 0, 1, 2, 0x42, 10, 0, 0, 1})
	copy(ether[etherHeader+24:], v.two.Self.Addr.AsSlice())
	broadcast := v.frame(v.one, v.two)
	copy(broadcast[vnetHeader:], bytes.Repeat([]byte{0xff}, 6))
	solicit := append([]byte{0, 0, 0, 0}, v.two.Self.Addr6.AsSlice()...)
	for _, seed := range [][]byte{
		v.frame6(header.ICMPv6NeighborSolicit, solicit), v.frame6(header.ICMPv6NeighborSolicit, append(solicit, 1, 1, 2, 0x42, 0, 0, 0, 0)),
		v.frame6(header.ICMPv6NeighborSolicit, solicit[:7]), v.frame6(header.ICMPv6NeighborAdvert, solicit), v.frame6(header.ICMPv6RouterAdvert, make([]byte, 12)),
		v.frame6(header.ICMPv6EchoRequest, []byte{0, 1, 0, 1, 'x'}), v.frame6(header.ICMPv6EchoRequest, nil)[:vnetHeader+etherHeader+30],
		nil, []byte("short"), arp, arp[:len(arp)-1], broadcast, v.frame(v.one, v.two), v.frame(v.two, v.one), v.frame(v.one, v.one),
		bytes.Repeat([]byte{0xff}, 64), make([]byte, maxFrame), make([]byte, maxFrame+100), v.frame(v.one, v.two)[:vnetHeader+etherHeader],
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
