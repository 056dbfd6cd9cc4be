// SPDX-License-Identifier: Apache-2.0

package slirp

import (
	"bufio"
	"net/netip"
	"os"
	"strings"
	"time"

	"coracle/pkg/slirp/dns"
	"coracle/pkg/slirp/l2"
)

// Config is the plan of one link.
type Config struct {
	l2.Config
	// HostLoopback makes the gateway's address lead to the host's loopback.
	HostLoopback bool
	// ResolvConf names the servers that DNS questions are passed to; the file
	// is read for every question, so that it may change.
	ResolvConf string
	// Internal closes the way out: nothing but other members is reached.
	Internal bool
	// Peers are the other members of the link's segment; nil: the container is
	// alone on it. Names are answered before DNS questions are passed on, unless
	// they are nil.
	Peers l2.Peers
	Names dns.Names

	stackTCP bool          // for tests: as where the kernel cannot carry TCP
	idle     time.Duration // for tests: in place of flowIdle
}

// DefaultConfig is the plan of a link that the container is alone on, with the
// addresses that other user-mode networks have made known.
func DefaultConfig() Config {
	var c Config
	c.Interface, c.MTU, c.ResolvConf = "eth0", 65520, "/etc/resolv.conf"
	c.Address, c.Gateway, c.DNS = netip.MustParsePrefix("10.0.2.100/24"), netip.MustParseAddr("10.0.2.2"), netip.MustParseAddr("10.0.2.3")
	c.MAC = l2.MACOf(c.Address.Addr())
	if hostHasIPv6() {
		c.Address6, c.Gateway6 = netip.MustParsePrefix("fd00:c0:2::64/64"), netip.MustParseAddr("fd00:c0:2::2")
	}
	return c
}

// hostHasIPv6 reports whether the host has a default route for IPv6. In
// /proc/net/ipv6_route the columns are destination, prefix length, …, flags,
// device.
func hostHasIPv6() bool {
	f, err := os.Open("/proc/net/ipv6_route")
	if err != nil {
		return false
	}
	defer f.Close()
	for sc := bufio.NewScanner(f); sc.Scan(); {
		col := strings.Fields(sc.Text())
		if len(col) == 10 && col[1] == "00" && strings.Trim(col[0], "0") == "" && col[9] != "lo" {
			return true
		}
	}
	return false
}
