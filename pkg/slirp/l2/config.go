// SPDX-License-Identifier: Apache-2.0

package l2

import (
	"net/netip"

	"github.com/vishvananda/netlink"
)

// Place is where a container is on a segment: its addresses with the lengths of
// their prefixes, and the gateways'. Those of IPv6 are invalid where there is none.
type Place struct {
	Address  netip.Prefix `json:"address"`
	Gateway  netip.Addr   `json:"gateway"`
	Address6 netip.Prefix `json:"address6,omitzero"`
	Gateway6 netip.Addr   `json:"gateway6,omitzero"`
	MAC      MAC          `json:"mac,omitzero"`
}

// Addresses are those of the container.
func (p Place) Addresses() []netip.Addr {
	var list []netip.Addr
	for _, p := range []netip.Prefix{p.Address, p.Address6} {
		if p.IsValid() {
			list = append(list, p.Addr())
		}
	}
	return list
}

// Config is the plan of one interface.
type Config struct {
	Interface string // in the container: eth0
	Place
	DNS netip.Addr // is at the gateway's hardware address, too
	MTU int
	// NoDefaultRoute leaves the way out to another interface of the container.
	NoDefaultRoute bool
	// Shared says that there are other members on the segment.
	Shared bool
	// KernelTCP, unless it is nil, prepares the wire's namespace, which is the
	// calling thread's, to carry the data of TCP. Where it can, the stack's socket
	// is given requests for connections alone.
	KernelTCP func(wire netlink.Link) error
	// NoVeth does without a veth pair, as on a kernel that has none.
	NoVeth bool
}
