// SPDX-License-Identifier: Apache-2.0

package network

import (
	"net/netip"
	"slices"
	"testing"
)

// TestEndpoint: what was asked for is what a member, and a link on the bridge, asks for.
func TestEndpoint(t *testing.T) {
	e := Endpoint{
		Network: "front", Aliases: []string{"web"}, MAC: MAC{2, 0, 0, 0, 0, 7},
		IP: netip.MustParseAddr("172.18.0.7"), IP6: netip.MustParseAddr("fd00::7"),
	}
	m := e.Member("0123456789abcdef", "one", "host")
	if m.Container != "0123456789abcdef" || m.Addr != e.IP || m.Addr6 != e.IP6 || m.MAC != e.MAC {
		t.Errorf("%+v of %+v", m, e)
	}
	if got, want := m.Names(), []string{"one", "web", "0123456789ab", "host"}; !slices.Equal(got, want) {
		t.Errorf("names %q, want %q", got, want)
	}
	if got := e.BridgeLink(); got.MAC != e.MAC || got.Place.Address != BridgePlace().Address {
		t.Errorf("on the bridge: %+v", got)
	}
	if got := (Endpoint{}).BridgeLink(); got.MAC != BridgePlace().MAC {
		t.Errorf("without a hardware address: %s, want the bridge's %s", got.MAC, BridgePlace().MAC)
	}
}
