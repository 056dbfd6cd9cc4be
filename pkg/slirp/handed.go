// SPDX-License-Identifier: Apache-2.0

package slirp

import (
	"net"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"
)

// handedSocket is a listening TCP socket that somebody else has bound, a service
// manager for one (sd_listen_fds(3)): it serves the published port of its
// address, which may be one that this process could not bind.
type handedSocket struct {
	listener *net.TCPListener
	addr     netip.AddrPort
	dual     bool // IPv6, and IPv4 too
	used     bool
}

// Hand gives the network listening sockets to publish ports with, before the
// first PublishSpec. The files stay the caller's. What does not listen for TCP
// is passed over.
func (n *Network) Hand(files []*os.File) {
	n.ports.mu.Lock()
	defer n.ports.mu.Unlock()
	for _, f := range files {
		var listening, only int
		_ = control(f, func(fd int) error {
			listening, _ = unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
			only, _ = unix.GetsockoptInt(fd, unix.SOL_IPV6, unix.IPV6_V6ONLY)
			return nil
		})
		if listening == 0 {
			continue
		}
		l, err := net.FileListener(f)
		if err != nil {
			continue
		}
		t, ok := l.(*net.TCPListener)
		if !ok {
			l.Close()
			continue
		}
		at := t.Addr().(*net.TCPAddr).AddrPort()
		h := &handedSocket{listener: t, addr: netip.AddrPortFrom(at.Addr().Unmap(), at.Port())}
		h.dual = h.addr.Addr() == netip.IPv6Unspecified() && only == 0
		n.ports.handed = append(n.ports.handed, h)
	}
}

// handedAt finds the socket that listens at an address.
//
// Preconditions: d.mu is held.
func (d *portDriver) handedAt(at netip.AddrPort) *handedSocket {
	for _, h := range d.handed {
		if h.addr == at || h.dual && at == netip.AddrPortFrom(netip.IPv4Unspecified(), h.addr.Port()) {
			return h
		}
	}
	return nil
}
