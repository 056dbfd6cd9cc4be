// SPDX-License-Identifier: Apache-2.0

package overlay

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"coracle/pkg/hint"
)

// Rootfs is a root file system to mount.
type Rootfs struct {
	Lowers []string // layer directories, topmost first
	// Upper and Work are the read-write layer; without them the result is
	// read-only.
	Upper, Work string
	Target      string // an existing directory
	// Volatile skips all syncs of the upper layer: its content does not
	// survive a power cut, and Work cannot be used for another mount.
	Volatile bool
	// Replaces says that files which are there are never changed, but replaced: nothing
	// runs. Without overlayfs they need not be copied then.
	Replaces bool
}

// MountRootfs mounts r in the mount namespace of the calling process, with
// overlayfs as the kernel offers it to user namespaces (since Linux 5.11), or
// without it, as a copy of the layers: what was written is in the upper layer after
// [Settle] then.
func MountRootfs(r Rootfs) error {
	if len(r.Lowers) == 0 {
		return fmt.Errorf("mount root file system: the image has no layers")
	}
	err := mountOverlay(r)
	if errors.Is(err, errOldKernel) || errors.Is(err, unix.EINVAL) {
		// Before 6.5 options are collected in a page and looked at together:
		// any step may be the one that fails. What is wrong on any kernel fails
		// again.
		err = mountByString(r)
	}
	if err == nil {
		return nil
	}
	err = explainMount(r, fmt.Errorf("mount root file system: %w", err))
	if refused(err) {
		if terr := mountTree(context.Background(), r); terr != nil {
			return errors.Join(err, fmt.Errorf("copy the layers instead: %w", terr))
		}
		return nil
	}
	return err
}

var errOldKernel = errors.New("the kernel does not take lower directories one by one")

// mountOverlay passes every lower directory by itself (Linux 6.5): a mount(2)
// string is cut at a page, and images have many layers with long names.
func mountOverlay(r Rootfs) error {
	fs, err := unix.Fsopen("overlay", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return os.NewSyscallError("fsopen overlay", err)
	}
	defer unix.Close(fs)
	lowers := r.Lowers
	if r.Upper == "" && len(lowers) == 1 {
		// Without an upper directory overlayfs wants two lower ones.
		return bind(lowers[0], r.Target, true)
	}
	if err := unix.FsconfigSetString(fs, "source", "overlay"); err != nil {
		return os.NewSyscallError("fsconfig source", err)
	}
	var open descriptors
	defer open.close()
	for _, dir := range lowers {
		name, err := open.plain(dir)
		if err != nil {
			return err
		}
		if err := unix.FsconfigSetString(fs, "lowerdir+", name); err != nil {
			if errors.Is(err, unix.EINVAL) {
				return errOldKernel
			}
			return &os.PathError{Op: "add lower layer", Path: dir, Err: err}
		}
	}
	if r.Upper != "" {
		for _, o := range [][2]string{{"upperdir", r.Upper}, {"workdir", r.Work}} {
			name, err := open.plain(o[1])
			if err != nil {
				return err
			}
			if err := unix.FsconfigSetString(fs, o[0], name); err != nil {
				return &os.PathError{Op: "set " + o[0], Path: o[1], Err: err}
			}
		}
	}
	flags := []string{"userxattr"}
	if r.Volatile && r.Upper != "" {
		flags = append(flags, "volatile")
	}
	for _, f := range flags {
		if err := unix.FsconfigSetFlag(fs, f); err != nil {
			return fmt.Errorf("overlay option %s: %w", f, err)
		}
	}
	if err := unix.FsconfigCreate(fs); err != nil {
		return os.NewSyscallError("create overlay", err)
	}
	mnt, err := unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("fsmount", err)
	}
	defer unix.Close(mnt)
	if err := unix.MoveMount(mnt, "", unix.AT_FDCWD, r.Target, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		return &os.PathError{Op: "move_mount", Path: r.Target, Err: err}
	}
	return nil
}

// bind shows source at target, with nothing of what is mounted below.
func bind(source, target string, readOnly bool) error {
	tree, err := unix.OpenTree(unix.AT_FDCWD, source, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if err != nil {
		return &os.PathError{Op: "open_tree", Path: source, Err: err}
	}
	defer unix.Close(tree)
	if readOnly {
		attr := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}
		if err := unix.MountSetattr(tree, "", unix.AT_EMPTY_PATH, &attr); err != nil {
			return &os.PathError{Op: "mount_setattr", Path: source, Err: err}
		}
	}
	if err := unix.MoveMount(tree, "", unix.AT_FDCWD, target, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		return &os.PathError{Op: "move_mount", Path: target, Err: err}
	}
	return nil
}

// descriptors gives directories the short names of their descriptors.
type descriptors []int

func (d *descriptors) name(dir string) (string, error) {
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", &os.PathError{Op: "open layer", Path: dir, Err: err}
	}
	*d = append(*d, fd)
	return "/proc/self/fd/" + strconv.Itoa(fd), nil
}

// plain is a name for dir in which overlayfs takes nothing for a separator.
func (d *descriptors) plain(dir string) (string, error) {
	if !hasSeparator(dir) {
		return dir, nil
	}
	return d.name(dir)
}

func (d *descriptors) close() {
	for _, fd := range *d {
		unix.Close(fd)
	}
}

// hasSeparator reports whether a path has characters that mean something in
// overlayfs's options.
func hasSeparator(path string) bool { return strings.ContainsAny(path, `:,\`) }

// mountByString is for kernels before 6.5. The string is cut at a page, so the
// directories go by the short names of their descriptors, which also keeps
// colons and commas in paths from being taken for separators.
func mountByString(r Rootfs) error {
	var open descriptors
	defer open.close()
	var names []string
	for _, dir := range append(slices.Clone(r.Lowers), r.Upper, r.Work) {
		if dir == "" {
			continue
		}
		n, err := open.name(dir)
		if err != nil {
			return err
		}
		names = append(names, n)
	}
	data := "userxattr,lowerdir=" + strings.Join(names[:len(r.Lowers)], ":")
	if r.Upper != "" {
		data += ",upperdir=" + names[len(r.Lowers)] + ",workdir=" + names[len(r.Lowers)+1]
	}
	if r.Volatile && r.Upper != "" {
		data += ",volatile"
	}
	if len(data) >= os.Getpagesize() {
		return fmt.Errorf("%d layers are too many for this kernel: it takes their names in one page, Linux 6.5 one by one", len(r.Lowers))
	}
	if err := unix.Mount("overlay", r.Target, "overlay", 0, data); err != nil {
		return &os.PathError{Op: "mount overlay", Path: r.Target, Err: err}
	}
	return nil
}

// lostLayer is a layer whose directory is not there any more.
func lostLayer(r Rootfs, err error) error {
	if !errors.Is(err, unix.ENOENT) {
		return nil
	}
	for _, dir := range r.Lowers {
		if _, serr := os.Lstat(dir); errors.Is(serr, unix.ENOENT) {
			lost := fmt.Errorf("mount root file system: layer %.12s of the image is lost", filepath.Base(filepath.Dir(dir)))
			return hint.With(lost, "pull or load the image again, or remove it with rmi -f")
		}
	}
	return nil
}

// explainMount names what is lost, and the file systems that cannot hold an
// upper layer.
func explainMount(r Rootfs, err error) error {
	if lost := lostLayer(r, err); lost != nil {
		return lost
	}
	if r.Upper == "" || !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.EOPNOTSUPP) && !errors.Is(err, unix.EPERM) {
		return explain(err)
	}
	var st unix.Statfs_t
	if unix.Statfs(r.Upper, &st) != nil {
		return err
	}
	const move = "; move the store to another file system with --root or CORACLE_ROOT"
	switch st.Type {
	case unix.OVERLAYFS_SUPER_MAGIC:
		return hint.About(hint.Overlay, err, "the store is on overlayfs, as inside another container"+move)
	case unix.NFS_SUPER_MAGIC:
		return hint.About(hint.UserAttributes, err, "the store is on NFS, which has no extended attributes of users"+move)
	}
	return hint.About(hint.UserAttributes, err, "the store's file system may lack extended attributes of users"+move)
}
