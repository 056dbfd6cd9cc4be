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
	fd      int
	relays  []*relay
	gateway netip.Addr // the visitor that a visitor from the host itself is
	dst     netip.AddrPort
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
		relays: n.ports.relays, gateway: n.cfg.Gateway,
		// The container's own address: a server must not take a visitor for
		// somebody on its loopback (CVE-2021-20199).
		dst: netip.AddrPortFrom(n.cfg.Address.Addr(), containerPort),
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

// visitor is who the server will see: the visitor, or the gateway for somebody
// on the host itself, or whose address the container could not hold.
func (p *tcpPort) visitor(from netip.AddrPort) netip.AddrPort {
	ip := from.Addr()
	if !ip.Is4() || ip.IsLoopback() {
		ip = p.gateway
	}
	return netip.AddrPortFrom(ip, from.Port())
}

// Close ends the listener and all connections.
func (p *tcpPort) Close() error {
	for _, r := range p.relays {
		r.do(func() { r.forget(p) })
	}
	return os.NewSyscallError("close", unix.Close(p.fd))
}
