// SPDX-License-Identifier: Apache-2.0

package slirp

import (
	"net/netip"

	"coracle/pkg/clouds"
)

// target says where a packet for dst goes on the host's side; ok is false for
// what a container may not reach: the host's loopback, link-local addresses
// with their metadata services, and whatever is not one machine. It is asked
// before any socket is made.
func (c Config) target(dst netip.Addr) (host netip.Addr, ok bool) {
	dst = dst.Unmap() // ::ffff:127.0.0.1 is 127.0.0.1
	switch {
	case c.Internal:
		return netip.Addr{}, false
	case dst == c.Gateway:
		return netip.AddrFrom4([4]byte{127, 0, 0, 1}), c.HostLoopback
	case c.Gateway6.IsValid() && dst == c.Gateway6:
		return netip.IPv6Loopback(), c.HostLoopback
	case c.Address.Contains(dst), c.Address6.IsValid() && c.Address6.Contains(dst):
		return netip.Addr{}, false
	case !dst.IsValid(), dst.IsUnspecified(), dst.IsLoopback(), dst.IsLinkLocalUnicast(), dst.IsMulticast(), clouds.IsMetadata(dst):
		return netip.Addr{}, false
	case dst.Is4() && (dst.As4()[0] == 0 || dst.As4()[0] >= 240):
		return netip.Addr{}, false
	case dst.Is6() && embedded(dst).IsValid():
		// An IPv4 address in IPv6 clothes is judged as what it is.
		if _, ok := c.target(embedded(dst)); !ok {
			return netip.Addr{}, false
		}
	}
	return dst, true
}

var (
	nat64      = netip.MustParsePrefix("64:ff9b::/96") // RFC 6052
	compatible = netip.MustParsePrefix("::/96")        // RFC 4291, deprecated
)

func embedded(a netip.Addr) netip.Addr {
	if !nat64.Contains(a) && !compatible.Contains(a) {
		return netip.Addr{}
	}
	b := a.As16()
	return netip.AddrFrom4([4]byte(b[12:]))
}
