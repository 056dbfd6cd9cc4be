// SPDX-License-Identifier: Apache-2.0

package l2

import (
	"net/netip"
	"testing"
)

// TestGenuine: what a member sends in another's name goes nowhere.
func TestGenuine(t *testing.T) {
	var one, two Place
	one.Address, two.Address = netip.MustParsePrefix("10.9.0.2/24"), netip.MustParsePrefix("10.9.0.3/24")
	one.MAC = MACOf(one.Address.Addr())
	sw := &Switch{own: Config{Place: one}}
	frame := func(mac, ip netip.Addr, kind byte) []byte {
		f := make([]byte, EtherHeader+20)
		from := MACOf(mac)
		copy(f[6:12], from[:])
		f[12], f[13] = 0x08, kind
		a := ip.As4()
		copy(f[EtherHeader+12:], a[:])
		return f
	}
	for what, f := range map[string][]byte{
		"another's address":   frame(one.Address.Addr(), two.Address.Addr(), 0),
		"another's hardware":  frame(two.Address.Addr(), one.Address.Addr(), 0),
		"another protocol":    frame(one.Address.Addr(), one.Address.Addr(), 0xdd),
		"a frame that is cut": frame(one.Address.Addr(), one.Address.Addr(), 0)[:30],
	} {
		if sw.genuine(f) {
			t.Errorf("%s is passed on", what)
		}
	}
	if !sw.genuine(frame(one.Address.Addr(), one.Address.Addr(), 0)) {
		t.Error("a frame of the container's own is not passed on")
	}
}
