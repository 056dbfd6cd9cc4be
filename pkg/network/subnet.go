// SPDX-License-Identifier: Apache-2.0

package network

import (
	"bufio"
	"crypto/rand"
	"encoding/binary"
	"io"
	"math/bits"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
)

// choose decides on the subnet and the gateway, beside other networks and what else
// is taken.
func (w *Network) choose(list []Network, taken []netip.Prefix) error {
	for _, x := range list {
		taken = append(taken, x.Subnet)
	}
	if w.Subnet.IsValid() {
		switch {
		case !w.Subnet.Addr().Is4() || w.Subnet.Bits() > 29:
			return refuse(Malformed, "invalid subnet %s: want an IPv4 network with room for members", w.Subnet)
		case !ofMachines(w.Subnet):
			return refuse(Malformed, "invalid subnet %s: not addresses of machines", w.Subnet)
		case overlaps(w.Subnet, taken):
			return refuse(Forbidden, "invalid pool request: Pool overlaps with other one on this address space")
		}
	} else {
		taken = append(taken, hostNetworks()...)
		for _, p := range pools() {
			if !overlaps(p, taken) {
				w.Subnet = p
				break
			}
		}
		if !w.Subnet.IsValid() {
			return refuse(Malformed, "could not find an available, non-overlapping IPv4 address pool among the defaults to assign to the network")
		}
	}
	if !w.Gateway.IsValid() {
		for w.Gateway = w.Subnet.Addr().Next(); slices.Contains(w.reserved(), w.Gateway); {
			w.Gateway = w.Gateway.Next()
		}
	}
	switch {
	case !w.Subnet.Contains(w.Gateway):
		return refuse(Malformed, "invalid gateway %s: not in subnet %s", w.Gateway, w.Subnet)
	case w.Gateway == w.Subnet.Addr(), w.Gateway == lastOf(w.Subnet), slices.Contains(w.reserved(), w.Gateway):
		return refuse(Forbidden, "failed to allocate gateway (%s): Address already in use", w.Gateway)
	}
	if w.Range.IsValid() && (w.Range.Bits() < w.Subnet.Bits() || !w.Subnet.Contains(w.Range.Addr())) {
		return refuse(Malformed, "invalid ip-range %s: not in subnet %s", w.Range, w.Subnet)
	}
	return nil
}

// ofMachines reports whether each address of an IPv4 network may be a machine's, and
// none is the machine itself.
func ofMachines(p netip.Prefix) bool {
	for _, s := range []string{"0.0.0.0/8", "127.0.0.0/8", "224.0.0.0/3"} {
		if p.Overlaps(netip.MustParsePrefix(s)) {
			return false
		}
	}
	return true
}

// choose6 decides on the IPv6 subnet and gateway. Members have the number there
// that they have in the IPv4 subnet.
func (w *Network) choose6(list []Network) error {
	if !w.Subnet6.IsValid() { // a unique local one, RFC 4193
		b := [16]byte{0: 0xfd}
		_, _ = rand.Read(b[1:6]) // never fails, crypto/rand
		w.Subnet6 = netip.PrefixFrom(netip.AddrFrom16(b), 64)
	}
	if !w.Subnet6.Addr().Is6() || w.Subnet6.Addr().Is4In6() || 128-w.Subnet6.Bits() < 32-w.Subnet.Bits() {
		return refuse(Malformed, "invalid subnet %s: want an IPv6 network with room for the members of %s", w.Subnet6, w.Subnet)
	}
	if a := w.Subnet6.Addr(); a.IsMulticast() || a.IsLinkLocalUnicast() || a.IsLoopback() {
		return refuse(Malformed, "invalid subnet %s: not an address of one machine", w.Subnet6)
	}
	for _, x := range list {
		if x.Subnet6.IsValid() && x.Subnet6.Overlaps(w.Subnet6) {
			return refuse(Forbidden, "invalid pool request: Pool overlaps with other one on this address space")
		}
	}
	if !w.Gateway6.IsValid() {
		w.Gateway6 = w.numbered6(w.Gateway)
	}
	if !w.Subnet6.Contains(w.Gateway6) {
		return refuse(Malformed, "invalid gateway %s: not in subnet %s", w.Gateway6, w.Subnet6)
	}
	return nil
}

// numbered6 is the IPv6 address with the number that an IPv4 address has in its
// subnet.
func (w Network) numbered6(a netip.Addr) netip.Addr {
	b, number, base := w.Subnet6.Addr().As16(), a.As4(), w.Subnet.Addr().As4()
	for i := range number {
		b[12+i] |= number[i] ^ base[i]
	}
	return netip.AddrFrom16(b)
}

// pools are Docker's: 172.18.0.0/16 to 172.31.0.0/16, then 192.168.0.0/20 and
// on.
func pools() []netip.Prefix {
	var list []netip.Prefix
	for i := byte(18); i < 32; i++ {
		list = append(list, netip.PrefixFrom(netip.AddrFrom4([4]byte{172, i, 0, 0}), 16))
	}
	for i := 0; i < 256; i += 16 {
		list = append(list, netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 168, byte(i), 0}), 20))
	}
	return list
}

func overlaps(p netip.Prefix, taken []netip.Prefix) bool {
	return slices.ContainsFunc(taken, p.Overlaps)
}

// hostNetworks are those that the host itself is on, or has a way to: a container
// could not reach them any more.
func hostNetworks() []netip.Prefix {
	list := hostRoutes()
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return list
	}
	for _, a := range addrs {
		if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr().Is4() {
			list = append(list, p.Masked())
		}
	}
	return list
}

// hostRoutes are the IPv4 networks that the host has routes to, but the ways to
// everywhere. Of a very long table the beginning counts.
func hostRoutes() []netip.Prefix {
	const longest = 64 << 10
	f, err := os.Open("/proc/net/route")
	if err != nil {
		return nil
	}
	defer f.Close()
	return readRoutes(io.LimitReader(f, longest))
}

// readRoutes reads lines of /proc/net/route: interface, destination, gateway, flags,
// …, and as the eighth the mask, addresses in hexadecimal as the machine has them in
// memory.
func readRoutes(r io.Reader) (list []netip.Prefix) {
	const everywhere = 8 // some write a default route as two halves
	for sc := bufio.NewScanner(r); sc.Scan(); {
		col := strings.Fields(sc.Text())
		if len(col) < 8 {
			continue
		}
		to, err := strconv.ParseUint(col[1], 16, 32)
		mask, merr := strconv.ParseUint(col[7], 16, 32)
		if err != nil || merr != nil {
			continue // the heading
		}
		if size := bits.OnesCount32(uint32(mask)); size >= everywhere {
			var b [4]byte
			binary.NativeEndian.PutUint32(b[:], uint32(to))
			list = append(list, netip.PrefixFrom(netip.AddrFrom4(b), size))
		}
	}
	return list
}

// lastOf is the broadcast address of a network.
func lastOf(p netip.Prefix) netip.Addr {
	b := p.Addr().As4()
	for i := p.Bits(); i < 32; i++ {
		b[i/8] |= 1 << (7 - i%8)
	}
	return netip.AddrFrom4(b)
}
