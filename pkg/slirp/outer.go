// SPDX-License-Identifier: Apache-2.0

package slirp

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"coracle/pkg/descriptor"
)

// outerPorts give the UDP conversations of one port of the container one port of
// the host, whoever they are with: endpoint-independent mapping (RFC 4787,
// section 4.1). What a program is told of its port by one machine (STUN, RFC 8489)
// is true for others.
type outerPorts struct {
	mu   sync.Mutex
	list map[netip.AddrPort]*outerPort // by the container's
}

type outerPort struct {
	inner netip.AddrPort
	port  uint16
	users int
}

// dial makes the host's socket for a conversation of inner. The port is to be
// left with the conversation.
func (o *outerPorts) dial(inner, dst netip.AddrPort) (*net.UDPConn, *outerPort, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if p := o.list[inner]; p != nil {
		d := net.Dialer{LocalAddr: &net.UDPAddr{Port: int(p.port)}, Control: func(_, _ string, raw syscall.RawConn) error { return descriptor.ControlRaw(raw, share) }}
		if c, err := d.DialContext(context.Background(), "udp", dst.String()); err == nil {
			p.users++
			return c.(*net.UDPConn), p, nil
		}
		// Another port is better than none.
	}
	c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(dst))
	if err != nil || o.list[inner] != nil {
		return c, nil, err
	}
	// Shared from now on, and not before: the kernel would take a port that
	// another container of this user shares for a free one.
	if descriptor.Control(c, share) != nil {
		return c, nil, nil
	}
	if o.list == nil {
		o.list = map[netip.AddrPort]*outerPort{}
	}
	p := &outerPort{inner: inner, port: c.LocalAddr().(*net.UDPAddr).AddrPort().Port(), users: 1}
	o.list[inner] = p
	return c, p, nil
}

// leave is for the end of a conversation.
func (o *outerPorts) leave(p *outerPort) {
	if p == nil {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if p.users--; p.users == 0 {
		delete(o.list, p.inner)
	}
}

// share lets other sockets of this user have the same port (socket(7),
// SO_REUSEPORT). Each is connected, and so gets what its own peer sends.
func share(fd int) error { return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1) }
