// SPDX-License-Identifier: Apache-2.0

package l2

import (
	"errors"
	"fmt"
	"os"
	"sync"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"coracle/pkg/slirp/netns"
)

// tapWire is the wire of a host without veth pairs: a TAP device in the
// container's namespace. A packet socket sorts and queues frames in the kernel;
// here two loops do so between the device and socket pairs, whose other ends
// look like the packet sockets: frames behind a virtio_net_hdr.
type tapWire struct {
	device *os.File
	stack  *os.File // our ends
	peers  *os.File // or nil
	others int      // the other end of peers, or -1
	loops  sync.WaitGroup
}

// newTapWire makes the interface of c in the container's namespace.
func newTapWire(ns *os.File, c Config) (w Wire, err error) {
	w = NoWire
	device, err := netns.In(ns, func() (*os.File, error) {
		f, err := openTap(c.Interface)
		if err != nil {
			return nil, err
		}
		link, err := netlink.LinkByName(c.Interface)
		if err == nil {
			err = errors.Join(netlink.LinkSetHardwareAddr(link, c.MAC[:]), netlink.LinkSetMTU(link, c.MTU))
		}
		if err == nil {
			err = configureInterface(c)
		}
		if err != nil {
			f.Close()
			return nil, fmt.Errorf("set up %s: %w", c.Interface, err)
		}
		return f, nil
	})
	if err != nil {
		return w, err
	}
	w.tap = &tapWire{device: device, others: -1}
	if w.Stack, w.tap.stack, err = framePair(); err == nil && c.Shared {
		w.tap.others, w.tap.peers, err = framePair()
	}
	if err != nil {
		w.Close()
		return NoWire, err
	}
	w.tap.carry(MACOf(c.Gateway))
	return w, nil
}

// openTap makes a TAP device in the current thread's namespace (the kernel's
// networking/tuntap.rst). Large TCP segments pass whole, as through a veth pair.
func openTap(name string) (*os.File, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: "/dev/net/tun", Err: err}
	}
	req, err := unix.NewIfreq(name)
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	req.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI | unix.IFF_VNET_HDR)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, req); err != nil {
		unix.Close(fd)
		return nil, os.NewSyscallError("TUNSETIFF", err)
	}
	const offloads = unix.TUN_F_CSUM | unix.TUN_F_TSO4 | unix.TUN_F_TSO6
	if err := unix.IoctlSetInt(fd, unix.TUNSETOFFLOAD, offloads); err != nil {
		unix.Close(fd)
		return nil, os.NewSyscallError("TUNSETOFFLOAD", err)
	}
	return os.NewFile(uintptr(fd), "tap"), nil
}

// framePair is a pair of sockets for whole frames. The first end is for whoever
// expects a packet socket.
func framePair() (theirs int, ours *os.File, err error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return -1, nil, os.NewSyscallError("socketpair", err)
	}
	for _, fd := range pair {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, 8<<20)
	}
	return pair[0], os.NewFile(uintptr(pair[1]), "frames"), nil
}

// carry moves frames until the device is closed. What the container sends waits
// for the stack to take it; the device's queue is behind it.
func (t *tapWire) carry(gateway MAC) {
	t.loops.Go(func() {
		buf := make([]byte, MaxFrame)
		for {
			n, err := t.device.Read(buf)
			if err != nil {
				return
			}
			to := t.stack
			if t.peers != nil && n >= VnetHeader+EtherHeader && MAC(buf[VnetHeader:VnetHeader+6]) != gateway {
				to = t.peers
			}
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
	})
	for _, from := range []*os.File{t.stack, t.peers} {
		if from == nil {
			continue
		}
		t.loops.Go(func() {
			buf := make([]byte, MaxFrame)
			for {
				n, err := from.Read(buf)
				if err != nil || n == 0 {
					return
				}
				_, _ = t.device.Write(buf[:n]) // what the container does not take is lost
			}
		})
	}
}

func (t *tapWire) close() {
	for _, f := range []*os.File{t.device, t.stack, t.peers} {
		if f != nil {
			f.Close()
		}
	}
	if t.others >= 0 {
		unix.Close(t.others)
	}
	t.loops.Wait()
}
