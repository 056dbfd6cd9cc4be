// SPDX-License-Identifier: Apache-2.0

package kerneltcp

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/tcpip/header"

	"coracle/pkg/slirp/sockaddr"
)

// mostCarried is how many connections the kernel carries at a time: their sockets,
// two each, take three quarters of the descriptors, and the rest is for everything
// else that the process does. Requests beyond are not heard.
var mostCarried = sync.OnceValue(func() int {
	var l unix.Rlimit
	_ = unix.Getrlimit(unix.RLIMIT_NOFILE, &l)
	return int(min(l.Cur/8*3, 1<<20))
})

// From linux/tcp.h.
const (
	repairOff        = 0
	repairOffSilent  = -1 // without a window probe, Linux 4.19
	recvQueue        = 1
	sendQueue        = 2
	tcpRepairWindow  = 29
	optMSS           = 2
	optWindow        = 3
	optSACKPermitted = 4
)

type repairOption struct{ code, value uint32 }

type repairWindow struct{ sndWl1, sndWnd, maxWindow, rcvWnd, rcvWup uint32 }

// establish makes a socket, in the current thread's namespace, of a connection
// whose handshake is ours.
func establish(local, remote netip.AddrPort, r Handshake, isn uint32) (int, error) {
	fd, err := repairing(local.Addr())
	if err != nil {
		return -1, err
	}
	err = r.restore(fd, local, remote, isn)
	if err == nil {
		err = repaired(fd)
	}
	if err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// tryRepair does with a connection that nobody has asked for what establish does,
// short of saying anything.
func tryRepair(container netip.Addr) error {
	local := netip.AddrFrom4([4]byte{192, 0, 2, 1}) // RFC 5737, RFC 3849: of nobody
	if container.Is6() {
		local = netip.MustParseAddr("2001:db8::1")
	}
	fd, err := repairing(local)
	if err != nil {
		return err
	}
	defer unix.Close(fd) // under repair: in silence
	r := Handshake{Window: Window, Options: header.TCPSynOptions{MSS: header.TCPDefaultMSS, WS: WindowScale, SACKPermitted: true}}
	return r.restore(fd, netip.AddrPortFrom(local, 9), netip.AddrPortFrom(container, 9), 0)
}

// repaired ends the repair. Before Linux 4.19 that is told to the other side, by a
// packet that means nothing.
func repaired(fd int) error {
	err := unix.SetsockoptInt(fd, unix.SOL_TCP, unix.TCP_REPAIR, repairOffSilent)
	if err == unix.EINVAL || err == unix.EPERM {
		err = unix.SetsockoptInt(fd, unix.SOL_TCP, unix.TCP_REPAIR, repairOff)
	}
	return os.NewSyscallError("TCP_REPAIR", err)
}

// repairing is a socket that may be put into any state, and that has any address
// for its own.
func repairing(local netip.Addr) (int, error) {
	level, transparent := unix.SOL_IP, unix.IP_TRANSPARENT
	if local.Is6() {
		level, transparent = unix.SOL_IPV6, unix.IPV6_TRANSPARENT
	}
	fd, err := unix.Socket(sockaddr.Domain(local), unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	for _, o := range [][3]int{
		{level, transparent, 1}, {unix.SOL_SOCKET, unix.SO_MARK, carriedMark}, {unix.SOL_TCP, unix.TCP_NODELAY, 1}, {unix.SOL_TCP, unix.TCP_REPAIR, 1},
		// Whoever is gone without a word is noticed.
		{unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1}, {unix.SOL_TCP, unix.TCP_KEEPIDLE, 300}, {unix.SOL_TCP, unix.TCP_KEEPINTVL, 15},
	} {
		if err := unix.SetsockoptInt(fd, o[0], o[1], o[2]); err != nil {
			unix.Close(fd)
			return -1, fmt.Errorf("setsockopt %d: %w", o[1], err)
		}
	}
	return fd, nil
}

// restore gives a socket the state that it has when the handshake is over; it stays
// under repair.
func (r Handshake) restore(fd int, local, remote netip.AddrPort, isn uint32) error {
	for _, o := range [][2]int{
		{unix.TCP_REPAIR_QUEUE, sendQueue}, {unix.TCP_QUEUE_SEQ, int(int32(isn + 1))},
		{unix.TCP_REPAIR_QUEUE, recvQueue}, {unix.TCP_QUEUE_SEQ, int(int32(r.Seq + 1))},
	} {
		if err := unix.SetsockoptInt(fd, unix.SOL_TCP, o[0], o[1]); err != nil {
			return fmt.Errorf("setsockopt %d: %w", o[0], err)
		}
	}
	if err := unix.Bind(fd, sockaddr.Of(local)); err != nil {
		return os.NewSyscallError("bind", err)
	}
	if err := unix.Connect(fd, sockaddr.Of(remote)); err != nil { // nothing is sent
		return os.NewSyscallError("connect", err)
	}
	opts := []repairOption{{optMSS, uint32(r.Options.MSS)}}
	if r.Options.WS >= 0 {
		opts = append(opts, repairOption{optWindow, uint32(r.Options.WS) | WindowScale<<16})
	}
	if r.Options.SACKPermitted {
		opts = append(opts, repairOption{optSACKPermitted, 0})
	}
	window := uint32(r.Window)
	w := repairWindow{sndWl1: r.Seq, sndWnd: window, maxWindow: window, rcvWnd: Window, rcvWup: r.Seq + 1}
	return errors.Join(
		setsockopt(fd, unix.TCP_REPAIR_OPTIONS, unsafe.Pointer(&opts[0]), uintptr(len(opts))*unsafe.Sizeof(opts[0])),
		setsockopt(fd, tcpRepairWindow, unsafe.Pointer(&w), unsafe.Sizeof(w)),
	)
}

func setsockopt(fd, name int, p unsafe.Pointer, size uintptr) error {
	_, _, errno := unix.Syscall6(unix.SYS_SETSOCKOPT, uintptr(fd), unix.SOL_TCP, uintptr(name), uintptr(p), size, 0)
	if errno != 0 {
		return fmt.Errorf("setsockopt %d: %w", name, errno)
	}
	return nil
}
