// SPDX-License-Identifier: Apache-2.0

package slirp

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestVisitorsAreTurnedAway visits published ports where nobody listens, or only
// over the other family, from every address that a visitor may have.
func TestVisitorsAreTurnedAway(t *testing.T) {
	if !onHost(t) {
		return
	}
	const atOnce = 5 * time.Second // a request that nothing answers is given up after 130
	for what, change := range map[string]func(*Config){"IPv4": func(c *Config) { c.Address6, c.Gateway6 = netip.Prefix{}, netip.Addr{} }, "IPv6": withIPv6} {
		b := newBox(t, change)
		if _, err := b.ports.Publish(PortSpec{HostPort: 8081, ContainerPort: 8001, Proto: "tcp"}); err != nil {
			t.Fatal(err)
		}
		if _, err := b.ports.Publish(PortSpec{HostPort: 8082, ContainerPort: 8002, Proto: "tcp"}); err != nil {
			t.Fatal(err)
		}
		go accept(b.listen("0.0.0.0:8002"), digest)
		for _, host := range []string{"127.0.0.1", hostAddr, "::1", hostAddr6} {
			c, err := net.DialTimeout("tcp", net.JoinHostPort(host, "8081"), atOnce)
			if err == nil {
				_ = c.SetReadDeadline(time.Now().Add(atOnce))
				_, err = c.Read(make([]byte, 1))
				c.Close()
			}
			if errors.Is(err, os.ErrDeadlineExceeded) || !errors.Is(err, unix.ECONNRESET) && !errors.Is(err, unix.ECONNREFUSED) && err != io.EOF {
				t.Errorf("%s: from %s, where nobody listens: %v", what, host, err)
			}
			c, err = net.DialTimeout("tcp", net.JoinHostPort(host, "8082"), atOnce)
			if err == nil {
				_ = c.SetDeadline(time.Now().Add(atOnce))
				err = exchange(c, []byte("hello"))
			}
			if err != nil {
				t.Errorf("%s: from %s to a server of IPv4 alone: %v", what, host, err)
			}
		}
		_ = b.ports.Close()
	}
}
