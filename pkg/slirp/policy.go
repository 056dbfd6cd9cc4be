// SPDX-License-Identifier: Apache-2.0

package slirp

import (
	"net/netip"
	"slices"
	"sync"
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
	case !dst.IsValid(), dst.IsUnspecified(), dst.IsLoopback(), dst.IsLinkLocalUnicast(), dst.IsMulticast():
		return netip.Addr{}, false
	case slices.ContainsFunc(metadata(), func(p netip.Prefix) bool { return p.Contains(dst) }):
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

// metadata are the addresses outside of the link-local ones at which clouds tell a
// machine its secrets, by their documentation.
var metadata = sync.OnceValue(func() (list []netip.Prefix) {
	for _, s := range []string{
		"100.100.100.200/32",     // Alibaba
		"fd00:100::100:200/128",  // Alibaba
		"168.63.129.16/32",       // Azure's wire server
		"192.0.0.192/32",         // Oracle
		"fd00:ec2::/32",          // Amazon: metadata, credentials of pods
		"fd20:ce::254/128",       // Google
		"fd00:c1::a9fe:a9fe/128", // Oracle
		"fd00:42::42/128",        // Scaleway
		"fd00:a9fe:a9fe::1/128",  // Akamai
	} {
		list = append(list, netip.MustParsePrefix(s))
	}
	return list
})

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
