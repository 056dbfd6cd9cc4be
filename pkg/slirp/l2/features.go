// SPDX-License-Identifier: Apache-2.0

package l2

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"
)

// From linux/ethtool.h.
const (
	ethtoolGStrings   = 0x1b
	ethtoolGSSetInfo  = 0x37
	ethtoolSFeatures  = 0x3b
	ethtoolFeatures   = 4 // ETH_SS_FEATURES, the set of strings
	ethtoolNameLength = 32
	ethtoolMaxNames   = 256
)

// The kernel leaves some segmentation to the device: a program that sends many
// UDP datagrams by one call (udp(7), UDP_SEGMENT; QUIC does) would have them
// arrive on the other end of a veth pair as one frame, which our stack takes for
// one large datagram. Without these features they are cut before.
var unwantedFeatures = []string{"tx-udp-segmentation", "tx-sctp-segmentation"}

// segmentEarly switches those features of an interface off, in the current
// thread's namespace.
func segmentEarly(name string) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	defer unix.Close(fd)
	info := struct {
		cmd, reserved uint32
		mask          uint64
		count         uint32
	}{cmd: ethtoolGSSetInfo, mask: 1 << ethtoolFeatures}
	if err := ethtool(fd, name, unsafe.Pointer(&info)); err != nil {
		return err
	}
	if info.mask == 0 || info.count > ethtoolMaxNames {
		return errors.New("read features: the kernel names none, or too many")
	}
	var names struct {
		cmd, set, count uint32
		names           [ethtoolMaxNames][ethtoolNameLength]byte
	}
	names.cmd, names.set, names.count = ethtoolGStrings, ethtoolFeatures, info.count
	if err := ethtool(fd, name, unsafe.Pointer(&names)); err != nil {
		return err
	}
	var set struct {
		cmd, size uint32
		blocks    [ethtoolMaxNames / 32]struct{ valid, requested uint32 }
	}
	set.cmd, set.size = ethtoolSFeatures, (info.count+31)/32
	for i, n := range names.names[:info.count] {
		text, _, _ := bytes.Cut(n[:], []byte{0})
		if slices.Contains(unwantedFeatures, string(text)) {
			set.blocks[i/32].valid |= 1 << (i % 32)
		}
	}
	return ethtool(fd, name, unsafe.Pointer(&set))
}

// ethtool is ioctl(SIOCETHTOOL), netdevice(7).
func ethtool(fd int, name string, arg unsafe.Pointer) error {
	req := struct {
		name [unix.IFNAMSIZ]byte
		data unsafe.Pointer
		_    [16]byte
	}{data: arg}
	copy(req.name[:unix.IFNAMSIZ-1], name)
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&req))); errno != 0 {
		return fmt.Errorf("change features of %s: %w", name, os.NewSyscallError("SIOCETHTOOL", errno))
	}
	return nil
}
