// SPDX-License-Identifier: Apache-2.0

package slirp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"

	"github.com/rootless-containers/rootlesskit/v3/pkg/port"
	"github.com/rootless-containers/rootlesskit/v3/pkg/port/builtin/parent"
	"golang.org/x/sys/unix"
)

// portDriver publishes ports by rootlesskit's builtin driver, both halves of
// which run in this process: the parent listens on the host, the child makes
// sockets in the container's namespace. Data goes from socket to socket.
type portDriver struct {
	mu      sync.Mutex
	parent  port.ParentDriver
	dir     *os.File
	sockets *socketMaker
	quit    chan struct{}
	halves  sync.WaitGroup
}

// start begins the driver when the first port is published.
func (d *portDriver) start(n *Network) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.parent != nil {
		return nil
	}
	dir, err := os.OpenFile(n.cfg.StateDir, unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	// A process that was killed has left its socket behind.
	if err := unix.Unlinkat(int(dir.Fd()), ".bp.sock", 0); err != nil && !errors.Is(err, unix.ENOENT) {
		dir.Close()
		return os.NewSyscallError("unlink", err)
	}
	// Through the descriptor the socket's path is short: sun_path has 108 bytes.
	half, err := parent.NewDriver(io.Discard, fmt.Sprintf("/proc/self/fd/%d", dir.Fd()), false, "")
	if err != nil {
		dir.Close()
		return err
	}
	sockets, err := newSocketMaker(n.netns)
	if err != nil {
		dir.Close()
		return err
	}
	d.quit = make(chan struct{})
	child := &portChild{sockets: sockets, gateway: n.cfg.Gateway}
	ready, failed := make(chan struct{}, 1), make(chan error, 2)
	d.halves.Go(func() { failed <- child.RunChildDriver(half.OpaqueForChild(), d.quit, "") })
	d.halves.Go(func() { failed <- half.RunParentDriver(ready, d.quit, nil) })
	select {
	case <-ready:
		d.parent, d.dir, d.sockets = half, dir, sockets
		return nil
	case err := <-failed:
		// The other half may wait for this one for ever: it is not waited for.
		return fmt.Errorf("start port driver: %w", err)
	}
}

func (d *portDriver) close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.parent == nil {
		return nil
	}
	ctx := context.Background()
	list, err := d.parent.ListPorts(ctx)
	for _, p := range list {
		err = errors.Join(err, d.parent.RemovePort(ctx, p.ID))
	}
	close(d.quit)
	d.halves.Wait()
	close(d.sockets.ask)
	d.parent = nil
	return errors.Join(err, d.dir.Close())
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
	var ids []int
	for _, ip := range spec.hostIPs() {
		proto := spec.Proto + "4"
		if ip.Is6() {
			proto = spec.Proto + "6"
		}
		st, err := n.ports.parent.AddPort(context.Background(), port.Spec{
			Proto: proto, ParentIP: ip.String(), ParentPort: int(hostPort),
			// The container's own address: a server must not take a visitor for
			// somebody on its loopback (CVE-2021-20199).
			ChildIP: n.cfg.Address.Addr().String(), ChildPort: int(spec.ContainerPort),
		})
		if err != nil {
			if len(ports) > 0 && (errors.Is(err, unix.EADDRNOTAVAIL) || errors.Is(err, unix.EAFNOSUPPORT)) {
				continue // IPv6 is compiled in but switched off
			}
			for _, id := range ids {
				_ = n.ports.parent.RemovePort(context.Background(), id)
			}
			return nil, newPortError(ip, hostPort, spec.Proto, err)
		}
		ids = append(ids, st.ID)
		ports = append(ports, Port{HostIP: ip, HostPort: hostPort, ContainerPort: spec.ContainerPort, Proto: spec.Proto})
	}
	return ports, nil
}

// newPortError says in Docker's words why a port cannot be published.
func newPortError(ip netip.Addr, p uint16, proto string, err error) error {
	at := netip.AddrPortFrom(ip, p)
	switch {
	case errors.Is(err, unix.EADDRINUSE) || strings.Contains(err.Error(), "conflict"):
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
