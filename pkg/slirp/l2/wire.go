// SPDX-License-Identifier: Apache-2.0

package l2

import (
	"errors"
	"fmt"
	"os"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"coracle/pkg/hint"
	"coracle/pkg/slirp/netns"
)

// Wire is the end of the pair that is not the container's.
type Wire struct {
	Stack int      // packet socket: frames for the gateway, or all of them
	peers int      // packet socket: frames for other members of the network, or -1
	entry int      // packet socket by which other members send; -1: there is none
	tap   *tapWire // what is behind the first two without veth, or nil
}

// NoWire is none: closing it does nothing.
var NoWire = Wire{Stack: -1, peers: -1, entry: -1}

// Close closes the sockets.
func (w Wire) Close() {
	for _, fd := range []int{w.Stack, w.peers, w.entry} {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
	if w.tap != nil {
		w.tap.close()
	}
}

// Open makes the interface in the namespace ns and returns sockets for the frames
// that pass it.
func Open(ns *os.File, c Config) (Wire, error) {
	none := &noVethError{veth: unix.EOPNOTSUPP}
	if !c.NoVeth {
		w, err := newVethWire(ns, c)
		if !errors.As(err, &none) {
			return w, err
		}
	}
	w, err := newTapWire(ns, c)
	if err != nil {
		none.tap = err
		return w, none
	}
	return w, nil
}

// newVethWire returns packet sockets on the other end of the interface, which is
// in a namespace of its own. The pair and the namespace live as long as the
// sockets and ns do.
func newVethWire(ns *os.File, c Config) (w Wire, err error) {
	w, err = netns.OnThread(func() (Wire, error) {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return NoWire, os.NewSyscallError("unshare", err)
		}
		attrs := netlink.NewLinkAttrs()
		gateway := MACOf(c.Gateway)
		attrs.Name, attrs.MTU, attrs.HardwareAddr = "wire", c.MTU, gateway[:]
		err := netlink.LinkAdd(&netlink.Veth{
			LinkAttrs: attrs, PeerName: c.Interface, PeerHardwareAddr: c.MAC[:], PeerMTU: uint32(c.MTU),
			PeerNamespace: netlink.NsFd(int(ns.Fd())),
		})
		if err != nil {
			return NoWire, noVeth(err)
		}
		// This end has no addresses, and the kernel no opinion on what passes.
		quietIPv6("wire", c.Address6.IsValid())
		link, err := netlink.LinkByName("wire")
		if err == nil {
			err = errors.Join(netlink.LinkSetARPOff(link), netlink.LinkSetUp(link))
		}
		if err != nil {
			return NoWire, fmt.Errorf("set up wire: %w", err)
		}
		carried := c.KernelTCP != nil && c.KernelTCP(link) == nil
		if !carried {
			quietIPv6("wire", false) // the stack does it all
		}
		w, err := openWire(link.Attrs().Index, c, carried)
		if err != nil {
			return NoWire, err
		}
		if _, err := netns.In(ns, func() (struct{}, error) { return struct{}{}, configureInterface(c) }); err != nil {
			w.Close()
			return NoWire, fmt.Errorf("set up %s: %w", c.Interface, err)
		}
		noticeCarrier("wire")
		return w, nil
	})
	return w, err
}

// openWire opens one socket for everything, or with other members on the
// network one for the gateway's frames and one for the rest, which the kernel
// sorts, and one for the others to send by.
func openWire(index int, c Config, carried bool) (w Wire, err error) {
	w = NoWire
	var toStack []filterStep
	if c.Shared {
		toStack = addressed(MACOf(c.Gateway), true)
	}
	if carried {
		toStack = append(toStack, requestsAlone(c)...)
	}
	w.Stack, err = packetSocket(index, all, compile(toStack))
	if err == nil && c.Shared {
		w.peers, err = packetSocket(index, all, compile(addressed(MACOf(c.Gateway), false)))
		if err == nil {
			w.entry, err = packetSocket(index, nothing, []unix.SockFilter{{Code: unix.BPF_RET | unix.BPF_K, K: 0}})
		}
		if err == nil { // whoever holds it hears nothing, whatever is done to it
			err = os.NewSyscallError("SO_LOCK_FILTER", unix.SetsockoptInt(w.entry, unix.SOL_SOCKET, unix.SO_LOCK_FILTER, 1))
		}
	}
	if err != nil {
		w.Close()
		return NoWire, err
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
	return hint.Veth.After("a network needs the kernel module veth, or a /dev/net/tun that you may open: ask for `modprobe veth`, or use --network host or --network none")
}
