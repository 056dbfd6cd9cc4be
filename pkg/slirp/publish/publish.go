// SPDX-License-Identifier: Apache-2.0

package publish

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"coracle/pkg/hint"
	"coracle/pkg/slirp/l2"
	"coracle/pkg/slirp/relay"
)

// Ports publishes the ports of one container. They stay when the container
// changes its networks: visitors are led to its address on one of them.
type Ports struct {
	netns *os.File

	mu    sync.Mutex
	to    Link // nil: every visitor is turned away
	loops []*relay.Loop
	tcp   []*relay.Server
	open  []io.Closer           // relay.Port and udpPort
	udp   map[uint16]*udpServer // by the container's port
	links sync.WaitGroup
	given []*inherited
}

// Link is how the container is reached.
type Link interface {
	// Place is where the container is.
	Place() l2.Place
	// HasWayOut reports whether the container answers any address over it.
	HasWayOut() bool
	// ListensUDP6 reports whether somebody in the container listens at a UDP port
	// over IPv6.
	ListensUDP6(port uint16) bool
	// SendUDP writes a datagram to the container.
	SendUDP(from, to netip.AddrPort, data []byte)
	// AnswerTo gives datagrams from the container to p first, or to nobody.
	AnswerTo(p *Ports)
}

// New publishes ports of the container that netns belongs to. Nothing runs
// before the first is published. The file stays the caller's, for as long as
// ports are open.
func New(netns *os.File) *Ports {
	return &Ports{netns: netns, udp: map[uint16]*udpServer{}}
}

// Forward has visitors led to the container's address on a link, or nowhere with
// nil. Connections that were made are not touched.
func (d *Ports) Forward(to Link) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.to != nil {
		d.to.AnswerTo(nil)
	}
	if d.to = to; to != nil {
		to.AnswerTo(d)
	}
	for _, s := range d.tcp {
		s.Forward(d.target())
	}
	for _, s := range d.udp {
		s.forward(to)
	}
}

// target is where visitors over TCP are led.
//
// Preconditions: d.mu is held.
func (d *Ports) target() (t relay.Target) {
	if d.to == nil {
		return t
	}
	at := d.to.Place()
	t.Addr, t.Gateway = at.Address.Addr(), at.Gateway
	if at.Address6.IsValid() {
		t.Addr6, t.Gateway6 = at.Address6.Addr(), at.Gateway6
	}
	return t
}

// Carry begins to carry by so many loops at least. The first port that is published
// does so with [relay.Loops].
func (d *Ports) Carry(loops int) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for len(d.loops) < loops {
		r, err := relay.New(d.netns)
		if err != nil {
			return err
		}
		d.loops = append(d.loops, r)
	}
	return nil
}

// LimitPipes bounds the pipes of each loop, as a host with few descriptors does.
func (d *Ports) LimitPipes(n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, l := range d.loops {
		l.LimitPipes(n)
	}
}

// Close frees the ports and ends the connections of visitors. It may be called
// again.
func (d *Ports) Close() error {
	d.Forward(nil)
	d.mu.Lock()
	defer d.mu.Unlock()
	var errs []error
	for _, p := range d.open {
		errs = append(errs, p.Close())
	}
	for _, h := range d.given {
		if !h.used { // the others belong to their ports
			errs = append(errs, h.socket.Close())
		}
	}
	d.open, d.given = nil, nil
	clear(d.udp)
	for _, r := range d.loops {
		r.Close()
	}
	d.loops = nil
	d.links.Wait()
	return errors.Join(errs...)
}

// Publish listens on the host for what spec asks for, and returns what is
// listened on: one port for every host address.
func (d *Ports) Publish(spec Spec) ([]Port, error) {
	if err := d.Carry(relay.Loops()); err != nil {
		return nil, fmt.Errorf("publish port: %w", err)
	}
	first, last := spec.HostPort, max(spec.HostPort, spec.HostPortEnd)
	if first == 0 {
		return d.publishFree(spec)
	}
	for p := int(first); ; p++ {
		ports, err := d.publishAt(spec, uint16(p))
		if err == nil || p >= int(last) || !errors.Is(err, unix.EADDRINUSE) {
			return ports, err
		}
	}
}

// freeTries is how often another free port is tried when somebody took the one
// that was just found.
const freeTries = 16

func (d *Ports) publishFree(spec Spec) (ports []Port, err error) {
	for range freeTries {
		free, err := freePort(spec.Proto, spec.hostIPs()[0])
		if err != nil {
			return nil, fmt.Errorf("find free port: %w", err)
		}
		if ports, err = d.publishAt(spec, free); err == nil || !errors.Is(err, unix.EADDRINUSE) {
			return ports, err
		}
	}
	return nil, err
}

// freePort asks the kernel for a port.
func freePort(proto string, ip netip.Addr) (uint16, error) {
	addr := netip.AddrPortFrom(ip, 0).String()
	if proto == "udp" {
		c, err := net.ListenPacket("udp", addr)
		if err != nil {
			return 0, err
		}
		defer c.Close()
		return c.LocalAddr().(*net.UDPAddr).AddrPort().Port(), nil
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).AddrPort().Port(), nil
}

// hostIPs are the addresses to listen on: without one asked for, all of IPv4
// and, where the host has it, all of IPv6.
func (s Spec) hostIPs() []netip.Addr {
	if s.HostIP.IsValid() {
		return []netip.Addr{s.HostIP}
	}
	list := []netip.Addr{netip.IPv4Unspecified()}
	if _, err := os.Stat("/proc/net/if_inet6"); err == nil {
		list = append(list, netip.IPv6Unspecified())
	}
	return list
}

// publishAt listens at one port of every address, or of none.
func (d *Ports) publishAt(spec Spec, hostPort uint16) ([]Port, error) {
	var ports []Port
	var undo []func()
	for _, ip := range spec.hostIPs() {
		stop, err := d.publishOne(netip.AddrPortFrom(ip, hostPort), spec)
		if err != nil {
			if len(ports) > 0 && (errors.Is(err, unix.EADDRNOTAVAIL) || errors.Is(err, unix.EAFNOSUPPORT)) {
				continue // IPv6 is compiled in but switched off
			}
			if len(ports) > 0 && errors.Is(err, unix.EACCES) {
				continue // a socket was inherited, for IPv4 alone
			}
			for _, f := range undo {
				f()
			}
			return nil, newPortError(ip, hostPort, spec.Proto, err)
		}
		undo = append(undo, stop)
		ports = append(ports, Port{HostIP: ip, HostPort: hostPort, ContainerPort: spec.ContainerPort, Proto: spec.Proto})
	}
	return ports, nil
}

func (d *Ports) listenTCP(at netip.AddrPort, containerPort uint16) (io.Closer, error) {
	network := "tcp4"
	if at.Addr().Is6() {
		network = "tcp6"
	}
	l, err := net.ListenTCP(network, net.TCPAddrFromAddrPort(at))
	if err != nil {
		return nil, err
	}
	return d.serveTCP(l, relay.NewServer(containerPort, d.target()))
}

// serveTCP takes a listener over.
//
// Preconditions: d.mu is held.
func (d *Ports) serveTCP(l *net.TCPListener, s *relay.Server) (io.Closer, error) {
	p, err := relay.Listen(l, d.loops, s)
	if err != nil {
		return nil, err
	}
	d.tcp = append(d.tcp, s)
	return p, nil
}

// publishOne listens at one address and returns how to stop that.
func (d *Ports) publishOne(at netip.AddrPort, spec Spec) (stop func(), err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	h := d.inheritedAt(spec.Proto, at)
	if h != nil && h.used && h.dual {
		return func() {}, nil // IPv4 and IPv6 by one socket
	}
	var p io.Closer
	switch {
	case h != nil && !h.used:
		h.used = true
		p, err = d.serve(h.socket, spec.ContainerPort)
	case spec.Proto == "tcp":
		p, err = d.listenTCP(at, spec.ContainerPort)
	default:
		p, err = d.listenUDP(at, spec.ContainerPort)
	}
	if err != nil {
		return nil, err
	}
	d.open = append(d.open, p)
	return func() { _ = p.Close() }, nil
}

// newPortError says in Docker's words why a port cannot be published.
func newPortError(ip netip.Addr, p uint16, proto string, err error) error {
	at := netip.AddrPortFrom(ip, p)
	switch {
	case errors.Is(err, unix.EADDRINUSE):
		return &bindError{at, "port is already allocated", unix.EADDRINUSE}
	case errors.Is(err, unix.EACCES):
		return &hintError{
			&bindError{at, fmt.Sprintf("permission denied: port %d is reserved for root on this host", p), unix.EACCES},
			privilegedHint(proto, ip, p),
		}
	}
	var op *net.OpError
	if errors.As(err, &op) {
		err = op.Err
	}
	return fmt.Errorf("Bind for %s failed: %w", at, err)
}

// bindError is why nothing could be bound at an address.
type bindError struct {
	at     netip.AddrPort
	reason string
	errno  unix.Errno
}

func (e *bindError) Error() string { return fmt.Sprintf("Bind for %s failed: %s", e.at, e.reason) }
func (e *bindError) Unwrap() error { return e.errno }

// hintError carries what the user can do.
type hintError struct {
	err  error
	hint string
}

func (e *hintError) Error() string { return e.err.Error() }
func (e *hintError) Unwrap() error { return e.err }
func (e *hintError) Hint() string  { return hint.LowPorts.After(e.hint) }

func privilegedHint(proto string, ip netip.Addr, p uint16) string {
	const sysctl = "net.ipv4.ip_unprivileged_port_start"
	limit := "1024"
	if b, err := os.ReadFile("/proc/sys/" + strings.ReplaceAll(sysctl, ".", "/")); err == nil {
		limit = strings.TrimSpace(string(b))
	}
	text := fmt.Sprintf("the host's administrator may allow it with `sysctl %s=%d` (now %s)", sysctl, p, limit)
	if free := freeFrom(proto, ip, 8000+p); free != 0 {
		text += ", or publish on a free port: -p " + strconv.Itoa(int(free)) + ":…"
	}
	return text
}

// freeFrom finds a port that can be listened on: the one asked for, or any.
func freeFrom(proto string, ip netip.Addr, p uint16) uint16 {
	if proto == "tcp" {
		if l, err := net.Listen("tcp", netip.AddrPortFrom(ip, p).String()); err == nil {
			l.Close()
			return p
		}
	}
	free, _ := freePort(proto, ip)
	return free
}
