// SPDX-License-Identifier: Apache-2.0

package tutorial

import (
	"strings"
	"testing"

	"coracle/internal/testutil"
)

// TestNetworkWithIPv6 has containers reach each other by IPv6, on a network with
// both families.
func TestNetworkWithIPv6(t *testing.T) {
	u := newUser(t)
	u.image("busybox.tar", "busybox")
	t.Cleanup(func() { u.result("network", "prune", "-f") })
	u.ok("network", "create", "--ipv6", "--subnet", "172.29.0.0/16", "--ip-range", "172.29.5.0/24", "--aux-address", "printer=172.29.5.0", "--subnet", "fd12:3456::/64", "six")
	u.ok("run", "-d", "--name", "web", "--hostname", "first", "--network", "six", "busybox", "httpd", "-f", "-p", "80", "-h", "/etc")
	if got := u.ok("inspect", "-f", "{{.NetworkSettings.IPAddress}} {{.NetworkSettings.GlobalIPv6Address}}", "web"); got != "172.29.5.1 fd12:3456::501" {
		t.Errorf("addresses: %s", got)
	}
	for _, at := range []string{"fd12:3456::501", "172.29.5.1", "web"} {
		testutil.Eventually(t, at+" answers", func() bool {
			r := u.result("run", "--rm", "--network", "six", "busybox", "sh", "-c", `printf 'GET /hostname HTTP/1.0\r\n\r\n' | nc -w 5 `+at+` 80`)
			return strings.HasSuffix(r.Out, "first\n")
		})
	}
	testutil.Contains(t, u.ok("run", "--rm", "--network", "six", "busybox", "nslookup", "-type=aaaa", "web"), "fd12:3456::501")
	testutil.Contains(t, u.ok("run", "--rm", "--network", "six", "busybox", "nslookup", "fd12:3456::501"), "name = web.six")
	testutil.Contains(t, u.ok("run", "--rm", "--network", "six", "--ip6", "fd12:3456::77", "busybox", "ip", "-6", "-o", "addr", "show", "eth0"), "fd12:3456::77/64")
	u.ok("network", "create", "four")
	for _, tt := range []struct{ network, ip, words string }{
		{"six", "fd99::1", "does not belong to subnet fd12:3456::/64"},
		{"six", "fd12:3456::501", "Address already in use"},
		{"six", "fd12:3456::1", "Address already in use"},
		{"four", "fd12:3456::5", "has no IPv6"},
	} {
		u.fails(125, []string{tt.words}, "run", "--rm", "--network", tt.network, "--ip6", tt.ip, "busybox", "true")
	}
	// On another network it has another address, and the way out stays where it was.
	u.ok("network", "create", "--ipv6", "--internal", "inside")
	u.ok("network", "connect", "inside", "web")
	if got := u.ok("exec", "web", "ip", "-6", "route"); strings.Count(got, "default") != 1 || !strings.Contains(got, "default via fd12:3456::1 dev eth0") {
		t.Errorf("routes: %s", got)
	}
	for _, tt := range []struct{ args, words string }{
		{"--subnet fd12:3456::/48", "Pool overlaps with other one on this address space"},
		{"--subnet 172.29.5.0/24", "Pool overlaps with other one on this address space"},
		{"--subnet fd77::/120 --subnet 172.30.0.0/16", "room for the members"},
		{"--subnet fe80::/64", "not an address of one machine"},
		{"--gateway 172.30.0.1", "every ip-range or gateway must have a corresponding subnet"},
		{"--subnet 172.30.0.0/16 --gateway fd77::1", "no matching subnet for gateway fd77::1"},
		{"--subnet 172.30.0.0/16 --ip-range 172.31.0.0/24", "no matching subnet for range 172.31.0.0/24"},
		{"--subnet 172.30.0.0/16 --aux-address a=172.31.0.1", "no matching subnet for aux-address a=172.31.0.1"},
		{"--subnet 172.30.0.0/16 --subnet 172.31.0.0/16", "one subnet of each family"},
		{"--subnet 172.30.1.0/16", "it should be 172.30.0.0/16"},
	} {
		u.fails(1, []string{tt.words}, append(append([]string{"network", "create"}, strings.Fields(tt.args)...), "bad")...)
	}
}
