// SPDX-License-Identifier: Apache-2.0

package clouds

import (
	"net/netip"
	"testing"
)

func TestIsMetadata(t *testing.T) {
	for addr, want := range map[string]bool{
		"169.254.169.254": true, "169.254.170.2": true, "169.254.42.42": true, "fe80::a9fe:a9fe": true,
		"100.100.100.200": true, "100.100.100.201": false, "168.63.129.16": true, "168.63.129.17": false, "192.0.0.192": true,
		"fd00:ec2::254": true, "fd00:ec2::23": true, "fd00:ec3::254": false, "fd20:ce::254": true, "fd00:100::100:200": true,
		"fd00:c1::a9fe:a9fe": true, "fd00:42::42": true, "fd00:a9fe:a9fe::1": true, "192.0.2.1": false, "2001:db8::1": false, "10.0.0.1": false,
	} {
		if got := IsMetadata(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s: %v, want %v", addr, got, want)
		}
	}
}
