// SPDX-License-Identifier: Apache-2.0

package clouds

import (
	"net/netip"
	"slices"
	"sync"
)

// IsMetadata reports whether an address is one of a metadata service, link-local
// or not. An IPv4 address in the form of IPv6 is no such one: Unmap it before.
func IsMetadata(a netip.Addr) bool {
	return a.IsLinkLocalUnicast() || slices.ContainsFunc(metadata(), func(p netip.Prefix) bool { return p.Contains(a) })
}

// metadata are the addresses outside of the link-local ones.
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
