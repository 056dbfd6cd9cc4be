// SPDX-License-Identifier: Apache-2.0

package xattr

import (
	"strconv"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// GetAt is getxattrat(2) of what path leads to from the directory dir on; flags may have
// AT_SYMLINK_NOFOLLOW. Before Linux 6.13 it is getxattr(2) by dir's link in /proc, which
// is some microseconds slower.
func GetAt(dir int, path string, flags int, attr string, value []byte) (int, error) {
	switch {
	case atCalls():
	case flags&unix.AT_SYMLINK_NOFOLLOW != 0:
		return unix.Lgetxattr(below(dir, path), attr, value)
	default:
		return unix.Getxattr(below(dir, path), attr, value)
	}
	n, e := at(unix.SYS_GETXATTRAT, dir, path, flags, attr, value)
	if e != 0 {
		return 0, e
	}
	return int(n), nil
}

// GetFD is GetAt of an open file, which may be one opened with O_PATH.
func GetFD(fd int, attr string, value []byte) (int, error) {
	if own := ownFiles(); own >= 0 {
		return GetAt(own, strconv.Itoa(fd), 0, attr, value)
	}
	return unix.Getxattr("/proc/self/fd/"+strconv.Itoa(fd), attr, value)
}

// SetFD is setxattr(2) of an open file, which may be one opened with O_PATH.
func SetFD(fd int, attr string, value []byte) error {
	own := ownFiles()
	if own < 0 {
		return unix.Setxattr("/proc/self/fd/"+strconv.Itoa(fd), attr, value, 0)
	}
	if _, e := at(unix.SYS_SETXATTRAT, own, strconv.Itoa(fd), 0, attr, value); e != 0 {
		return e
	}
	return nil
}

func below(dir int, path string) string {
	if dir == unix.AT_FDCWD {
		return path
	}
	return "/proc/self/fd/" + strconv.Itoa(dir) + "/" + path
}

// attrArgs is struct xattr_args of linux/xattr.h, where pointers have 64 bits.
type attrArgs struct {
	value       *byte
	size, flags uint32
}

func at(call uintptr, dir int, path string, flags int, attr string, value []byte) (uintptr, unix.Errno) {
	p, err := unix.BytePtrFromString(path)
	if err != nil {
		return 0, unix.EINVAL
	}
	a, err := unix.BytePtrFromString(attr)
	if err != nil {
		return 0, unix.EINVAL
	}
	args := &attrArgs{value: unsafe.SliceData(value), size: uint32(len(value))}
	n, _, e := unix.Syscall6(call, uintptr(dir), uintptr(unsafe.Pointer(p)), uintptr(flags), uintptr(unsafe.Pointer(a)), uintptr(unsafe.Pointer(args)), unsafe.Sizeof(*args))
	return n, e
}

// atCalls reports whether there are getxattrat(2) and its kin, and nobody's filter
// refuses them: they look at the directory first.
var atCalls = sync.OnceValue(func() bool {
	if unsafe.Sizeof(uintptr(0)) != 8 {
		return false
	}
	_, e := at(unix.SYS_GETXATTRAT, -1, "x", 0, Override, nil)
	return e == unix.EBADF
})

// ownFiles is /proc/self/fd; -1 where descriptors are better looked up by its path.
var ownFiles = sync.OnceValue(func() int {
	if !atCalls() {
		return -1
	}
	fd, err := unix.Open("/proc/self/fd", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1
	}
	return fd
})
