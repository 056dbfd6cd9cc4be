// SPDX-License-Identifier: Apache-2.0

package slirp

import (
	"bytes"
	"encoding/binary"
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// keepDatagramsApart has the kernel take datagrams apart that a program sends
// with one call (udp(7), UDP_SEGMENT), before they are on the wire. The stack
// would take them for a single one, and before Linux 6.2 a packet socket with
// PACKET_VNET_HDR fails to read them at all; SCTP is like that to this day.
func keepDatagramsApart(device string) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	defer unix.Close(fd)
	names, err := featureNames(fd, device)
	if err != nil {
		return err
	}
	// struct ethtool_sfeatures: command, number of blocks, and for each block of
	// 32 features which to change and what they shall be.
	blocks := (len(names) + 31) / 32
	set := make([]byte, 8+8*blocks)
	native := binary.NativeEndian
	native.PutUint32(set, unix.ETHTOOL_SFEATURES)
	native.PutUint32(set[4:], uint32(blocks))
	for i, name := range names {
		if name == "tx-udp-segmentation" || name == "tx-sctp-segmentation" {
			change := set[8+8*(i/32):]
			native.PutUint32(change, native.Uint32(change)|1<<(i%32))
		}
	}
	return ethtool(fd, device, set)
}

// featureNames are those of a device's features, in the kernel's order.
func featureNames(fd int, device string) ([]string, error) {
	const features, nameLength = 4, 32 // ETH_SS_FEATURES, ETH_GSTRING_LEN
	native := binary.NativeEndian
	info := make([]byte, 20) // struct ethtool_sset_info, with one number behind it
	native.PutUint32(info, unix.ETHTOOL_GSSET_INFO)
	native.PutUint64(info[8:], 1<<features)
	if err := ethtool(fd, device, info); err != nil {
		return nil, err
	}
	count := int(native.Uint32(info[16:]))
	text := make([]byte, 12+nameLength*count) // struct ethtool_gstrings
	native.PutUint32(text, unix.ETHTOOL_GSTRINGS)
	native.PutUint32(text[4:], features)
	native.PutUint32(text[8:], uint32(count))
	if err := ethtool(fd, device, text); err != nil {
		return nil, err
	}
	names := make([]string, count)
	for i := range names {
		name, _, _ := bytes.Cut(text[12+nameLength*i:12+nameLength*(i+1)], []byte{0})
		names[i] = string(name)
	}
	return names, nil
}

// ethtool is ioctl(2) with SIOCETHTOOL.
func ethtool(fd int, device string, data []byte) error {
	var request struct { // struct ifreq
		name [unix.IFNAMSIZ]byte
		data unsafe.Pointer
		_    [16]byte
	}
	copy(request.name[:unix.IFNAMSIZ-1], device)
	request.data = unsafe.Pointer(&data[0])
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&request)))
	runtime.KeepAlive(data)
	if errno != 0 {
		return os.NewSyscallError("ethtool", errno)
	}
	return nil
}
