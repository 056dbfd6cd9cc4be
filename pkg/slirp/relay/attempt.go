// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"errors"
	"net"
	"net/netip"
	"os"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"coracle/pkg/slirp/sockaddr"
)

// A connection that is made in a visitor's name has its mark on every packet:
// set on our side, and on the server's side inherited by the accepted socket
// (net.ipv4.tcp_fwmark_accept, ip-sysctl) and by what the kernel answers where no
// socket is: a reset, an ICMP error (fwmark_reflect). Marked packets find every
// address on the loopback, and so the answers come to us, not to the wire.
const (
	visitorMark  = 0xc0ac1e
	visitorTable = 0xc0a
)

func routeMarked() error {
	if err := os.WriteFile("/proc/sys/net/ipv4/tcp_fwmark_accept", []byte("1"), 0); err != nil {
		return err
	}
	if err := os.WriteFile("/proc/sys/net/ipv4/fwmark_reflect", []byte("1"), 0); err != nil {
		return err // a visitor of a port where nobody listens would wait for ever
	}
	_ = os.WriteFile("/proc/sys/net/ipv6/fwmark_reflect", []byte("1"), 0) // where there is IPv6
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return err
	}
	route := func(family, size int) error {
		every := &net.IPNet{IP: make(net.IP, size), Mask: make(net.IPMask, size)}
		rule := netlink.NewRule()
		rule.Family, rule.Mark, rule.Table, rule.Priority = family, visitorMark, visitorTable, 100
		err := netlink.RouteReplace(&netlink.Route{
			LinkIndex: lo.Attrs().Index, Dst: every, Table: visitorTable, Type: unix.RTN_LOCAL, Scope: unix.RT_SCOPE_HOST,
		})
		if added := netlink.RuleAdd(rule); !errors.Is(added, unix.EEXIST) { // another loop may have added it
			err = errors.Join(err, added)
		}
		return err
	}
	_ = route(unix.AF_INET6, net.IPv6len) // where there is IPv6
	return route(unix.AF_INET, net.IPv4len)
}

// attempt is one way to connect to a server.
type attempt struct {
	dst  netip.AddrPort
	name netip.AddrPort // whose address the connection comes from; invalid: one of our own
}

// last reports whether nothing else is to be tried: the server is not there. It
// may still listen for IPv4 alone.
func (a attempt) last(err error) bool { return err == unix.ECONNREFUSED && a.dst.Addr().Is4() }

// dial begins to connect a socket of the current thread's namespace. The error is
// connect(2)'s: with EINPROGRESS the socket is there. Two visitors may have one name
// and port, as those from the host's addresses have: the second gets another port.
func (a attempt) dial() (int, error) {
	fd, err := unix.Socket(sockaddr.Domain(a.dst.Addr()), unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	_ = unix.SetsockoptInt(fd, unix.SOL_TCP, unix.TCP_NODELAY, 1)
	if a.name.IsValid() {
		err = impersonate(fd, a.name)
	}
	if err == nil {
		err = unix.Connect(fd, sockaddr.Of(a.dst))
	}
	if err != nil && err != unix.EINPROGRESS {
		unix.Close(fd)
		if err == unix.EADDRNOTAVAIL && a.name.Port() != 0 { // another visitor is connected from there
			a.name = netip.AddrPortFrom(a.name.Addr(), 0)
			return a.dial()
		}
		return -1, err
	}
	return fd, err
}

// impersonate binds a socket to an address that is not here (ip(7),
// IP_TRANSPARENT). Should somebody listen at the visitor's port, any will do.
func impersonate(fd int, visitor netip.AddrPort) error {
	level, transparent := unix.SOL_IP, unix.IP_TRANSPARENT
	if visitor.Addr().Is6() {
		level, transparent = unix.SOL_IPV6, unix.IPV6_TRANSPARENT
	}
	for _, o := range [][3]int{
		{level, transparent, 1}, {unix.SOL_SOCKET, unix.SO_MARK, visitorMark}, {unix.SOL_SOCKET, unix.SO_REUSEADDR, 1},
	} {
		if err := unix.SetsockoptInt(fd, o[0], o[1], o[2]); err != nil {
			return err
		}
	}
	err := unix.Bind(fd, sockaddr.Of(visitor))
	if err == unix.EADDRINUSE {
		err = unix.Bind(fd, sockaddr.Of(netip.AddrPortFrom(visitor.Addr(), 0)))
	}
	return err
}
