// SPDX-License-Identifier: Apache-2.0

package kerneltcp

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"coracle/pkg/slirp/l2"
	"coracle/pkg/slirp/relay"
)

// Carrier carries the data of one link's TCP connections to the world, in the
// kernel of the wire's namespace.
type Carrier struct {
	ns *os.File // the wire's

	mu    sync.Mutex
	loops []*relay.Loop
	next  int
}

// In the wire's namespace TCP is taken in for every address, and goes out from
// sockets with the mark alone: to what belongs to no connection the kernel has no
// way to answer, and the stack does.
const (
	carriedMark  = 0xc0ac1f
	arrivalTable = 0xc0b
	leavingTable = 0xc0c
)

// New prepares the current thread's namespace, which is the wire's, for the
// connections of the container at a place. What goes to dns or to the gateways is
// not the kernel's. An error says that this kernel cannot do it.
func New(wire netlink.Link, at l2.Place, dns netip.Addr) (*Carrier, error) {
	for name, value := range map[string]string{
		"conf/all/rp_filter": "0", "conf/wire/rp_filter": "0", // there is no way back without the mark
		// Nothing old comes late on a wire inside of one machine, and a port may
		// be used again at once.
		"tcp_max_tw_buckets": "0",
	} {
		if err := os.WriteFile("/proc/sys/net/ipv4/"+name, []byte(value), 0); err != nil {
			return nil, err
		}
	}
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return nil, err
	}
	if err := netlink.LinkSetUp(lo); err != nil {
		return nil, err
	}
	stacks := [][]netip.Addr{{at.Gateway, dns}, {at.Gateway6}}
	for i, a := range at.Addresses() {
		err := routeCarried(lo, wire, at.MAC, a, stacks[i]...)
		if err == nil {
			err = tryRepair(a)
		}
		if err != nil {
			return nil, err
		}
	}
	ns, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return nil, err
	}
	return &Carrier{ns: ns}, nil
}

// routeCarried makes the routes of one family. What is addressed to the stack
// itself is not the kernel's.
func routeCarried(lo, wire netlink.Link, mac l2.MAC, container netip.Addr, stack ...netip.Addr) error {
	family, bits := unix.AF_INET, 32
	if container.Is6() {
		family, bits = unix.AF_INET6, 128
	}
	one := func(a netip.Addr) *net.IPNet { return &net.IPNet{IP: a.AsSlice(), Mask: net.CIDRMask(bits, bits)} }
	every := &net.IPNet{IP: make(net.IP, bits/8), Mask: make(net.IPMask, bits/8)}
	routes := []netlink.Route{
		{LinkIndex: lo.Attrs().Index, Dst: every, Table: arrivalTable, Type: unix.RTN_LOCAL, Scope: unix.RT_SCOPE_HOST},
		{LinkIndex: wire.Attrs().Index, Dst: one(container), Table: leavingTable, Scope: unix.RT_SCOPE_LINK},
	}
	for _, a := range stack {
		routes = append(routes, netlink.Route{Dst: one(a), Table: arrivalTable, Type: unix.RTN_BLACKHOLE})
	}
	for _, r := range routes {
		if err := netlink.RouteReplace(&r); err != nil {
			return fmt.Errorf("add route %s: %w", r.Dst, err)
		}
	}
	arrive, leave := netlink.NewRule(), netlink.NewRule()
	arrive.Family, arrive.IifName, arrive.IPProto, arrive.Table, arrive.Priority = family, wire.Attrs().Name, unix.IPPROTO_TCP, arrivalTable, 100
	leave.Family, leave.Mark, leave.Table, leave.Priority = family, carriedMark, leavingTable, 101
	return errors.Join(netlink.RuleAdd(arrive), netlink.RuleAdd(leave), netlink.NeighSet(&netlink.Neigh{
		LinkIndex: wire.Attrs().Index, State: netlink.NUD_PERMANENT, IP: container.AsSlice(), HardwareAddr: mac[:],
	}))
}

// Close ends all connections.
func (k *Carrier) Close() {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, l := range k.loops {
		l.Close()
	}
	k.loops = nil
	k.ns.Close()
}

// Used reports whether there has been a connection.
func (k *Carrier) Used() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.loops) > 0
}

// loop returns the loop for the next connection.
func (k *Carrier) loop() (*relay.Loop, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.loops) < relay.Loops() {
		l, err := relay.NewCarrier(k.ns)
		if err != nil {
			return nil, err
		}
		k.loops = append(k.loops, l)
	}
	k.next++
	return k.loops[k.next%len(k.loops)], nil
}
