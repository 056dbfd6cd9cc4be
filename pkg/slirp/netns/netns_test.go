// SPDX-License-Identifier: Apache-2.0

package netns

import "testing"

// TestPingGroups: the kernel wants two ends that the namespace has, in the order of
// its parent's numbers, and at most 2147483647.
func TestPingGroups(t *testing.T) {
	for gidMap, want := range map[string]string{
		"         0       1000          1\n         1     100000      65536\n": "0 65536",
		"0 1000 1\n":                               "0 0",
		"0 0 4294967295\n":                         "0 2147483647",
		"0 300000 1\n1 100000 65536\n":             "0 0", // root's number is above all others
		"0 1000 1\n1 400000 1000\n1001 200000 9\n": "0 1000",
		"":          "0 0",
		"damaged\n": "0 0",
	} {
		if got := pingGroups(gidMap); got != want {
			t.Errorf("%q: %q, want %q", gidMap, got, want)
		}
	}
}
