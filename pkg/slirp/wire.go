// SPDX-License-Identifier: Apache-2.0

package slirp

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// The hardware addresses of both ends. They are locally administered and never
// leave the pair.
var (
	containerMAC = net.HardwareAddr{0x02, 0x42, 0x0a, 0x00, 0x02, 0x64}
	gatewayMAC   = net.HardwareAddr{0x02, 0x42, 0x0a, 0x00, 0x02, 0x02}
)

// newWire makes eth0 in netns and returns a packet socket on its other end,
// which is in a namespace of its own. The pair and the namespace live as long
// as the socket and netns do.
func newWire(netns *os.File, c Config) (fd int, err error) {
	fd, err = onThread(func() (int, error) {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return -1, os.NewSyscallError("unshare", err)
		}
		attrs := netlink.NewLinkAttrs()
		attrs.Name, attrs.MTU, attrs.HardwareAddr = "wire", c.MTU, gatewayMAC
		err := netlink.LinkAdd(&netlink.Veth{
			LinkAttrs: attrs, PeerName: "eth0", PeerHardwareAddr: containerMAC, PeerMTU: uint32(c.MTU),
			PeerNamespace: netlink.NsFd(int(netns.Fd())),
		})
		if err != nil {
			return -1, noVeth(err)
		}
		// This end has no addresses, and the kernel no opinion on what passes.
		_ = os.WriteFile("/proc/sys/net/ipv6/conf/wire/disable_ipv6", []byte("1"), 0)
		link, err := netlink.LinkByName("wire")
		if err == nil {
			err = errors.Join(netlink.LinkSetARPOff(link), netlink.LinkSetUp(link))
		}
		if err != nil {
			return -1, fmt.Errorf("set up wire: %w", err)
		}
		return packetSocket(link.Attrs().Index)
	})
	if err != nil {
		return -1, err
	}
	if _, err := inNetNS(netns, func() (struct{}, error) { return struct{}{}, configureEth0(c) }); err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("set up eth0: %w", err)
	}
	return fd, nil
}

// packetSocket opens the packet socket. Frames carry a virtio_net_hdr
// (packet(7), PACKET_VNET_HDR): segments of up to 64 KiB pass whole and without
// payload checksums in either direction.
func packetSocket(index int) (int, error) {
	const all = unix.ETH_P_ALL>>8 | unix.ETH_P_ALL&0xff<<8 // htons
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	err = errors.Join(
		os.NewSyscallError("PACKET_VNET_HDR", unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_VNET_HDR, 1)),
		os.NewSyscallError("bind", unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: index})),
	)
	if err != nil {
		unix.Close(fd)
		return -1, err
	}
	// Our own frames are not of interest (Linux 4.20). The buffers are as large
	// as the host's sysctl allows.
	_ = unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1)
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 8<<20)
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, 8<<20)
	return fd, nil
}

// configureEth0 gives the container's end its addresses and routes, and the
// gateway's hardware address, which saves the first packet an ARP exchange.
func configureEth0(c Config) error {
	link, err := netlink.LinkByName("eth0")
	if err != nil {
		return err
	}
	if !c.Address6.IsValid() {
		_ = os.WriteFile("/proc/sys/net/ipv6/conf/eth0/disable_ipv6", []byte("1"), 0)
	}
	err = netlink.AddrAdd(link, &netlink.Addr{IPNet: ipNet(c.Address)})
	if c.Address6.IsValid() {
		// Nobody else is on the wire: detecting duplicates would only take time.
		err = errors.Join(err, netlink.AddrAdd(link, &netlink.Addr{IPNet: ipNet(c.Address6), Flags: unix.IFA_F_NODAD}))
	}
	if err = errors.Join(err, netlink.LinkSetUp(link)); err != nil {
		return err
	}
	neighbours := []netip.Addr{c.Gateway, c.DNS}
	routes := []netlink.Route{{LinkIndex: link.Attrs().Index, Gw: c.Gateway.AsSlice()}}
	if c.Address6.IsValid() {
		neighbours = append(neighbours, c.Gateway6)
		routes = append(routes, netlink.Route{LinkIndex: link.Attrs().Index, Gw: c.Gateway6.AsSlice()})
	}
	for _, a := range neighbours {
		if err := netlink.NeighSet(&netlink.Neigh{
			LinkIndex: link.Attrs().Index, State: netlink.NUD_PERMANENT, IP: a.AsSlice(), HardwareAddr: gatewayMAC,
		}); err != nil {
			return fmt.Errorf("add neighbour %s: %w", a, err)
		}
	}
	for i := range routes {
		if err := netlink.RouteAdd(&routes[i]); err != nil {
			return fmt.Errorf("add route: %w", err)
		}
	}
	return nil
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

// noVeth explains a kernel that has no virtual Ethernet pairs.
func noVeth(err error) error {
	err = fmt.Errorf("create veth pair: %w", err)
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOENT) {
		return &hintError{err, "the kernel module veth is not loaded: ask for `modprobe veth`, or use --network host or --network none"}
	}
	return err
}

// hintError carries what the user can do.
type hintError struct {
	err  error
	hint string
}

func (e *hintError) Error() string { return e.err.Error() }
func (e *hintError) Unwrap() error { return e.err }
func (e *hintError) Hint() string  { return e.hint }
