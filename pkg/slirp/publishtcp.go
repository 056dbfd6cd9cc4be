// SPDX-License-Identifier: Apache-2.0

package slirp

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// tcpPort is a published TCP port: a listener on the host, whose connections
// are joined to sockets in the container's namespace. The kernel moves the data
// (splice(2), by io.Copy).
type tcpPort struct {
	listener *net.TCPListener
	sockets  *socketMaker
	gateway  netip.Addr // the visitor that a visitor from the host itself is
	dst      netip.AddrPort

	mu     sync.Mutex
	open   map[net.Conn]bool
	closed bool
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
	return n.serveTCP(l, containerPort), nil
}

// serveTCP takes a listener over.
func (n *Network) serveTCP(l *net.TCPListener, containerPort uint16) *tcpPort {
	p := &tcpPort{
		listener: l, sockets: n.ports.sockets, gateway: n.cfg.Gateway,
		// The container's own address: a server must not take a visitor for
		// somebody on its loopback (CVE-2021-20199).
		dst: netip.AddrPortFrom(n.cfg.Address.Addr(), containerPort), open: map[net.Conn]bool{},
	}
	go p.serve()
	return p
}

// serve accepts until the listener is closed. Errors such as EMFILE pass.
func (p *tcpPort) serve() {
	const longest = time.Second
	pause := 5 * time.Millisecond
	for {
		c, err := p.listener.AcceptTCP()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			time.Sleep(pause)
			pause = min(2*pause, longest)
			continue
		}
		pause = 5 * time.Millisecond
		go p.carry(c)
	}
}

// carry joins a visitor to the container's server. Who cannot be joined is
// reset, as the server would have done.
func (p *tcpPort) carry(c *net.TCPConn) {
	if !p.enter(c) {
		c.Close()
		return
	}
	defer p.leave(c)
	f, err := p.sockets.dialTCP(p.dst, p.visitor(c))
	if err != nil {
		_ = c.SetLinger(0)
		return
	}
	conn, err := net.FileConn(f)
	f.Close()
	server, ok := conn.(*net.TCPConn)
	if err != nil || !ok {
		_ = c.SetLinger(0)
		return
	}
	if !p.enter(server) {
		server.Close()
		return
	}
	defer p.leave(server)
	move := spliced
	if p.many() {
		move = copied
	}
	inside, outside := &hostConn{TCPConn: server}, &hostConn{TCPConn: c}
	var both sync.WaitGroup
	both.Go(func() { join(inside, outside, move) })
	join(outside, inside, move)
	both.Wait()
}

// many reports whether so many connections are open that descriptors are to be
// saved: splice(2) takes a pipe for each direction.
func (p *tcpPort) many() bool {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return true
	}
	const share = 8 // two sockets and four ends of pipes, and some room
	p.mu.Lock()
	defer p.mu.Unlock()
	return uint64(len(p.open)) > limit.Cur/share
}

// spliced moves data in the kernel.
func spliced(to, from *net.TCPConn) error {
	_, err := io.Copy(to, from)
	return err
}

// copied moves data through a buffer, which is held only while there is
// something in it.
func copied(to, from *net.TCPConn) error {
	raw, err := from.SyscallConn()
	if err != nil {
		return err
	}
	for {
		var buf *[]byte
		var n int
		var rerr error
		err := raw.Read(func(fd uintptr) bool {
			buf = datagrams.Get().(*[]byte)
			for n, rerr = unix.Read(int(fd), *buf); rerr == unix.EINTR; {
				n, rerr = unix.Read(int(fd), *buf)
			}
			if rerr == unix.EAGAIN {
				datagrams.Put(buf)
				return false
			}
			return true
		})
		if err != nil {
			return err
		}
		if rerr == nil && n > 0 {
			_, rerr = to.Write((*buf)[:n])
		}
		datagrams.Put(buf)
		if rerr != nil || n == 0 {
			return rerr
		}
	}
}

// join copies until the end of from, and then says so to to; a connection that
// was reset is reset on the other side too.
func join(to, from *hostConn, move func(to, from *net.TCPConn) error) {
	err := move(to.TCPConn, from.TCPConn)
	if err == nil {
		err = from.end()
	}
	switch {
	case err == nil:
		_ = to.CloseWrite()
		_ = from.CloseRead()
	case errors.Is(err, net.ErrClosed): // by the other direction, or with the port
		to.Close()
		from.Close()
	default:
		cut(to, from)
	}
}

// visitor is who the server will see: the visitor, or the gateway for somebody
// on the host itself, or whose address the container could not hold.
func (p *tcpPort) visitor(c *net.TCPConn) netip.AddrPort {
	addr, ok := c.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return netip.AddrPortFrom(p.gateway, 0)
	}
	a := addr.AddrPort()
	ip := a.Addr().Unmap()
	if !ip.Is4() || ip.IsLoopback() {
		ip = p.gateway
	}
	return netip.AddrPortFrom(ip, a.Port())
}

func (p *tcpPort) enter(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
	}
	p.open[c] = true
	return true
}

func (p *tcpPort) leave(c net.Conn) {
	p.mu.Lock()
	delete(p.open, c)
	p.mu.Unlock()
	c.Close()
}

// Close ends the listener and all connections.
func (p *tcpPort) Close() error {
	err := p.listener.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for c := range p.open {
		c.Close()
	}
	return err
}
