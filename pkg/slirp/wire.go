// SPDX-License-Identifier: Apache-2.0

package slirp

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"
	"unsafe"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// wire is the end of the pair that is not the container's.
type wire struct {
	stack int      // packet socket: frames for the gateway, or all of them
	peers int      // packet socket: frames for other members of the network, or -1
	entry int      // packet socket by which other members send; -1: there is none
	tap   *tapWire // what is behind the first two without veth, or nil
	// kernel carries the data of TCP; nil: the stack does.
	kernel *kernelTCP
}

var noWire = wire{stack: -1, peers: -1, entry: -1}

func (w wire) close() {
	for _, fd := range []int{w.stack, w.peers, w.entry} {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
	if w.tap != nil {
		w.tap.close()
	}
	if w.kernel != nil {
		w.kernel.close()
	}
}

// newWire makes the interface in netns and returns sockets for the frames that
// pass it.
func newWire(netns *os.File, c Config) (wire, error) {
	none := &noVethError{veth: unix.EOPNOTSUPP}
	if !c.tap {
		w, err := newVethWire(netns, c)
		if !errors.As(err, &none) {
			return w, err
		}
	}
	w, err := newTapWire(netns, c)
	if err != nil {
		none.tap = err
		return w, none
	}
	return w, nil
}

// newVethWire returns packet sockets on the other end of the interface, which is
// in a namespace of its own. The pair and the namespace live as long as the
// sockets and netns do.
func newVethWire(netns *os.File, c Config) (w wire, err error) {
	w, err = onThread(func() (wire, error) {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return noWire, os.NewSyscallError("unshare", err)
		}
		attrs := netlink.NewLinkAttrs()
		gateway := macOf(c.Gateway)
		attrs.Name, attrs.MTU, attrs.HardwareAddr = "wire", c.MTU, gateway[:]
		err := netlink.LinkAdd(&netlink.Veth{
			LinkAttrs: attrs, PeerName: c.Interface, PeerHardwareAddr: c.MAC[:], PeerMTU: uint32(c.MTU),
			PeerNamespace: netlink.NsFd(int(netns.Fd())),
		})
		if err != nil {
			return noWire, noVeth(err)
		}
		// This end has no addresses, and the kernel no opinion on what passes.
		quietIPv6("wire", c.Address6.IsValid())
		link, err := netlink.LinkByName("wire")
		if err == nil {
			err = errors.Join(netlink.LinkSetARPOff(link), netlink.LinkSetUp(link))
		}
		if err != nil {
			return noWire, fmt.Errorf("set up wire: %w", err)
		}
		kernel, err := newKernelTCP(link, c)
		if err != nil {
			quietIPv6("wire", false) // the stack does it all
		}
		w, err := openWire(link.Attrs().Index, c, kernel)
		if err != nil {
			return noWire, err
		}
		if _, err := inNetNS(netns, func() (struct{}, error) { return struct{}{}, configureInterface(c) }); err != nil {
			w.close()
			return noWire, fmt.Errorf("set up %s: %w", c.Interface, err)
		}
		noticeCarrier("wire")
		return w, nil
	})
	return w, err
}

// noticeCarrier has the kernel notice at once that the other end of a link came
// up. It does so in its own time otherwise, and loses until then what its own TCP
// sends here: a reset would not come again. Asking whether the link stands
// (ETHTOOL_GLINK) brings that up to date. It waits for the lock of all networks
// of the host (rtnl), and nobody waits for it: long before a program sends
// something it is done.
func noticeCarrier(name string) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return
	}
	go askForCarrier(fd, name)
}

// askForCarrier closes fd, a socket in the network namespace of the link.
func askForCarrier(fd int, name string) {
	defer unix.Close(fd)
	question := struct{ cmd, data uint32 }{cmd: unix.ETHTOOL_GLINK}
	req := struct {
		name [unix.IFNAMSIZ]byte
		data unsafe.Pointer
		_    [16]byte // the rest of struct ifreq's union
	}{data: unsafe.Pointer(&question)}
	copy(req.name[:unix.IFNAMSIZ-1], name)
	_, _, _ = unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&req)))
}

// quietIPv6 keeps an interface of the current thread's namespace from having
// addresses and saying anything of its own, or from IPv6 altogether.
func quietIPv6(name string, on bool) {
	settings := map[string]string{"disable_ipv6": "1"}
	if on {
		const none = "1" // IN6_ADDR_GEN_MODE_NONE
		settings = map[string]string{"addr_gen_mode": none, "accept_ra": "0", "router_solicitations": "0"}
	}
	for key, value := range settings {
		_ = os.WriteFile("/proc/sys/net/ipv6/conf/"+name+"/"+key, []byte(value), 0)
	}
}

// settle waits, not for long, until packets to an IPv6 address are taken in: the
// kernel takes the address on in its own time, and drops what comes before.
func settle(a netip.Addr) error {
	const longest = time.Second
	for began := time.Now(); time.Since(began) < longest; time.Sleep(100 * time.Microsecond) {
		routes, err := netlink.RouteGet(a.AsSlice())
		if err != nil || len(routes) > 0 && routes[0].Type == unix.RTN_LOCAL {
			return err
		}
	}
	return nil
}

// openWire opens one socket for everything, or with other members on the
// network one for the gateway's frames and one for the rest, which the kernel
// sorts, and one for the others to send by.
func openWire(index int, c Config, kernel *kernelTCP) (w wire, err error) {
	w = noWire
	w.kernel = kernel
	var toStack []filterStep
	if c.Member != nil {
		toStack = addressed(macOf(c.Gateway), true)
	}
	if kernel != nil {
		toStack = append(toStack, requestsAlone(c)...)
	}
	w.stack, err = packetSocket(index, all, compile(toStack))
	if err == nil && c.Member != nil {
		w.peers, err = packetSocket(index, all, compile(addressed(macOf(c.Gateway), false)))
		if err == nil {
			w.entry, err = packetSocket(index, nothing, []unix.SockFilter{{Code: unix.BPF_RET | unix.BPF_K, K: 0}})
		}
		if err == nil { // whoever holds it hears nothing, whatever is done to it
			err = os.NewSyscallError("SO_LOCK_FILTER", unix.SetsockoptInt(w.entry, unix.SOL_SOCKET, unix.SO_LOCK_FILTER, 1))
		}
	}
	if err != nil {
		w.close()
		return noWire, err
	}
	return w, nil
}

// What a packet socket receives.
const (
	nothing = 0
	all     = unix.ETH_P_ALL>>8 | unix.ETH_P_ALL&0xff<<8 // htons
)

// packetSocket opens a packet socket. Frames carry a virtio_net_hdr
// (packet(7), PACKET_VNET_HDR): segments of up to 64 KiB pass whole and without
// payload checksums in either direction.
func packetSocket(index int, protocol uint16, filter []unix.SockFilter) (int, error) {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	if len(filter) > 0 { // before the first frame can come
		prog := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
		if err := unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &prog); err != nil {
			unix.Close(fd)
			return -1, os.NewSyscallError("SO_ATTACH_FILTER", err)
		}
	}
	err = errors.Join(
		os.NewSyscallError("PACKET_VNET_HDR", unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_VNET_HDR, 1)),
		os.NewSyscallError("bind", unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: protocol, Ifindex: index})),
	)
	if err != nil {
		unix.Close(fd)
		return -1, err
	}
	// Our own frames are not of interest (Linux 4.20). They pass by the queue,
	// which takes none before the kernel has noticed, some time after the other
	// end came up, that the link stands. The buffers are as large as the host's
	// sysctl allows.
	_ = unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_QDISC_BYPASS, 1)
	_ = unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1)
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 8<<20)
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, 8<<20)
	return fd, nil
}

// configureInterface gives the container's end its addresses and routes, and the
// gateway's hardware address, which saves the first packet an ARP exchange.
func configureInterface(c Config) error {
	link, err := netlink.LinkByName(c.Interface)
	if err != nil {
		return err
	}
	if !c.Address6.IsValid() {
		_ = os.WriteFile("/proc/sys/net/ipv6/conf/"+c.Interface+"/disable_ipv6", []byte("1"), 0)
	}
	err = netlink.AddrAdd(link, &netlink.Addr{IPNet: ipNet(c.Address)})
	if c.Address6.IsValid() {
		// Nobody else is on the wire: detecting duplicates would only take time.
		err = errors.Join(err, netlink.AddrAdd(link, &netlink.Addr{IPNet: ipNet(c.Address6), Flags: unix.IFA_F_NODAD}))
	}
	_ = segmentEarly(c.Interface) // old kernels have nothing to switch off
	if err = errors.Join(err, netlink.LinkSetUp(link)); err != nil {
		return err
	}
	neighbours := []netip.Addr{c.Gateway, c.DNS}
	if c.Address6.IsValid() {
		neighbours = append(neighbours, c.Gateway6)
	}
	gateway := macOf(c.Gateway)
	for _, a := range neighbours {
		if err := netlink.NeighSet(&netlink.Neigh{
			LinkIndex: link.Attrs().Index, State: netlink.NUD_PERMANENT, IP: a.AsSlice(), HardwareAddr: gateway[:],
		}); err != nil {
			return fmt.Errorf("add neighbour %s: %w", a, err)
		}
	}
	if !c.NoDefaultRoute {
		if err := addDefaultRoutes(link, c); err != nil {
			return err
		}
	}
	if c.Address6.IsValid() {
		return settle(c.Address6.Addr())
	}
	return nil
}

// defaultRoutes are the container's ways out.
func defaultRoutes(link netlink.Link, c Config) []netlink.Route {
	routes := []netlink.Route{{LinkIndex: link.Attrs().Index, Gw: c.Gateway.AsSlice()}}
	if c.Address6.IsValid() {
		routes = append(routes, netlink.Route{LinkIndex: link.Attrs().Index, Gw: c.Gateway6.AsSlice()})
	}
	return routes
}

func addDefaultRoutes(link netlink.Link, c Config) error {
	for _, r := range defaultRoutes(link, c) {
		if err := netlink.RouteReplace(&r); err != nil {
			return fmt.Errorf("add route: %w", err)
		}
	}
	return nil
}

// TakeWayOut makes this network the container's way out, or takes that from it:
// there is one at a time, and none on an internal network.
func (n *Network) TakeWayOut(take bool) error {
	if n.wayOut.Swap(take) == take {
		return nil
	}
	_, err := inNetNS(n.netns, func() (none struct{}, err error) {
		link, err := netlink.LinkByName(n.cfg.Interface)
		switch {
		case err != nil:
			return none, fmt.Errorf("find %s: %w", n.cfg.Interface, err)
		case take:
			return none, addDefaultRoutes(link, n.cfg)
		}
		for _, r := range defaultRoutes(link, n.cfg) {
			_ = netlink.RouteDel(&r) // the container may have done so itself
		}
		return none, nil
	})
	return err
}

// Disconnect takes the container off the network: it closes it, and the interface
// is gone. Close leaves that to the end of the namespace.
func (n *Network) Disconnect() {
	_, _ = inNetNS(n.netns, func() (none struct{}, err error) {
		if link, err := netlink.LinkByName(n.cfg.Interface); err == nil {
			_ = netlink.LinkDel(link)
		}
		return none, nil
	})
	n.Close()
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

// noVeth tells a kernel without virtual Ethernet pairs from other failures.
func noVeth(err error) error {
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOENT) {
		return &noVethError{veth: err}
	}
	return fmt.Errorf("create veth pair: %w", err)
}

// noVethError says why there is no interface of either kind.
type noVethError struct{ veth, tap error }

func (e *noVethError) Error() string { return fmt.Sprintf("create veth pair: %v; %v", e.veth, e.tap) }
func (e *noVethError) Hint() string {
	return "a network needs the kernel module veth, or a /dev/net/tun that you may open: ask for `modprobe veth`, or use --network host or --network none"
}

// hintError carries what the user can do.
type hintError struct {
	err  error
	hint string
}

func (e *hintError) Error() string { return e.err.Error() }
func (e *hintError) Unwrap() error { return e.err }
func (e *hintError) Hint() string  { return e.hint }
