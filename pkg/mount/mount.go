// SPDX-License-Identifier: Apache-2.0

package mount

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Attribute returns what an option of a mount, not of its file system, is in
// mount_setattr(2).
func Attribute(option string) (flag uint64, ok bool) {
	flag, ok = attributes()[option]
	return flag, ok
}

func attributes() map[string]uint64 {
	return map[string]uint64{
		"ro": unix.MOUNT_ATTR_RDONLY, "nosuid": unix.MOUNT_ATTR_NOSUID, "nodev": unix.MOUNT_ATTR_NODEV,
		"noexec": unix.MOUNT_ATTR_NOEXEC, "noatime": unix.MOUNT_ATTR_NOATIME, "strictatime": unix.MOUNT_ATTR_STRICTATIME,
		"nodiratime": unix.MOUNT_ATTR_NODIRATIME, "nosymfollow": unix.MOUNT_ATTR_NOSYMFOLLOW,
		"relatime": 0, "rw": 0, "suid": 0, "dev": 0, "exec": 0,
	}
}

// Propagation returns the flag of mount(2) for private, rslave and their like.
func Propagation(option string) (flag uint64, ok bool) {
	switch strings.TrimPrefix(option, "r") {
	case "private":
		return unix.MS_PRIVATE, true
	case "slave":
		return unix.MS_SLAVE, true
	case "shared":
		return unix.MS_SHARED, true
	}
	return 0, false
}

// Options are the names of the options that belong to the mount, sorted.
func Options() []string {
	names := []string{"bind", "rbind", "private", "rprivate", "slave", "rslave", "shared", "rshared"}
	names = slices.AppendSeq(names, maps.Keys(attributes()))
	slices.Sort(names)
	return names
}

// Clone returns a detached mount of what f is, which may have been opened with
// O_PATH, and with recursive of what is mounted below it.
func Clone(f *os.File, recursive bool) (*os.File, error) {
	return clone(int(f.Fd()), "", f.Name(), unix.AT_EMPTY_PATH, recursive)
}

// ClonePath is Clone of what path leads to.
func ClonePath(path string, recursive bool) (*os.File, error) {
	return clone(unix.AT_FDCWD, path, path, 0, recursive)
}

func clone(dir int, path, name string, flags uint, recursive bool) (*os.File, error) {
	flags |= unix.OPEN_TREE_CLONE | unix.OPEN_TREE_CLOEXEC
	if recursive {
		flags |= unix.AT_RECURSIVE
	}
	tree, err := unix.OpenTree(dir, path, flags)
	if err != nil {
		return nil, &os.PathError{Op: "open_tree", Path: name, Err: err}
	}
	return os.NewFile(uintptr(tree), name), nil
}

// Recursive reports whether the options ask for the mounts below, too.
func Recursive(options []string) bool { return slices.Contains(options, "rbind") }

// Set gives a detached mount the options of a bind mount. ro-top is read-only
// for the mount itself, not for those below it; without a word about
// propagation the mount is private.
func Set(tree *os.File, options []string) error {
	var top uint64
	attr := unix.MountAttr{Propagation: unix.MS_PRIVATE}
	for _, o := range options {
		if p, ok := Propagation(o); ok {
			attr.Propagation = p
			continue
		}
		flag, ok := Attribute(o)
		if !ok && strings.HasPrefix(o, "r") { // rro: as of podman's and Docker's recursive ones
			flag, _ = Attribute(o[1:])
		}
		attr.Attr_set |= flag
		if o == "ro-top" {
			top |= unix.MOUNT_ATTR_RDONLY
		}
	}
	if attr.Attr_set&unix.MOUNT_ATTR__ATIME != 0 {
		attr.Attr_clr |= unix.MOUNT_ATTR__ATIME
	}
	var below uint
	if Recursive(options) {
		below = unix.AT_RECURSIVE
	}
	err := unix.MountSetattr(int(tree.Fd()), "", unix.AT_EMPTY_PATH|below, &attr)
	if errors.Is(err, unix.EPERM) && attr.Attr_clr != 0 {
		// How access times are kept is locked on mounts that came with a more
		// privileged namespace; it stays as it is.
		attr.Attr_set, attr.Attr_clr = attr.Attr_set&^unix.MOUNT_ATTR__ATIME, 0
		err = unix.MountSetattr(int(tree.Fd()), "", unix.AT_EMPTY_PATH|below, &attr)
	}
	if err == nil && top != 0 {
		err = unix.MountSetattr(int(tree.Fd()), "", unix.AT_EMPTY_PATH, &unix.MountAttr{Attr_set: top})
	}
	if err != nil {
		return &os.PathError{Op: "mount_setattr", Path: tree.Name(), Err: err}
	}
	return nil
}

// Nothing returns a detached file system that is empty and stays so.
func Nothing() (*os.File, error) {
	fs, err := unix.Fsopen("tmpfs", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("fsopen", err)
	}
	defer unix.Close(fs)
	if err := unix.FsconfigCreate(fs); err != nil {
		return nil, os.NewSyscallError("fsconfig", err)
	}
	tree, err := unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, unix.MOUNT_ATTR_RDONLY)
	if err != nil {
		return nil, os.NewSyscallError("fsmount", err)
	}
	return os.NewFile(uintptr(tree), "tmpfs"), nil
}

// Attach puts a detached mount where to is.
func Attach(tree, to *os.File) error {
	err := unix.MoveMount(int(tree.Fd()), "", int(to.Fd()), "", unix.MOVE_MOUNT_F_EMPTY_PATH|unix.MOVE_MOUNT_T_EMPTY_PATH)
	if err != nil {
		return fmt.Errorf("mount on %s: %w", to.Name(), os.NewSyscallError("move_mount", err))
	}
	return nil
}

// IsReadOnly reports whether nothing can be written through the mount that f
// was opened on.
func IsReadOnly(f *os.File) (bool, error) {
	var st unix.Statfs_t
	if err := unix.Fstatfs(int(f.Fd()), &st); err != nil {
		return false, os.NewSyscallError("fstatfs", err)
	}
	return st.Flags&unix.ST_RDONLY != 0, nil
}

// ID is the number of the mount that f was opened on (statx(2), Linux 5.8).
func ID(f *os.File) (uint64, error) {
	var st unix.Statx_t
	if err := unix.Statx(int(f.Fd()), "", unix.AT_EMPTY_PATH, unix.STATX_MNT_ID, &st); err != nil {
		return 0, os.NewSyscallError("statx", err)
	}
	return st.Mnt_id, nil
}
