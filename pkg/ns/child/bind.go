// SPDX-License-Identifier: Apache-2.0

package child

import (
	"errors"
	"os"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// bind attaches a tree of the host.
func (r *rootfs) bind(m specs.Mount, target string) error {
	var st unix.Stat_t
	if err := unix.Stat(m.Source, &st); err != nil {
		return &os.PathError{Op: "stat", Path: m.Source, Err: err}
	}
	make := r.mkfile
	if st.Mode&unix.S_IFMT == unix.S_IFDIR {
		make = r.mkdirAll
	}
	to, err := make(target)
	if err != nil {
		return err
	}
	defer to.Close()
	if err := checkTarget(to, target, m.Source); err != nil {
		return err
	}
	return r.attachTree(m.Source, m.Options, to)
}

func (r *rootfs) attachTree(source string, options []string, to *os.File) error {
	flags := uint(unix.OPEN_TREE_CLONE | unix.OPEN_TREE_CLOEXEC)
	var top uint64 // for the mount itself, not for those below it
	attr := unix.MountAttr{Propagation: unix.MS_PRIVATE}
	for _, o := range options {
		switch {
		case o == "rbind":
			flags |= unix.AT_RECURSIVE
		case o == "ro-top":
			top |= unix.MOUNT_ATTR_RDONLY
		case propagation[o] != 0:
			attr.Propagation = propagation[o]
		case strings.HasPrefix(o, "r") && mountAttr[o[1:]] != 0: // rro: as of podman's and Docker's recursive ones
			attr.Attr_set |= mountAttr[o[1:]]
		default:
			attr.Attr_set |= mountAttr[o]
		}
	}
	if attr.Attr_set&unix.MOUNT_ATTR__ATIME != 0 {
		attr.Attr_clr |= unix.MOUNT_ATTR__ATIME
	}
	tree, err := unix.OpenTree(unix.AT_FDCWD, source, flags)
	if err != nil {
		return &os.PathError{Op: "open_tree", Path: source, Err: err}
	}
	defer unix.Close(tree)
	err = unix.MountSetattr(tree, "", unix.AT_EMPTY_PATH|unix.AT_RECURSIVE&flags, &attr)
	if errors.Is(err, unix.EPERM) && attr.Attr_clr != 0 {
		// How access times are kept is locked on mounts that came with a more
		// privileged namespace; it stays as it is.
		attr.Attr_set, attr.Attr_clr = attr.Attr_set&^unix.MOUNT_ATTR__ATIME, 0
		err = unix.MountSetattr(tree, "", unix.AT_EMPTY_PATH|unix.AT_RECURSIVE&flags, &attr)
	}
	if err != nil {
		return &os.PathError{Op: "mount_setattr", Path: source, Err: err}
	}
	if top != 0 {
		if err := unix.MountSetattr(tree, "", unix.AT_EMPTY_PATH, &unix.MountAttr{Attr_set: top}); err != nil {
			return &os.PathError{Op: "mount_setattr", Path: source, Err: err}
		}
	}
	return moveTo(tree, to)
}
