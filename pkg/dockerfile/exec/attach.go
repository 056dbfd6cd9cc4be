// SPDX-License-Identifier: Apache-2.0

package exec

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"

	"coracle/pkg/dockerfile/files"
	"coracle/pkg/inroot"
	"coracle/pkg/ns"
)

// attach shows what a path in root means at a path of our own. Links are
// followed inside of root, once: whoever mounts the result opens no name that
// somebody else could turn into another file meanwhile.
func (m *mounts) attach(root *os.Root, source string, readOnly bool) (string, error) {
	if ns.Confined() {
		return m.link(root, source)
	}
	tree, isDir, err := cloneTree(root, source, readOnly)
	if err != nil {
		return "", err
	}
	defer unix.Close(tree)
	dir, err := m.Trees.TempDir("mnt-")
	if err != nil {
		return "", err
	}
	to := filepath.Join(dir, "source")
	if isDir {
		err = os.Mkdir(to, 0o700)
	} else {
		err = os.WriteFile(to, nil, 0o600)
	}
	if err == nil {
		err = unix.MoveMount(tree, "", unix.AT_FDCWD, to, unix.MOVE_MOUNT_F_EMPTY_PATH)
	}
	// Never recursively: what is mounted here is the user's.
	m.undo = append(m.undo, func() {
		_ = unix.Unmount(to, unix.MNT_DETACH)
		_ = os.Remove(to)
		_ = os.Remove(dir)
	})
	if err != nil {
		return "", &os.PathError{Op: "move_mount", Path: source, Err: err}
	}
	return to, nil
}

// link is attach where nothing can be mounted: a link to what source means in root,
// for a runner that makes copies.
func (m *mounts) link(root *os.Root, source string) (string, error) {
	fd, err := openSource(root, source)
	if err != nil {
		return "", err
	}
	defer unix.Close(fd)
	path, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(fd))
	if err != nil {
		return "", err
	}
	dir, err := m.Trees.TempDir("mnt-")
	if err != nil {
		return "", err
	}
	m.undo = append(m.undo, func() { _ = os.RemoveAll(dir) })
	to := filepath.Join(dir, "source")
	return to, os.Symlink(path, to)
}

// openSource opens what source means in root, without the right to read it.
func openSource(root *os.Root, source string) (fd int, err error) {
	top, err := root.Open(".")
	if err != nil {
		return -1, err
	}
	defer top.Close()
	fd, err = inroot.Root(top).OpenFD(files.InTree(source), unix.O_PATH, 0)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) {
		return -1, &files.NotFoundError{Name: files.InTree(source)}
	}
	return fd, err
}

// cloneTree makes a mount of what source means in root, attached nowhere yet.
func cloneTree(root *os.Root, source string, readOnly bool) (tree int, isDir bool, err error) {
	fd, err := openSource(root, source)
	if err != nil {
		return -1, false, err
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return -1, false, &os.PathError{Op: "stat", Path: source, Err: err}
	}
	tree, err = unix.OpenTree(fd, "", unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_EMPTY_PATH|unix.AT_RECURSIVE)
	if err != nil {
		return -1, false, &os.PathError{Op: "open_tree", Path: source, Err: err}
	}
	attr := unix.MountAttr{Propagation: unix.MS_PRIVATE}
	if readOnly {
		attr.Attr_set = unix.MOUNT_ATTR_RDONLY
	}
	if err := unix.MountSetattr(tree, "", unix.AT_EMPTY_PATH|unix.AT_RECURSIVE, &attr); err != nil {
		_ = unix.Close(tree)
		return -1, false, &os.PathError{Op: "mount_setattr", Path: source, Err: err}
	}
	return tree, st.Mode&unix.S_IFMT == unix.S_IFDIR, nil
}
