// SPDX-License-Identifier: Apache-2.0

package plain

import (
	"errors"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// Attributes of overlayfs mounted with userxattr (the kernel's
// filesystems/overlayfs.rst).
const (
	// Opaque marks a directory that hides everything below it.
	Opaque = "user.overlay.opaque"
	// removed marks an empty file that stands for a removed one; directories with
	// such files are marked by an Opaque of 'x'.
	removed = "user.overlay.whiteout"
)

// IsMark reports whether what is at path stands for a removed file. mode, rdev and
// size are those of lstat(2).
func IsMark(path string, mode uint32, rdev uint64, size int64) bool {
	switch mode & unix.S_IFMT {
	case unix.S_IFCHR:
		return rdev == 0
	case unix.S_IFREG:
		if size != 0 {
			return false
		}
		_, err := unix.Lgetxattr(path, removed, nil)
		return err == nil
	}
	return false
}

// IsOpaque reports whether a directory hides what is below it.
func IsOpaque(path string) bool {
	var v [1]byte
	n, err := unix.Lgetxattr(path, Opaque, v[:])
	return err == nil && n == 1 && v[0] == 'y'
}

// Mark makes the mark of a removed file in a directory.
func Mark(dir int, name string) error {
	err := unix.Mknodat(dir, name, unix.S_IFCHR, 0)
	if !errors.Is(err, unix.EPERM) {
		return pathError("make whiteout", name, err)
	}
	fd, err := unix.Openat(dir, name, unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return pathError("make whiteout", name, err)
	}
	defer unix.Close(fd)
	if err := unix.Fsetxattr(fd, removed, []byte{'y'}, 0); err != nil {
		return pathError("make whiteout", name, errors.Join(err, unix.Unlinkat(dir, name, 0)))
	}
	if IsOpaque(in(dir, ".")) {
		return nil
	}
	return pathError("mark directory of", name, unix.Setxattr(in(dir, "."), Opaque, []byte{'x'}, 0))
}

// in is a path of something in the directory of a descriptor.
func in(dir int, name string) string { return "/proc/self/fd/" + strconv.Itoa(dir) + "/" + name }

func pathError(op, name string, err error) error {
	if err == nil {
		return nil
	}
	return &os.PathError{Op: op, Path: name, Err: err}
}
