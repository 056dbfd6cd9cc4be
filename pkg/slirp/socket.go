// SPDX-License-Identifier: Apache-2.0

package slirp

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"runtime"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// socketMaker makes sockets in a network namespace, on a thread that stays
// there. A socket belongs to the namespace it was made in; what is done with
// it afterwards can be done from anywhere.
type socketMaker struct {
	ask         chan socketRequest
	done        chan struct{}
	transparent bool
}

type socketRequest struct {
	domain, kind int
	answer       chan<- socketAnswer
}

type socketAnswer struct {
	fd  int
	err error
}

// newSocketMaker enters ns.
func newSocketMaker(ns *os.File) (*socketMaker, error) {
	m := &socketMaker{ask: make(chan socketRequest), done: make(chan struct{})}
	ready := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends here
		if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
			ready <- os.NewSyscallError("setns", err)
			return
		}
		m.transparent = routeMarked() == nil
		ready <- nil
		for {
			select {
			case r := <-m.ask:
				fd, err := unix.Socket(r.domain, r.kind|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
				r.answer <- socketAnswer{fd, os.NewSyscallError("socket", err)}
			case <-m.done:
				return
			}
		}
	}()
	return m, <-ready
}

// A connection that is made in a visitor's name has its mark on every packet:
// set on our side, and on the server's side inherited by the accepted socket
// (net.ipv4.tcp_fwmark_accept, ip-sysctl). Marked packets find every address
// on the loopback, and so the answers come to us, not to the wire.
const (
	visitorMark  = 0xc0ac1e
	visitorTable = 0xc0a
)

func routeMarked() error {
	if err := os.WriteFile("/proc/sys/net/ipv4/tcp_fwmark_accept", []byte("1"), 0); err != nil {
		return err
	}
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return err
	}
	every := ipNet(netip.MustParsePrefix("0.0.0.0/0"))
	rule := netlink.NewRule()
	rule.Family, rule.Mark, rule.Table, rule.Priority = unix.AF_INET, visitorMark, visitorTable, 100
	return errors.Join(
		netlink.RouteReplace(&netlink.Route{
			LinkIndex: lo.Attrs().Index, Dst: every, Table: visitorTable, Type: unix.RTN_LOCAL, Scope: unix.RT_SCOPE_HOST,
		}),
		netlink.RuleAdd(rule),
	)
}

func (m *socketMaker) close() { close(m.done) }

func (m *socketMaker) socket(domain, kind int) (*os.File, error) {
	answer := make(chan socketAnswer, 1)
	select {
	case m.ask <- socketRequest{domain, kind, answer}:
	case <-m.done:
		return nil, net.ErrClosed
	}
	a := <-answer
	if a.err != nil {
		return nil, a.err
	}
	return os.NewFile(uintptr(a.fd), "socket"), nil
}

// dialTCP connects to dst in the name of visitor, or in its own when the kernel
// has no way to do that.
func (m *socketMaker) dialTCP(dst, visitor netip.AddrPort) (*os.File, error) {
	if m.transparent && visitor.Addr().Is4() && dst.Addr().Is4() {
		f, err := m.socket(unix.AF_INET, unix.SOCK_STREAM)
		if err != nil {
			return nil, err
		}
		if err = impersonate(f, visitor); err == nil {
			err = connect(f, dst)
		}
		if err == nil {
			return f, nil
		}
		f.Close()
		if errors.Is(err, unix.ECONNREFUSED) {
			return nil, err
		}
	}
	return m.dial(unix.SOCK_STREAM, dst)
}

func (m *socketMaker) dial(kind int, dst netip.AddrPort) (*os.File, error) {
	f, err := m.socket(domainOf(dst.Addr()), kind)
	if err != nil {
		return nil, err
	}
	if err := connect(f, dst); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// impersonate binds a socket to an address that is not here (ip(7),
// IP_TRANSPARENT). Should the visitor's port be taken, any will do.
func impersonate(f *os.File, visitor netip.AddrPort) error {
	return control(f, func(fd int) error {
		if err := errors.Join(
			unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_TRANSPARENT, 1),
			unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_MARK, visitorMark),
			unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1),
		); err != nil {
			return err
		}
		err := unix.Bind(fd, sockaddr(visitor))
		if errors.Is(err, unix.EADDRINUSE) {
			err = unix.Bind(fd, sockaddr(netip.AddrPortFrom(visitor.Addr(), 0)))
		}
		return os.NewSyscallError("bind", err)
	})
}

func domainOf(a netip.Addr) int {
	if a.Is4() {
		return unix.AF_INET
	}
	return unix.AF_INET6
}

func sockaddr(a netip.AddrPort) unix.Sockaddr {
	if a.Addr().Is4() {
		return &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}
	}
	return &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}
}

// control calls f with the descriptor. File.Fd would make it blocking.
func control(file *os.File, f func(fd int) error) error {
	raw, err := file.SyscallConn()
	if err != nil {
		return err
	}
	var ferr error
	return errors.Join(raw.Control(func(fd uintptr) { ferr = f(int(fd)) }), ferr)
}

// connect is connect(2) on a socket that does not block.
func connect(f *os.File, dst netip.AddrPort) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	started := false
	var cerr error
	err = raw.Write(func(fd uintptr) bool {
		if !started {
			started = true
			cerr = unix.Connect(int(fd), sockaddr(dst))
			return cerr != unix.EINPROGRESS
		}
		n, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_ERROR)
		if err == nil && n != 0 {
			err = unix.Errno(n)
		}
		cerr = err
		if err == nil {
			// A wake-up from before the connect is none.
			_, err = unix.Getpeername(int(fd))
		}
		return err != unix.ENOTCONN
	})
	return errors.Join(err, os.NewSyscallError("connect", cerr))
}
