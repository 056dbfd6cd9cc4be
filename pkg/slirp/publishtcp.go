// SPDX-License-Identifier: Apache-2.0

package slirp

import (
	"net"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"
)

// tcpPort is a published TCP port: a socket that listens on the host, and whose
// connections the relays join to the container's server.
type tcpPort struct {
	fd                int
	relays            []*relay
	gateway, gateway6 netip.Addr
	dst, dst6         netip.AddrPort // dst6 is invalid without IPv6
}

func (n *Network) listenTCP(at netip.AddrPort, containerPort uint16) (*tcpPort, error) {
	network := "tcp4"
	if at.Addr().Is6() {
		network = "tcp6"
	}
	l, err := net.ListenTCP(network, net.TCPAddrFromAddrPort(at))
	if err != nil {
		return nil, err
	}
	return n.serveTCP(l, containerPort)
}

// serveTCP takes a listener over.
func (n *Network) serveTCP(l *net.TCPListener, containerPort uint16) (*tcpPort, error) {
	defer l.Close()
	raw, err := l.SyscallConn()
	if err != nil {
		return nil, err
	}
	p := &tcpPort{
		relays: n.ports.relays, gateway: n.cfg.Gateway, gateway6: n.cfg.Gateway6,
		// The container's own address: a server must not take a visitor for
		// somebody on its loopback (CVE-2021-20199).
		dst: netip.AddrPortFrom(n.cfg.Address.Addr(), containerPort),
	}
	if n.cfg.Address6.IsValid() {
		p.dst6 = netip.AddrPortFrom(n.cfg.Address6.Addr(), containerPort)
	}
	if cerr := raw.Control(func(fd uintptr) {
		p.fd, err = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0)
	}); cerr != nil {
		err = cerr
	}
	if err != nil {
		return nil, os.NewSyscallError("fcntl", err)
	}
	// Connections inherit these: a visitor who is gone without a word is noticed.
	const silence = 15 // seconds
	for _, o := range [][3]int{
		{unix.SOL_TCP, unix.TCP_NODELAY, 1}, {unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1},
		{unix.SOL_TCP, unix.TCP_KEEPIDLE, silence}, {unix.SOL_TCP, unix.TCP_KEEPINTVL, silence},
	} {
		_ = unix.SetsockoptInt(p.fd, o[0], o[1], o[2])
	}
	for _, r := range p.relays {
		r.do(func() { err = r.listen(p) })
		if err != nil {
			_ = p.Close()
			return nil, err
		}
	}
	return p, nil
}

// attempts are the ways to connect a visitor, the best one first: in the visitor's
// own name, where the container could hold that address; in the gateway's, which
// is also the name of somebody on the host itself; in no name but the kernel's. A
// visitor over IPv6 is for a server that listens there, if there is one.
func (p *tcpPort) attempts(from netip.AddrPort, transparent bool) []attempt {
	named := func(dst netip.AddrPort, gateway netip.Addr) attempt {
		ip := from.Addr().WithZone("")
		if ip.IsLoopback() || ip.IsLinkLocalUnicast() || ip.Is4() != dst.Addr().Is4() {
			ip = gateway
		}
		return attempt{dst: dst, name: netip.AddrPortFrom(ip, from.Port())}
	}
	var list []attempt
	if transparent && from.Addr().Is6() && p.dst6.IsValid() {
		list = append(list, named(p.dst6, p.gateway6))
	}
	if transparent {
		list = append(list, named(p.dst, p.gateway))
	}
	return append(list, attempt{dst: p.dst})
}

// Close ends the listener and all connections.
func (p *tcpPort) Close() error {
	for _, r := range p.relays {
		r.do(func() { r.forget(p) })
	}
	return os.NewSyscallError("close", unix.Close(p.fd))
}
