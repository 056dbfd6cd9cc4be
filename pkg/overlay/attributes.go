// SPDX-License-Identifier: Apache-2.0

package overlay

import (
	"archive/tar"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"coracle/pkg/hint"
	"coracle/pkg/ids"
)

func times(h *tar.Header) [2]unix.Timespec {
	at, mt := h.AccessTime, h.ModTime
	if at.Before(mt) {
		at = mt
	}
	return [2]unix.Timespec{{Sec: at.Unix(), Nsec: int64(at.Nanosecond())}, {Sec: mt.Unix(), Nsec: int64(mt.Nanosecond())}}
}

func setTimes(fd int, base string, t [2]unix.Timespec) error {
	if err := unix.UtimesNanoAt(fd, base, t[:], unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return &os.PathError{Op: "set times", Path: base, Err: err}
	}
	return nil
}

func permissions(h *tar.Header) uint32 { return uint32(h.Mode) & 0o7777 }

// chown gives base to its owner. With a single id it notes who that is.
func (u *unpacker) chown(h *tar.Header, fd int, base string) error {
	valid := h.Uid >= 0 && h.Gid >= 0 && h.Uid <= maxID && h.Gid <= maxID
	switch {
	case u.single && valid:
		return ids.Record(fd, base, h.Uid, h.Gid, kindOf(h)|permissions(h))
	case u.single:
		return nil
	case !valid:
		return owned(h, syscall.EINVAL) // the kernel would see the lower 32 bits alone
	}
	return owned(h, unix.Fchownat(fd, base, h.Uid, h.Gid, unix.AT_SYMLINK_NOFOLLOW|unix.AT_EMPTY_PATH))
}

// kindOf is what an entry that has an owner makes: the kind bits of its mode.
func kindOf(h *tar.Header) uint32 {
	switch h.Typeflag {
	case tar.TypeDir:
		return unix.S_IFDIR
	case tar.TypeSymlink:
		return unix.S_IFLNK
	case tar.TypeFifo:
		return unix.S_IFIFO
	}
	return unix.S_IFREG
}

// owned explains what is wrong with an owner, in Docker's words.
func owned(h *tar.Header, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, syscall.EPERM) { // of an id that there is: the file system, or its server, does not want it
		return hint.About(hint.Owners, fmt.Errorf("failed to Lchown %q for UID %d, GID %d: lchown: %w", h.Name, h.Uid, h.Gid, err),
			"the store's file system takes no owners but you, as NFS; use a directory on a local disk of this machine: --root, or CORACLE_ROOT; or one id for everything: CORACLE_SINGLE_ID=1")
	}
	return fmt.Errorf("failed to Lchown %q for UID %d, GID %d (try increasing the number of subordinate IDs in /etc/subuid and /etc/subgid): lchown: %w", h.Name, h.Uid, h.Gid, err)
}

const maxID = 1<<32 - 2

// attributes gives an open file its owner, mode and extended attributes, in
// this order: a new owner takes set-id bits and capabilities away, and so does
// the owner that a file has already.
func (u *unpacker) attributes(h *tar.Header, fd int) error {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return &os.PathError{Op: "stat", Path: h.Name, Err: err}
	}
	uid, gid := int(st.Uid), int(st.Gid)
	if u.single {
		uid, gid = ids.RecordedFD(fd, st.Uid, st.Gid)
	}
	if uid != h.Uid || gid != h.Gid {
		if err := u.chown(h, fd, ""); err != nil {
			return err
		}
	}
	if err := ids.Chmod(fd, "", st.Mode&unix.S_IFMT|permissions(h)); err != nil {
		return &os.PathError{Op: "chmod", Path: h.Name, Err: err}
	}
	for key, value := range h.PAXRecords {
		attr, ok := strings.CutPrefix(key, "SCHILY.xattr.")
		if !ok || isPrivate(attr) {
			continue
		}
		err := unix.Fsetxattr(fd, attr, []byte(value), 0)
		if err != nil && !errors.Is(err, unix.ENOTSUP) && !errors.Is(err, unix.EPERM) {
			return &os.PathError{Op: "set attribute " + attr, Path: h.Name, Err: err}
		}
	}
	return nil
}

// isPrivate tells the attributes in which overlayfs and the storage library
// keep their own notes about files: of a layer's making, they would show files
// of other places, or hide what is below.
func isPrivate(attr string) bool {
	for _, p := range []string{"user.overlay.", "trusted.overlay.", "user.containers."} {
		if strings.HasPrefix(attr, p) {
			return true
		}
	}
	return false
}
