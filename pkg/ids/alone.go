// SPDX-License-Identifier: Apache-2.0

package ids

import (
	"fmt"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"coracle/pkg/xattr"
)

// A process without a user namespace that is not root either can give no file to
// anybody, and is bound by the permissions of its own files. As with a single id,
// owners are noted. Nothing of an image runs there, so that modes need not be on the
// disk: each file is left readable and writable for who stores it, and the mode that
// it should have is noted beside the one that it was given. Programs that change a
// mode later, with another worker, make such a note void.

var alone atomic.Bool

// BeAlone makes this process one that is [Alone]. It is for the beginning of a stage,
// before anything asks for [Single].
func BeAlone() { alone.Store(true) }

// Alone reports whether this process has no user namespace and no right to change
// owners: everything it writes is its caller's.
func Alone() bool { return alone.Load() }

// Chmod is fchmodat(2) of base in the directory dir, or of the file dir itself without a
// base; of no link. mode has kind bits as in stat(2). When alone the owner keeps what
// reading and writing the file needs, see [Mode].
func Chmod(dir int, base string, mode uint32) error {
	path := fdPath(dir)
	if base != "" {
		path += "/" + base
	}
	stored := mode & 0o7777
	if Alone() {
		switch mode & unix.S_IFMT {
		case unix.S_IFREG:
			stored |= 0o600
		case unix.S_IFDIR:
			stored |= 0o700
		}
	}
	// Without a base of the descriptor, for one opened with O_PATH takes no fchmod.
	if err := unix.Fchmodat(unix.AT_FDCWD, path, stored, 0); err != nil {
		return err
	}
	if !Alone() {
		return nil
	}
	if stored == mode&0o7777 {
		err := unix.Removexattr(path, xattr.OverrideMode)
		if err == unix.EPERM || err == unix.EACCES { // of a pipe, which has none
			err = nil
		}
		return lossy(err)
	}
	return lossy(unix.Setxattr(path, xattr.OverrideMode, fmt.Appendf(nil, "%o:%o", stored, mode&0o7777), 0))
}

// Mode is the mode, in the bits of stat(2), that a file or directory should have which
// has mode on the disk: what is noted for it, as long as nobody has changed it since.
func Mode(path string, mode uint32) uint32 {
	var buf [16]byte
	n, err := unix.Lgetxattr(path, xattr.OverrideMode, buf[:])
	if err != nil {
		return mode
	}
	var stored, want uint32
	if _, err := fmt.Sscanf(string(buf[:n]), "%o:%o", &stored, &want); err != nil || stored != mode&0o7777 || want > 0o7777 {
		return mode
	}
	return mode&^0o7777 | want
}
