// SPDX-License-Identifier: Apache-2.0

package network

import (
	"errors"
	"fmt"
	"net/netip"

	"coracle/pkg/slirp/l2"
)

// assign gives a member the addresses that it asks for, or such that are free.
func (w Network) assign(members []Member, self Member) (Member, error) {
	taken := map[netip.Addr]bool{w.Gateway: true, w.Gateway6: true}
	stations := map[MAC]bool{l2.MACOf(w.Gateway): true}
	for _, m := range members {
		taken[m.Addr], taken[m.Addr6], stations[m.MAC] = true, true, true
	}
	for _, a := range w.reserved() {
		taken[a] = true
	}
	if stations[self.MAC] {
		return self, fmt.Errorf("mac address %s is already in use on network %s", self.MAC, w.Name)
	}
	if a := self.Addr6; a.IsValid() {
		switch {
		case !w.Subnet6.IsValid():
			return self, fmt.Errorf("invalid address %s: network %s has no IPv6", a, w.Name)
		case !w.Subnet6.Contains(a) || a == w.Subnet6.Addr():
			return self, fmt.Errorf("invalid address %s: it does not belong to subnet %s of network %s", a, w.Subnet6, w.Name)
		case taken[a]:
			return self, errors.New("Address already in use")
		}
	}
	// complete gives a member with an IPv4 address the others.
	complete := func(a netip.Addr) bool {
		mac, six := self.MAC, self.Addr6
		if mac.IsZero() {
			if mac = l2.MACOf(a); stations[mac] {
				return false
			}
		}
		if w.Subnet6.IsValid() && !six.IsValid() {
			if six = w.numbered6(a); taken[six] {
				return false
			}
		}
		self.Addr, self.Addr6, self.MAC = a, six, mac
		return true
	}
	if want := self.Addr; want.IsValid() {
		switch {
		case !w.Subnet.Contains(want) || want == w.Subnet.Addr() || want == lastOf(w.Subnet):
			return self, fmt.Errorf("invalid address %s: it does not belong to subnet %s of network %s", want, w.Subnet, w.Name)
		case taken[want] || !complete(want):
			return self, errors.New("Address already in use")
		}
		return self, nil
	}
	pool := w.Range
	if !pool.IsValid() {
		pool = w.Subnet
	}
	for a := pool.Addr(); pool.Contains(a); a = a.Next() {
		if !taken[a] && a != w.Subnet.Addr() && a != lastOf(w.Subnet) && complete(a) {
			return self, nil
		}
	}
	return self, fmt.Errorf("no available IPv4 addresses on network %s (%s)", w.Name, pool)
}
