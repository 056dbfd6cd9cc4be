// SPDX-License-Identifier: Apache-2.0

package network

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"coracle/pkg/slirp"
)

// TestParseLink: as clients write links, and as Docker answers.
func TestParseLink(t *testing.T) {
	for text, want := range map[string]string{
		"db": "db db", "db:service": "db service", "/db:/front/service": "db service",
		"": "", ":x": "", "db:": "", "a:b:c": "", "a:b c": "", "a:b#": "", "a:b=1": "",
	} {
		container, name, err := ParseLink(text)
		if got := strings.TrimSpace(container + " " + name); got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
}

// TestEndpoint: what was asked for is what a member, and a link of its own, asks for.
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
	usual := slirp.DefaultConfig().Place
	if got := e.PrivateLink(); got.MAC != e.MAC || got.Place.Address != usual.Address {
		t.Errorf("alone: %+v", got)
	}
	if got := (Endpoint{}).PrivateLink(); got.MAC != usual.MAC {
		t.Errorf("without a hardware address: %s, want %s", got.MAC, usual.MAC)
	}
}
