// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"coracle/pkg/descriptor"
)

// Target is the container's address on a network.
type Target struct {
	// Addr is not the container's loopback: a server must not take a visitor for
	// somebody there (CVE-2021-20199). Gateway is the visitor that a visitor from
	// the host itself is. Without an address, visitors are turned away.
	Addr, Gateway netip.Addr
	// The same over IPv6, or invalid.
	Addr6, Gateway6 netip.Addr
}

// Server is where the visitors of a port are led to. That may change.
type Server struct {
	port  uint16
	at    atomic.Pointer[Target]
	until atomic.Pointer[time.Time] // who comes before the server listens waits until then; nil: for nothing
}

// NewServer is a server at a port of the container.
func NewServer(port uint16, t Target) *Server {
	s := &Server{port: port}
	s.Forward(t)
	return s
}

// Forward has visitors who come from now on led to t.
func (s *Server) Forward(t Target) { s.at.Store(&t) }

// Await has visitors wait for so long at most, from now on, until the server listens:
// the first may be why it is started.
func (s *Server) Await(d time.Duration) {
	until := time.Now().Add(d)
	s.until.Store(&until)
}

// awaited reports whether visitors who are refused are to wait.
func (s *Server) awaited(now time.Time) bool {
	until := s.until.Load()
	return until != nil && now.Before(*until)
}

// Port is a socket that listens on the host, and whose connections the loops join
// to a server in the container.
type Port struct {
	fd     int
	loops  []*Loop
	server *Server
}

// Listen takes a listener over.
func Listen(l *net.TCPListener, loops []*Loop, s *Server) (*Port, error) {
	defer l.Close()
	fd, err := descriptor.Dup(l, 0)
	if err != nil {
		return nil, err
	}
	p := &Port{fd: fd, loops: loops, server: s}
	// Connections inherit these: a visitor who is gone without a word is noticed.
	const silence = 15 // seconds
	for _, o := range [][3]int{
		{unix.SOL_TCP, unix.TCP_NODELAY, 1}, {unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1},
		{unix.SOL_TCP, unix.TCP_KEEPIDLE, silence}, {unix.SOL_TCP, unix.TCP_KEEPINTVL, silence},
	} {
		_ = unix.SetsockoptInt(p.fd, o[0], o[1], o[2])
	}
	for _, r := range p.loops {
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
func (p *Port) attempts(from netip.AddrPort, transparent bool) []attempt {
	named := func(dst netip.AddrPort, gateway netip.Addr) attempt {
		ip := from.Addr().WithZone("")
		if ip.IsLoopback() || ip.IsLinkLocalUnicast() || ip.Is4() != dst.Addr().Is4() {
			ip = gateway
		}
		return attempt{dst: dst, name: netip.AddrPortFrom(ip, from.Port())}
	}
	t := p.server.at.Load()
	if !t.Addr.IsValid() {
		return nil
	}
	var list []attempt
	four := netip.AddrPortFrom(t.Addr, p.server.port)
	if transparent && from.Addr().Is6() && t.Addr6.IsValid() {
		list = append(list, named(netip.AddrPortFrom(t.Addr6, p.server.port), t.Gateway6))
	}
	if transparent {
		list = append(list, named(four, t.Gateway))
	}
	return append(list, attempt{dst: four})
}

// Close ends the listener and all connections.
func (p *Port) Close() error {
	for _, r := range p.loops {
		r.do(func() { r.forget(p) })
	}
	return os.NewSyscallError("close", unix.Close(p.fd))
}
