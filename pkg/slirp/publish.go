// SPDX-License-Identifier: Apache-2.0

package slirp

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"coracle/pkg/slirp/relay"
)

// portDriver publishes the ports of one container.
type portDriver struct {
	mu     sync.Mutex
	loops  []*relay.Loop
	open   []io.Closer           // relay.Port and udpPort
	udp    map[uint16]*udpServer // by the container's port
	handed []*handedSocket
}

// maxLoops bounds the loops that carry the connections of one container. There
// is one for two processors: the others have work too.
const maxLoops = 4

// start begins to carry when the first port is published.
func (d *portDriver) start(n *Network) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.udp == nil {
		d.udp = map[uint16]*udpServer{}
	}
	for len(d.loops) < min(maxLoops, max(1, runtime.NumCPU()/2)) {
		r, err := relay.New(n.netns)
		if err != nil {
			return err
		}
		d.loops = append(d.loops, r)
	}
	return nil
}

func (d *portDriver) close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	var errs []error
	for _, p := range d.open {
		errs = append(errs, p.Close())
	}
	for _, h := range d.handed {
		if !h.used { // the others belong to their ports
			errs = append(errs, h.socket.Close())
		}
	}
	d.open, d.udp, d.handed = nil, nil, nil
	for _, r := range d.loops {
		r.Close()
	}
	d.loops = nil
	return errors.Join(errs...)
}

// PublishSpec listens on the host for what spec asks for, and returns what is
// listened on: one port for every host address.
func (n *Network) PublishSpec(spec PortSpec) ([]Port, error) {
	if err := n.ports.start(n); err != nil {
		return nil, fmt.Errorf("publish port: %w", err)
	}
	first, last := spec.HostPort, max(spec.HostPort, spec.HostPortEnd)
	if first == 0 {
		return n.publishFree(spec)
	}
	for p := int(first); ; p++ {
		ports, err := n.publishAt(spec, uint16(p))
		if err == nil || p >= int(last) || !errors.Is(err, unix.EADDRINUSE) {
			return ports, err
		}
	}
}

// freeTries is how often another free port is tried when somebody took the one
// that was just found.
const freeTries = 16

func (n *Network) publishFree(spec PortSpec) (ports []Port, err error) {
	for range freeTries {
		free, err := freePort(spec.Proto, spec.hostIPs()[0])
		if err != nil {
			return nil, fmt.Errorf("find free port: %w", err)
		}
		if ports, err = n.publishAt(spec, free); err == nil || !errors.Is(err, unix.EADDRINUSE) {
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
func (s PortSpec) hostIPs() []netip.Addr {
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
func (n *Network) publishAt(spec PortSpec, hostPort uint16) ([]Port, error) {
	var ports []Port
	var undo []func()
	for _, ip := range spec.hostIPs() {
		stop, err := n.publishOne(netip.AddrPortFrom(ip, hostPort), spec)
		if err != nil {
			if len(ports) > 0 && (errors.Is(err, unix.EADDRNOTAVAIL) || errors.Is(err, unix.EAFNOSUPPORT)) {
				continue // IPv6 is compiled in but switched off
			}
			if len(ports) > 0 && errors.Is(err, unix.EACCES) {
				continue // a socket was handed over, for IPv4 alone
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

func (n *Network) listenTCP(at netip.AddrPort, containerPort uint16) (io.Closer, error) {
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
func (n *Network) serveTCP(l *net.TCPListener, containerPort uint16) (io.Closer, error) {
	s := relay.Server{Addr: netip.AddrPortFrom(n.cfg.Address.Addr(), containerPort), Gateway: n.cfg.Gateway}
	if n.cfg.Address6.IsValid() {
		s.Addr6, s.Gateway6 = netip.AddrPortFrom(n.cfg.Address6.Addr(), containerPort), n.cfg.Gateway6
	}
	return relay.Listen(l, n.ports.loops, s)
}

// publishOne listens at one address and returns how to stop that.
func (n *Network) publishOne(at netip.AddrPort, spec PortSpec) (stop func(), err error) {
	n.ports.mu.Lock()
	defer n.ports.mu.Unlock()
	h := n.ports.handedAt(spec.Proto, at)
	if h != nil && h.used && h.dual {
		return func() {}, nil // IPv4 and IPv6 by one socket
	}
	var p io.Closer
	switch {
	case h != nil && !h.used:
		h.used = true
		p, err = n.serve(h.socket, spec.ContainerPort)
	case spec.Proto == "tcp":
		p, err = n.listenTCP(at, spec.ContainerPort)
	default:
		p, err = n.listenUDP(at, spec.ContainerPort)
	}
	if err != nil {
		return nil, err
	}
	n.ports.open = append(n.ports.open, p)
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

func privilegedHint(proto string, ip netip.Addr, p uint16) string {
	const sysctl = "net.ipv4.ip_unprivileged_port_start"
	limit := "1024"
	if b, err := os.ReadFile("/proc/sys/" + strings.ReplaceAll(sysctl, ".", "/")); err == nil {
		limit = strings.TrimSpace(string(b))
	}
	hint := fmt.Sprintf("the host's administrator may allow it with `sysctl %s=%d` (now %s)", sysctl, p, limit)
	if free := freeFrom(proto, ip, 8000+p); free != 0 {
		hint += ", or publish on a free port: -p " + strconv.Itoa(int(free)) + ":…"
	}
	return hint
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
