// SPDX-License-Identifier: Apache-2.0

package publish

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"coracle/pkg/descriptor"
	"coracle/pkg/slirp/sockaddr"
)

const (
	// maxVisitors bounds who a UDP port of the container knows at a time.
	maxVisitors = 4096
	// visitorIdle is how long a silent visitor is known: the kernel's own
	// nf_conntrack_udp_timeout_stream.
	visitorIdle = 120 * time.Second
)

var datagrams = sync.Pool{New: func() any { b := make([]byte, 64<<10); return &b }}

// udpPort is a published UDP port: a socket on the host. What arrives there is
// put on the container's wire in the visitor's name, and what the server there
// sends to the visitor comes back over the wire, as to anybody.
type udpPort struct {
	conn   *net.UDPConn
	server *udpServer
}

// udpServer is a UDP port of the container, and who has visited it, through
// any port of the host.
type udpServer struct {
	port uint16
	max  int

	mu     sync.Mutex
	on     Link // where the server is; nil: nowhere
	paths  map[udpPath]*udpVisitor
	byName map[netip.AddrPort]*udpVisitor
}

// udpPath is where a visitor's datagrams come from and go to.
type udpPath struct {
	port    *udpPort
	visitor netip.AddrPort
	local   netip.Addr // the host's address that the visitor knows
}

// udpVisitor is somebody who is answered.
type udpVisitor struct {
	path udpPath
	name netip.AddrPort // who the container sees
	used time.Time
}

func (d *Ports) listenUDP(at netip.AddrPort, containerPort uint16) (*udpPort, error) {
	network := "udp4"
	if at.Addr().Is6() {
		network = "udp6"
	}
	c, err := net.ListenUDP(network, net.UDPAddrFromAddrPort(at))
	if err != nil {
		return nil, err
	}
	return d.serveUDP(c, containerPort), nil
}

// serveUDP takes a socket over.
//
// Preconditions: d.mu is held.
func (d *Ports) serveUDP(c *net.UDPConn, containerPort uint16) *udpPort {
	server := d.udp[containerPort]
	if server == nil {
		server = &udpServer{port: containerPort, max: maxVisitors}
		server.forward(d.to)
		d.udp[containerPort] = server
	}
	p := &udpPort{conn: c, server: server}
	// Which of the host's addresses a datagram was for: the answer has to come
	// from there (ip(7), ipv6(7)).
	_ = descriptor.Control(c, func(fd int) error {
		return errors.Join(unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_PKTINFO, 1), unix.SetsockoptInt(fd, unix.SOL_IPV6, unix.IPV6_RECVPKTINFO, 1))
	})
	_ = c.SetReadBuffer(4 << 20)
	d.links.Go(p.inbound)
	return p
}

// Close frees the port.
func (p *udpPort) Close() error { return p.conn.Close() }

// inbound carries what visitors send. A buffer is held only while there is
// something in it.
func (p *udpPort) inbound() {
	raw, err := p.conn.SyscallConn()
	if err != nil {
		return
	}
	oob := make([]byte, 128)
	for {
		var buf *[]byte
		var k, oobn int
		var from unix.Sockaddr
		var rerr error
		err := raw.Read(func(fd uintptr) bool {
			buf = datagrams.Get().(*[]byte)
			k, oobn, _, from, rerr = unix.Recvmsg(int(fd), *buf, oob, unix.MSG_DONTWAIT)
			if rerr == unix.EAGAIN {
				datagrams.Put(buf)
				return false
			}
			return true
		})
		if err != nil {
			return // closed
		}
		if rerr == nil {
			path := udpPath{port: p, visitor: sockaddr.AddrPort(from), local: localOf(oob[:oobn])}
			if name, on := p.server.enter(path, time.Now()); on != nil {
				to := on.Place().Address
				if name.Addr().Is6() {
					to = on.Place().Address6
				}
				on.SendUDP(name, netip.AddrPortFrom(to.Addr(), p.server.port), (*buf)[:k])
			}
		}
		datagrams.Put(buf)
	}
}

// localOf reads the address that a datagram was sent to.
func localOf(oob []byte) netip.Addr {
	list, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return netip.Addr{}
	}
	for _, m := range list {
		switch {
		case m.Header.Level == unix.SOL_IP && m.Header.Type == unix.IP_PKTINFO && len(m.Data) >= unix.SizeofInet4Pktinfo:
			return netip.AddrFrom4([4]byte(m.Data[4:8])) // ipi_spec_dst
		case m.Header.Level == unix.SOL_IPV6 && m.Header.Type == unix.IPV6_PKTINFO && len(m.Data) >= unix.SizeofInet6Pktinfo:
			return netip.AddrFrom16([16]byte(m.Data[:16]))
		}
	}
	return netip.Addr{}
}

// forward has visitors led to a link, where nobody knows them yet.
func (s *udpServer) forward(to Link) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.on, s.paths, s.byName = to, map[udpPath]*udpVisitor{}, map[netip.AddrPort]*udpVisitor{}
}

// enter finds out in whose name a datagram is passed on, and where.
func (s *udpServer) enter(path udpPath, now time.Time) (netip.AddrPort, Link) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !path.visitor.IsValid() || s.on == nil {
		return netip.AddrPort{}, nil
	}
	if v := s.paths[path]; v != nil {
		v.used = now
		return v.name, s.on
	}
	if len(s.paths) >= s.max {
		s.makeRoom(now)
	}
	six := path.visitor.Addr().Is6() && s.on.Place().Address6.IsValid() && s.on.ListensUDP6(s.port)
	name, ok := s.name(path.visitor, six)
	if !ok {
		return name, nil
	}
	v := &udpVisitor{path: path, name: name, used: now}
	s.paths[path], s.byName[name] = v, v
	return name, s.on
}

// makeRoom forgets who has been silent, or else anybody: a flood from made-up
// addresses must not shut others out.
func (s *udpServer) makeRoom(now time.Time) {
	var last *udpVisitor
	for _, v := range s.paths {
		if now.Sub(v.used) > visitorIdle {
			s.forget(v)
		}
		last = v
	}
	if len(s.paths) >= s.max {
		s.forget(last)
	}
}

func (s *udpServer) forget(v *udpVisitor) {
	delete(s.paths, v.path)
	delete(s.byName, v.name)
}

// name is the visitor's own address where the container can answer that, and
// else the gateway's, with a port that nobody else has. With six it is one of
// IPv6.
func (s *udpServer) name(visitor netip.AddrPort, six bool) (netip.AddrPort, bool) {
	at := s.on.Place()
	own, gateway := at.Address, at.Gateway
	if six {
		own, gateway = at.Address6, at.Gateway6
	}
	ip := visitor.Addr()
	if ip.Is6() == six && ip.IsGlobalUnicast() && s.on.HasWayOut() && !own.Contains(ip) && s.byName[visitor] == nil {
		return visitor, true
	}
	const first, ports = 1024, 1<<16 - 1024
	for i := range ports {
		port := visitor.Port()
		if i > 0 {
			port = uint16(first + (int(port)+i)%ports)
		}
		if name := netip.AddrPortFrom(gateway, port); s.byName[name] == nil {
			return name, true
		}
	}
	return netip.AddrPort{}, false
}

// path finds the way back to a visitor.
func (s *udpServer) path(name netip.AddrPort, now time.Time) (udpPath, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := s.byName[name]
	if v == nil || now.Sub(v.used) > visitorIdle {
		return udpPath{}, false
	}
	v.used = now
	return v.path, true
}

// Answer takes a datagram from the container, from a port of its to somebody, if it
// answers a visitor. The data is read then.
func (d *Ports) Answer(port uint16, to netip.AddrPort, data func() []byte) bool {
	d.mu.Lock()
	server := d.udp[port]
	d.mu.Unlock()
	if server == nil {
		return false
	}
	path, ok := server.path(to, time.Now())
	if ok {
		path.port.send(path, data())
	}
	return ok
}

// send answers a visitor, from the address that the visitor wrote to. It never
// waits: everything that the container sends comes through here.
func (p *udpPort) send(path udpPath, data []byte) {
	raw, err := p.conn.SyscallConn()
	if err != nil {
		return
	}
	var to unix.Sockaddr
	var oob []byte
	six := p.conn.LocalAddr().(*net.UDPAddr).IP.To4() == nil
	if six {
		to = sockaddr.Of6(path.visitor)
		if path.local.IsValid() {
			oob = unix.PktInfo6(&unix.Inet6Pktinfo{Addr: path.local.As16()})
		}
	} else {
		to = sockaddr.Of(path.visitor)
		if path.local.Is4() {
			oob = unix.PktInfo4(&unix.Inet4Pktinfo{Spec_dst: path.local.As4()})
		}
	}
	_ = raw.Control(func(fd uintptr) {
		for {
			_, err := unix.SendmsgN(int(fd), data, oob, to, unix.MSG_DONTWAIT)
			if !errors.Is(err, unix.EINTR) {
				return // what the host does not take is lost, as on any network
			}
		}
	})
}
