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
	// Stack is a packet socket. It hears what the container sends to anybody, and
	// what it sends to the gateway alone once the wire is shared.
	Stack  int
	index  int          // of the interface
	ns     *os.File     // where the wire is, if it can be shared; else nil
	filter []filterStep // of Stack, behind what is heard
	tap    *tapWire     // what is behind the sockets without veth, or nil
}

// NoWire is none: closing it does nothing.
var NoWire = Wire{Stack: -1}

// Close closes the sockets.
func (w Wire) Close() {
	if w.Stack >= 0 {
		unix.Close(w.Stack)
	}
	if w.ns != nil {
		w.ns.Close()
	}
	if w.tap != nil {
		w.tap.close()
	}
}

// share opens what it takes to meet other members, both the caller's to close: a
// packet socket that hears what the container sends to them, and one by which they
// send, or -1 where there is none. Each costs time when it is opened, and more when it
// is closed: who is alone has neither.
func (w Wire) share(gateway MAC) (peers, entry int, err error) {
	if w.tap != nil {
		peers, err = unix.FcntlInt(uintptr(w.tap.others), unix.F_DUPFD_CLOEXEC, 0)
		return peers, -1, os.NewSyscallError("fcntl", err)
	}
	pair, err := netns.In(w.ns, func() (pair [2]int, err error) {
		if pair[0], err = packetSocket(w.index, all, compile(addressed(gateway, false))); err != nil {
			return pair, err
		}
		pair[1], err = packetSocket(w.index, nothing, []unix.SockFilter{{Code: unix.BPF_RET | unix.BPF_K, K: 0}})
		if err == nil { // whoever holds it hears nothing, whatever is done to it
			err = os.NewSyscallError("SO_LOCK_FILTER", unix.SetsockoptInt(pair[1], unix.SOL_SOCKET, unix.SO_LOCK_FILTER, 1))
		}
		if err != nil {
			unix.Close(pair[0])
		}
		return pair, err
	})
	if err != nil {
		return -1, -1, fmt.Errorf("share wire: %w", err)
	}
	_ = attachFilter(w.Stack, compile(append(addressed(gateway, true), w.filter...))) // what is heard twice is dropped once
	return pair[0], pair[1], nil
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

// openWire opens the socket of the stack in the current thread's namespace.
func openWire(index int, c Config, carried bool) (w Wire, err error) {
	w = Wire{Stack: -1, index: index}
	if carried {
		w.filter = requestsAlone(c)
	}
	w.Stack, err = packetSocket(index, all, compile(w.filter))
	if err == nil && c.Shared {
		w.ns, err = os.Open("/proc/thread-self/ns/net")
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
	if err := attachFilter(fd, filter); err != nil { // before the first frame can come
		unix.Close(fd)
		return -1, err
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

func attachFilter(fd int, filter []unix.SockFilter) error {
	prog := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	return os.NewSyscallError("SO_ATTACH_FILTER", unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &prog))
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
