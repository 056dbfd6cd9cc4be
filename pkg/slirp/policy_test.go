// SPDX-License-Identifier: Apache-2.0

package slirp

import (
	"net/netip"
	"testing"
)

// TestTarget checks what a container may reach.
func TestTarget(t *testing.T) {
	c := DefaultConfig()
	c.Address6, c.Gateway6 = netip.MustParsePrefix("fd00:c0:2::64/64"), netip.MustParseAddr("fd00:c0:2::2")
	for addr, want := range map[string]bool{
		"192.0.2.1": true, "8.8.8.8": true, "2001:db8::1": true, "10.1.2.3": true,
		"127.0.0.1": false, "127.255.0.1": false, "::1": false, "::ffff:127.0.0.1": false, "64:ff9b::7f00:1": false, "::127.0.0.1": false,
		"0.0.0.0": false, "0.1.2.3": false, "::": false, "169.254.169.254": false,
		"100.100.100.200": false, "::ffff:100.100.100.200": false, "64:ff9b::6464:64c8": false, "168.63.129.16": false, "192.0.0.192": false, "fd00:ec2::254": false, "fd00:ec2::23": false,
		"fd20:ce::254": false, "fd00:c1::a9fe:a9fe": false, "fd00:42::42": false, "fd00:a9fe:a9fe::1": false, "fd00:100::100:200": false, "100.100.100.201": true, "fd00:ec3::254": true,
		"fe80::1": false, "::ffff:169.254.169.254": false,
		"224.0.0.1": false, "255.255.255.255": false, "240.0.0.1": false, "ff02::1": false,
		"10.0.2.2": false, "10.0.2.3": false, "10.0.2.7": false, "fd00:c0:2::2": false, "fd00:c0:2::9": false,
	} {
		if _, ok := c.target(netip.MustParseAddr(addr)); ok != want {
			t.Errorf("%s: %v, want %v", addr, ok, want)
		}
	}
	c.HostLoopback = true
	if host, ok := c.target(c.Gateway); !ok || host.String() != "127.0.0.1" {
		t.Errorf("host-gateway: %v %v", host, ok)
	}
	c.Internal = true
	for _, addr := range []string{"192.0.2.1", "10.0.2.2"} {
		if _, ok := c.target(netip.MustParseAddr(addr)); ok {
			t.Errorf("internal: %s is open", addr)
		}
	}
}
