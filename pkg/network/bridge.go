// SPDX-License-Identifier: Apache-2.0

package network

import (
	"errors"
	"fmt"
	"iter"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"coracle/pkg/slirp"
	"coracle/pkg/slirp/l2"
	"coracle/pkg/state"
)

// segment is one subnet of the default network. Containers on one segment reach each
// other. There is one, unless it is full, or the host is on a network with the same
// addresses.
type segment struct {
	Network
	dns   netip.Addr // answers what the host can ask; lower addresses are given to nobody
	first netip.Addr // is given first
}

// segments are the subnets of the default network in the order in which they are
// taken: the one whose addresses user-mode networks have made known, Docker's, and
// those that networks with names have, too.
func segments(at slirp.Config) []segment {
	list := []segment{{Network{Name: Bridge, Subnet: at.Address.Masked(), Gateway: at.Gateway}, at.DNS, at.Address.Addr()}}
	docker := netip.MustParsePrefix("172.17.0.0/16")
	for _, p := range append([]netip.Prefix{docker}, pools()...) {
		gateway := p.Addr().Next()
		list = append(list, segment{Network{Name: Bridge, Subnet: p, Gateway: gateway}, gateway, gateway.Next()})
	}
	for i := range list {
		s := &list[i]
		s.Subnet6 = netip.PrefixFrom(netip.AddrFrom16([16]byte{0: 0xfd, 3: 0xc0, 5: 2, 7: byte(i)}), 64)
		s.Gateway6 = s.numbered6(s.Gateway)
	}
	return list
}

// addresses are those that are given, in order.
func (s segment) addresses() iter.Seq[netip.Addr] {
	return func(yield func(netip.Addr) bool) {
		for a := s.first; a != lastOf(s.Subnet); a = a.Next() {
			if !yield(a) {
				return
			}
		}
		for a := s.dns.Next(); a != s.first; a = a.Next() {
			if !yield(a) {
				return
			}
		}
	}
}

// place gives a member its addresses.
func (s segment) place(self Member, a netip.Addr, six bool) Member {
	self.Addr = a
	if self.MAC.IsZero() {
		self.MAC = l2.MACOf(a)
	}
	if six {
		self.Addr6 = s.numbered6(a)
	}
	return self
}

// AdmitToBridge makes a running container a member of the default network, which
// has no record, and no lock that anybody waits for: who has locked an address has it, as
// long as the process lives. A socket called after it is all that others need to know; only
// a hardware address that does not follow from it takes a record.
// Where no socket can be made, the container is alone: its address is nobody
// else's, and leads nowhere.
func (n Store) AdmitToBridge(self Member) (*Membership, error) {
	m, err := n.claimOne(self, hostRoutes())
	if err != nil {
		return nil, fmt.Errorf("become a member of network %s: %w", Bridge, err)
	}
	_ = m.appear() // one that nobody can send to is no less connected to the rest
	return m, nil
}

// claimOne takes the first address that is free, on a host with these routes.
func (n Store) claimOne(self Member, host []netip.Prefix) (*Membership, error) {
	dir, err := n.openMembers(Bridge)
	if err != nil {
		return nil, err
	}
	plan := slirp.DefaultConfig()
	for s := range n.candidates(plan, host) {
		for a := range s.addresses() {
			// The lock's file stays for ever: nobody locks one that has been removed.
			lock, err := state.TryAcquire(n.dirs.Network(Bridge).MemberLock(a.String()), state.Exclusive)
			if errors.Is(err, state.ErrLocked) {
				continue
			}
			if err != nil {
				dir.Close()
				return nil, err
			}
			self = s.place(self, a, plan.Address6.IsValid()) // of IPv6 where the host has a way out there
			self.Since = time.Now().UTC()
			return &Membership{Network: s.Network, Self: self, plan: plan, dns: s.dns, dir: dir, lock: lock}, nil
		}
	}
	dir.Close()
	return nil, errors.New("no available IPv4 addresses")
}

// appear has others find the member.
func (m *Membership) appear() error {
	// Somebody who had the address before may have been killed.
	err := ignoreMissing(unix.Unlinkat(int(m.dir.Fd()), m.files(m.Self).Record(), 0))
	if err == nil && m.Self.MAC != l2.MACOf(m.Self.Addr) {
		err = m.record(m.Self)
	}
	if err == nil {
		err = m.listen()
	}
	return err
}

// present are those whose sockets are in the directory of the default network's
// members.
func (m *Membership) present(path string) (list []Member, err error) {
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, err
	}
	recorded := map[string]bool{}
	for _, e := range entries {
		if key, ok := state.MemberOf(e.Name()); ok {
			recorded[key] = true
		}
	}
	for _, e := range entries {
		key, ok := state.ListenerOf(e.Name())
		a, err := netip.ParseAddr(key)
		if !ok || err != nil || !m.Network.Subnet.Contains(a) {
			continue
		}
		info, err := e.Info()
		if err != nil {
			continue // it has just left
		}
		o := Member{Addr: a, MAC: l2.MACOf(a), Since: info.ModTime()}
		if m.Self.Addr6.IsValid() {
			o.Addr6 = m.Network.numbered6(a)
		}
		var r Member
		if recorded[key] && state.ReadJSON(filepath.Join(path, state.MemberFiles(key).Record()), &r) == nil && !r.MAC.IsZero() {
			o.MAC = r.MAC
		}
		list = append(list, o)
	}
	return list, nil
}

// candidates are the segments to look for an address on. That where others are
// comes first, so that all are together who can be; then those that keep the container
// from nothing that the host reaches.
func (n Store) candidates(plan slirp.Config, host []netip.Prefix) iter.Seq[segment] {
	return func(yield func(segment) bool) {
		all, used := segments(plan), n.seen()
		usual := all[0]
		elsewhere := slices.ContainsFunc(used, func(a netip.Addr) bool { return !usual.Subnet.Contains(a) })
		if !elsewhere && !overlaps(usual.Subnet, host) && !yield(usual) {
			return
		}
		for _, s := range all {
			if n.inhabited(s, used) && !yield(s) {
				return
			}
		}
		taken := slices.Clone(host)
		named, _ := n.List() // one that is damaged has no addresses
		for _, w := range named {
			taken = append(taken, w.Subnet)
		}
		for _, s := range all {
			if !overlaps(s.Subnet, taken) && !yield(s) {
				return
			}
		}
		yield(usual) // rather than none
	}
}

// seen are the addresses of the default network that have a socket: of those who
// live, and of the dead whose address nobody has had since.
func (n Store) seen() (list []netip.Addr) {
	dir, err := os.Open(n.members(Bridge))
	if err != nil {
		return nil
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(-1)
	for _, name := range names {
		if key, ok := state.ListenerOf(name); ok {
			if a, err := netip.ParseAddr(key); err == nil {
				list = append(list, a)
			}
		}
	}
	return list
}

// bridgeSubnets are those that the default network has, or had at last.
func (n Store) bridgeSubnets() (list []netip.Prefix) {
	used := n.seen()
	for i, s := range segments(slirp.DefaultConfig()) {
		if i == 0 || slices.ContainsFunc(used, s.Subnet.Contains) {
			list = append(list, s.Subnet)
		}
	}
	return list
}

// inhabited reports whether somebody is on a segment. Sockets of the dead are
// removed on the way.
func (n Store) inhabited(s segment, used []netip.Addr) bool {
	return slices.ContainsFunc(used, func(a netip.Addr) bool {
		if !s.Subnet.Contains(a) {
			return false
		}
		lock, err := state.TryAcquire(n.dirs.Network(Bridge).MemberLock(a.String()), state.Exclusive)
		if err != nil {
			return errors.Is(err, state.ErrLocked)
		}
		_ = n.removeMember(Bridge, a.String())
		lock.Release()
		return false
	})
}

// BridgePlace is where a container is on the default network that comes to it next, as
// far as all that come have the same: the subnet and the gateway.
func (n Store) BridgePlace() Place {
	plan := slirp.DefaultConfig()
	for s := range n.candidates(plan, hostRoutes()) {
		p := Place{Address: s.Subnet, Gateway: s.Gateway}
		if plan.Address6.IsValid() {
			p.Address6, p.Gateway6 = s.Subnet6, s.Gateway6
		}
		return p
	}
	return Place{}
}
