// SPDX-License-Identifier: Apache-2.0

package publish

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"coracle/pkg/descriptor"
	"coracle/pkg/slirp/relay"
)

// inherited is a socket that somebody else has bound, a service manager for
// one (sd_listen_fds(3)): it serves the published port of its address, which may
// be one that this process could not bind.
type inherited struct {
	socket io.Closer // a net.TCPListener or a net.UDPConn
	proto  string
	addr   netip.AddrPort
	dual   bool // IPv6, and IPv4 too
	used   bool
}

// Inherit gives sockets to publish ports with, before the first Publish: those
// that listen for TCP, and those of UDP that are bound and not connected. The files
// stay the caller's. Others are passed over.
func (d *Ports) Inherit(files []*os.File) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, f := range files {
		if h := openInherited(f); h != nil {
			d.given = append(d.given, h)
		}
	}
}

func openInherited(f *os.File) *inherited {
	h := &inherited{}
	var at netip.AddrPort
	if l, err := net.FileListener(f); err == nil {
		h.socket, h.proto = l, "tcp"
		t, ok := l.(*net.TCPListener)
		if !ok || !listens(f) {
			l.Close()
			return nil
		}
		at = t.Addr().(*net.TCPAddr).AddrPort()
	} else if c, err := net.FilePacketConn(f); err == nil {
		h.socket, h.proto = c, "udp"
		u, ok := c.(*net.UDPConn)
		if !ok || u.RemoteAddr() != nil {
			c.Close()
			return nil
		}
		at = u.LocalAddr().(*net.UDPAddr).AddrPort()
	} else {
		return nil
	}
	h.addr = netip.AddrPortFrom(at.Addr().Unmap(), at.Port())
	var only int
	_ = descriptor.Control(f, func(fd int) error {
		only, _ = unix.GetsockoptInt(fd, unix.SOL_IPV6, unix.IPV6_V6ONLY)
		return nil
	})
	h.dual = h.addr.Addr() == netip.IPv6Unspecified() && only == 0
	return h
}

// listens reports whether listen(2) was called.
func listens(f *os.File) bool {
	var yes int
	_ = descriptor.Control(f, func(fd int) error {
		yes, _ = unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
		return nil
	})
	return yes != 0
}

// awaitProgram is how long who visits an inherited socket waits for the program to
// listen: for its sake the container may have been started (systemd.socket(5)), and who
// bound the socket has taken its visitors' connections already.
const awaitProgram = time.Minute

// serve takes an inherited socket over.
//
// Preconditions: d.mu is held.
func (d *Ports) serve(socket io.Closer, containerPort uint16) (io.Closer, error) {
	if l, ok := socket.(*net.TCPListener); ok {
		s := relay.NewServer(containerPort, d.target())
		s.Await(awaitProgram)
		return d.serveTCP(l, s)
	}
	return d.serveUDP(socket.(*net.UDPConn), containerPort), nil
}

// Unserved is the error of an inherited socket that no published
// port has taken: whoever connects to it would wait for ever.
func (d *Ports) Unserved() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, h := range d.given {
		if !h.used {
			at := h.addr.String()
			if h.addr.Addr().IsUnspecified() {
				at = strconv.Itoa(int(h.addr.Port()))
			}
			return &hintError{
				fmt.Errorf("the %s socket %s that was handed over (LISTEN_FDS) is of no published port", h.proto, h.addr),
				fmt.Sprintf("publish its address: -p %s:PORT/%s", at, h.proto),
			}
		}
	}
	return nil
}

// inheritedAt finds the socket of an address.
//
// Preconditions: d.mu is held.
func (d *Ports) inheritedAt(proto string, at netip.AddrPort) *inherited {
	for _, h := range d.given {
		if h.proto == proto && (h.addr == at || h.dual && at == netip.AddrPortFrom(netip.IPv4Unspecified(), h.addr.Port())) {
			return h
		}
	}
	return nil
}
