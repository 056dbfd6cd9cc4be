// SPDX-License-Identifier: Apache-2.0

package isolation

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// What the frames of an attack hold, and what the sender says when it is over.
const spoofMark, lastMark = "COUNTERFEIT:", "THAT WAS ALL"

// spoofTarget is who an attack is about.
type spoofTarget struct {
	mac           net.HardwareAddr
	victim, six   netip.Addr
	gate, gate6   netip.Addr
	gateMAC       net.HardwareAddr
	own           net.HardwareAddr
	self, selfSix netip.Addr
}

// spoofFrame is one counterfeit: an EtherType and what follows.
type spoofFrame struct {
	name string
	kind uint16
	body []byte
}

func udpFrom(src, dst netip.Addr, text string) []byte {
	u := make([]byte, 8, 8+len(text))
	binary.BigEndian.PutUint16(u, 5353)
	binary.BigEndian.PutUint16(u[2:], 5353)
	binary.BigEndian.PutUint16(u[4:], uint16(8+len(text)))
	return ipFrom(src, dst, unix.IPPROTO_UDP, append(u, text...))
}

// ipFrom puts a header of the addresses' family before a payload.
func ipFrom(src, dst netip.Addr, proto byte, payload []byte) []byte {
	if dst.Is4() {
		ip := append(make([]byte, 20), payload...)
		packet(ip, src, dst, proto)
		return ip
	}
	ip := make([]byte, 40)
	ip[0], ip[6], ip[7] = 0x60, proto, 255
	binary.BigEndian.PutUint16(ip[4:], uint16(len(payload)))
	copy(ip[8:], src.AsSlice())
	copy(ip[24:], dst.AsSlice())
	ip = append(ip, payload...)
	if proto == unix.IPPROTO_ICMPV6 {
		sum := uint32(len(payload)) + unix.IPPROTO_ICMPV6
		for i := 8; i < len(ip); i += 2 {
			if sum += uint32(ip[i]) << 8; i+1 < len(ip) {
				sum += uint32(ip[i+1])
			}
		}
		for sum > 0xffff {
			sum = sum>>16 + sum&0xffff
		}
		binary.BigEndian.PutUint16(ip[42:], ^uint16(sum))
	}
	return ip
}

func icmp4(kind, code byte, rest []byte) []byte {
	m := append([]byte{kind, code, 0, 0}, rest...)
	if len(m)%2 == 1 {
		m = append(m, 0)
	}
	var sum uint32
	for i := 0; i < len(m); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(m[i:]))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	binary.BigEndian.PutUint16(m[2:], ^uint16(sum))
	return m
}

func arpOf(op byte, mac net.HardwareAddr, ip netip.Addr, to net.HardwareAddr, toIP netip.Addr) []byte {
	b := append([]byte{0, 1, 8, 0, 6, 4, 0, op}, mac...)
	b = append(append(b, ip.AsSlice()...), to...)
	return append(append(b, toIP.AsSlice()...), spoofMark...)
}

// counterfeits are the frames in the name of others, or that only a router or a
// switch would send.
func (s spoofTarget) counterfeits() (list []spoofFrame) {
	add := func(name string, kind uint16, body []byte) {
		list = append(list, spoofFrame{name, kind, append(body, name...)})
	}
	for name, ip := range map[string]netip.Addr{"gateway": s.gate, "victim": s.victim} {
		add("arp reply "+name, unix.ETH_P_ARP, arpOf(2, s.own, ip, s.mac, s.victim))
		add("arp gratuitous "+name, unix.ETH_P_ARP, arpOf(1, s.own, ip, make([]byte, 6), ip))
		add("rarp "+name, unix.ETH_P_RARP, arpOf(4, s.own, ip, s.mac, s.victim))
	}
	for _, src := range []netip.Addr{s.gate, s.victim, netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("192.0.2.9"), netip.MustParseAddr("0.0.0.0")} {
		for _, dst := range []netip.Addr{s.victim, netip.MustParseAddr("255.255.255.255"), netip.MustParseAddr("224.0.0.251")} {
			add(fmt.Sprintf("udp %s %s", src, dst), unix.ETH_P_IP, udpFrom(src, dst, spoofMark))
		}
	}
	// A redirect quotes what it is about: a packet of the victim to the world.
	about := udpFrom(s.victim, netip.MustParseAddr("192.0.2.1"), spoofMark)
	add("redirect", unix.ETH_P_IP, ipFrom(s.gate, s.victim, unix.IPPROTO_ICMP, icmp4(5, 1, append(s.self.AsSlice(), about...))))
	add("router advertisement of IPv4", unix.ETH_P_IP, ipFrom(s.gate, s.victim, unix.IPPROTO_ICMP, icmp4(9, 0, append([]byte{1, 2, 7, 8, 0, 0, 0, 0, 0, 0}, spoofMark...))))
	plain := udpFrom(s.gate, s.victim, spoofMark)
	for name, tag := range map[string]uint16{"802.1Q": unix.ETH_P_8021Q, "802.1ad": unix.ETH_P_8021AD} {
		add(name, tag, append([]byte{0, 5, 8, 0}, plain...))
		add(name+" priority", tag, append([]byte{0, 0, 8, 0}, plain...))
	}
	for _, kind := range []uint16{0x88cc /* LLDP */, unix.ETH_P_PPP_DISC, unix.ETH_P_PAE, unix.ETH_P_MPLS_UC, 0x0042 /* 802.3, spanning tree */} {
		add(fmt.Sprintf("type %04x", kind), kind, []byte(spoofMark))
	}
	if s.six.IsValid() {
		s.counterfeit6(add)
	}
	return list
}

func (s spoofTarget) counterfeit6(add func(string, uint16, []byte)) {
	all, linkLocal := netip.MustParseAddr("ff02::1"), netip.MustParseAddr("fe80::1")
	for _, src := range []netip.Addr{s.gate6, s.six, linkLocal, netip.MustParseAddr("2001:db8::9"), netip.IPv6Loopback()} {
		for _, dst := range []netip.Addr{s.six, all} {
			add(fmt.Sprintf("udp %s %s", src, dst), unix.ETH_P_IPV6, udpFrom(src, dst, spoofMark))
		}
	}
	option := append([]byte{2, 1}, s.own...) // target link-layer address
	for name, src := range map[string]netip.Addr{"false": s.gate6, "link": linkLocal, "own": s.selfSix} {
		for _, dst := range []netip.Addr{s.six, all} {
			ra := append([]byte{134, 0, 0, 0, 64, 0, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0, 3, 4, 64, 0xc0, 0, 0, 7, 8, 0, 0, 7, 8, 0, 0, 0, 0}, netip.MustParseAddr("2001:db8:bad::").AsSlice()...)
			na := append(append([]byte{136, 0, 0, 0, 0xa0, 0, 0, 0}, s.gate6.AsSlice()...), option...)
			ns := append(append([]byte{135, 0, 0, 0, 0, 0, 0, 0}, s.six.AsSlice()...), option...)
			redirect := append(append([]byte{137, 0, 0, 0, 0, 0, 0, 0}, s.selfSix.AsSlice()...), netip.MustParseAddr("2001:db8::9").AsSlice()...)
			for kind, m := range map[string][]byte{"ra": ra, "na": na, "ns": ns, "redirect": redirect} {
				name := fmt.Sprintf("%s %s %s", kind, name, dst)
				add(name, unix.ETH_P_IPV6, append(ipFrom(src, dst, unix.IPPROTO_ICMPV6, m), spoofMark...))
				if name := "behind a header: " + name; src != s.selfSix { // one in its own name passes, with a hop limit that nobody takes
					add(name, unix.ETH_P_IPV6, append(ipFrom(src, dst, 60, append([]byte{unix.IPPROTO_ICMPV6, 0, 1, 4, 0, 0, 0, 0}, m...)), spoofMark...))
				}
			}
		}
	}
}

// probeSpoof sends every counterfeit from the container's hardware address and from
// others, to the victim, the gateway, and all.
func probeSpoof(args []string) error {
	s := spoofTarget{victim: netip.MustParseAddr(args[1]), gate: netip.MustParseAddr(args[3])}
	s.six, _ = netip.ParseAddr(args[2])
	s.gate6, _ = netip.ParseAddr(args[4])
	s.selfSix, _ = netip.ParseAddr(args[5])
	var err error
	if s.mac, err = net.ParseMAC(args[0]); err != nil {
		return err
	}
	gate := s.gate.As4()
	s.gateMAC = append(net.HardwareAddr{2, 0x42}, gate[:]...)
	fd, _, own, err := wire()
	if err != nil {
		return err
	}
	s.own, s.self = own, netip.AddrFrom4([4]byte(own[2:]))
	sent := 0
	send := func(dst, src net.HardwareAddr, kind uint16, body []byte) error {
		frame := append(append([]byte(nil), dst...), src...)
		frame = append(binary.BigEndian.AppendUint16(frame, kind), body...)
		for {
			switch err := unix.Send(fd, frame, 0); err {
			case unix.ENOBUFS, unix.EAGAIN, unix.EINTR:
			default:
				sent++
				return err
			}
		}
	}
	everybody := net.HardwareAddr{255, 255, 255, 255, 255, 255}
	for _, f := range s.counterfeits() {
		for _, dst := range []net.HardwareAddr{s.mac, s.gateMAC, everybody, {0x33, 0x33, 0, 0, 0, 1}, {1, 0, 0x5e, 0, 0, 0xfb}, {1, 0x80, 0xc2, 0, 0, 0}} {
			for _, src := range []net.HardwareAddr{own, s.gateMAC, s.mac, {2, 1, 2, 3, 4, 5}} {
				if err := send(dst, src, f.kind, f.body); err != nil {
					return fmt.Errorf("%s: %w", f.name, err)
				}
			}
		}
	}
	// The container's own packet from another's hardware address, too.
	honest := udpFrom(s.self, s.victim, spoofMark+"honest packet, false hardware address")
	for _, src := range []net.HardwareAddr{s.gateMAC, s.mac, {2, 1, 2, 3, 4, 5}} {
		if err := send(s.mac, src, unix.ETH_P_IP, honest); err != nil {
			return err
		}
	}
	fmt.Println("sent", sent)
	return send(s.mac, own, unix.ETH_P_IP, udpFrom(s.self, s.victim, lastMark))
}

// probeSniff prints what it hears of counterfeits, and when somebody says that it
// was all.
func probeSniff() error {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, int(unix.ETH_P_ALL>>8|unix.ETH_P_ALL&0xff<<8))
	if err != nil {
		return fmt.Errorf("packet socket: %w", err)
	}
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 4<<20)
	fmt.Println("listening")
	buf := make([]byte, 1<<16)
	for {
		n, _, err := unix.Recvfrom(fd, buf, 0)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return err
		}
		if _, name, ok := bytes.Cut(buf[:n], []byte(spoofMark)); ok {
			fmt.Printf("heard %q\n", name)
		}
		if bytes.Contains(buf[:n], []byte(lastMark)) {
			fmt.Println("that was all")
		}
	}
}

// tables are what a kernel believes of its neighbours and ways.
func tables() (string, error) {
	arp, err := os.ReadFile("/proc/net/arp")
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for line := range strings.Lines(string(arp)) {
		if f := strings.Fields(line); len(f) == 6 && f[3] != "00:00:00:00:00:00" {
			fmt.Fprintln(&b, "neighbour", f[0], f[3], f[5])
		}
	}
	for _, table := range []struct {
		name    string
		columns []int
	}{{"route", []int{0, 1, 2, 7}}, {"ipv6_route", []int{0, 1, 4, 9}}, {"if_inet6", []int{0, 2, 5}}} {
		text, _ := os.ReadFile("/proc/net/" + table.name) // there may be no IPv6
		var lines []string
		for line := range strings.Lines(string(text)) {
			said := table.name
			for _, i := range table.columns {
				if f := strings.Fields(line); i < len(f) {
					said += " " + f[i]
				}
			}
			if f := strings.Fields(line); strings.HasPrefix(f[0], "fe80") || strings.HasPrefix(f[0], "ff00") {
				continue // of the link alone, which come in the kernel's own time
			}
			lines = append(lines, said)
		}
		slices.Sort(lines)
		for _, l := range lines {
			fmt.Fprintln(&b, l)
		}
	}
	return b.String(), nil
}

// probeLast says that it was all, from the wire of who listens.
func probeLast(to string) error {
	c, err := net.DialTimeout("udp", to, time.Second)
	if err != nil {
		return err
	}
	defer c.Close()
	_, err = c.Write([]byte(lastMark))
	return err
}
