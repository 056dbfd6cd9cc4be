// SPDX-License-Identifier: Apache-2.0

package child

import (
	"errors"
	"fmt"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// openProc opens the container's /proc and makes sure that it is one: a file
// system that only looks like it has led writes astray (CVE-2019-16884,
// CVE-2025-52881).
func openProc() (*os.File, error) {
	how := unix.OpenHow{Flags: unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC, Resolve: unix.RESOLVE_NO_SYMLINKS}
	fd, err := unix.Openat2(unix.AT_FDCWD, "/proc", &how)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: "/proc", Err: err}
	}
	var st unix.Statfs_t
	if err := unix.Fstatfs(fd, &st); err != nil || st.Type != unix.PROC_SUPER_MAGIC {
		unix.Close(fd)
		return nil, errors.New("/proc is not a proc file system")
	}
	return os.NewFile(uintptr(fd), "/proc"), nil
}

// writeSysctls writes the spec's sysctls through /proc/sys.
func (s *setup) writeSysctls() error {
	sysctls := s.linux().Sysctl
	if len(sysctls) == 0 {
		return nil
	}
	proc, err := openProc()
	if err != nil {
		return err
	}
	defer proc.Close()
	for name, value := range sysctls {
		p := "sys/" + strings.ReplaceAll(name, ".", "/")
		how := unix.OpenHow{Flags: unix.O_WRONLY | unix.O_CLOEXEC, Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_XDEV}
		fd, err := unix.Openat2(int(proc.Fd()), p, &how)
		if err != nil {
			return fmt.Errorf("sysctl %s: %w", name, err)
		}
		_, err = unix.Write(fd, []byte(value))
		unix.Close(fd)
		if err != nil {
			return fmt.Errorf("sysctl %s: %w", name, err)
		}
	}
	return nil
}

// protectPaths makes the root, and some of what is mounted below it,
// read-only, and hides the rest of what a container has no business with.
func (s *setup) protectPaths() error {
	for _, p := range s.linux().ReadonlyPaths {
		if err := readOnly(p); err != nil {
			return err
		}
	}
	m := &masker{}
	defer m.close()
	for _, p := range s.linux().MaskedPaths {
		if err := m.mask(p); err != nil {
			return err
		}
	}
	if !s.Spec.Root.Readonly {
		return nil
	}
	attr := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}
	err := unix.MountSetattr(unix.AT_FDCWD, "/", 0, &attr)
	return os.NewSyscallError("mount_setattr /", err)
}

// openPlain opens a path without following any link in it.
func openPlain(p string) (*os.File, error) {
	how := unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_NO_SYMLINKS}
	fd, err := unix.Openat2(unix.AT_FDCWD, path.Clean(p), &how)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: p, Err: err}
	}
	return os.NewFile(uintptr(fd), p), nil
}

func readOnly(p string) error {
	f, err := openPlain(p)
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	tree, err := unix.OpenTree(int(f.Fd()), "", unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_EMPTY_PATH|unix.AT_RECURSIVE)
	if err != nil {
		return &os.PathError{Op: "open_tree", Path: p, Err: err}
	}
	defer unix.Close(tree)
	attr := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}
	if err := unix.MountSetattr(tree, "", unix.AT_EMPTY_PATH|unix.AT_RECURSIVE, &attr); err != nil {
		return &os.PathError{Op: "mount_setattr", Path: p, Err: err}
	}
	return moveTo(tree, f)
}

// masker hides files behind /dev/null and directories behind one empty
// read-only tmpfs that they share.
type masker struct {
	null  *os.File
	empty int // a detached mount, 0 until it is needed
}

func (m *masker) close() {
	if m.null != nil {
		m.null.Close()
	}
	if m.empty > 0 {
		unix.Close(m.empty)
	}
}

func (m *masker) mask(p string) error {
	f, err := openPlain(p)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EACCES) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return &os.PathError{Op: "fstat", Path: p, Err: err}
	}
	var tree int
	if st.Mode&unix.S_IFMT == unix.S_IFDIR {
		tree, err = m.emptyDir()
	} else {
		tree, err = m.nullFile()
	}
	if err != nil {
		return fmt.Errorf("mask %s: %w", p, err)
	}
	defer unix.Close(tree)
	return moveTo(tree, f)
}

func (m *masker) nullFile() (int, error) {
	if m.null == nil {
		null, err := openDevice("/dev/null", 1, 3)
		if err != nil {
			return -1, err
		}
		m.null = null
	}
	return cloneTree(m.null)
}

// emptyDir returns a mount of the empty tmpfs. The first one is used up by
// being attached, so a clone is kept for the next.
func (m *masker) emptyDir() (int, error) {
	if m.empty == 0 {
		fs, err := unix.Fsopen("tmpfs", unix.FSOPEN_CLOEXEC)
		if err != nil {
			return -1, os.NewSyscallError("fsopen", err)
		}
		defer unix.Close(fs)
		if err := errors.Join(unix.FsconfigSetString(fs, "mode", "555"), unix.FsconfigCreate(fs)); err != nil {
			return -1, os.NewSyscallError("fsconfig", err)
		}
		if m.empty, err = unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, unix.MOUNT_ATTR_RDONLY|unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV|unix.MOUNT_ATTR_NOEXEC); err != nil {
			m.empty = 0
			return -1, os.NewSyscallError("fsmount", err)
		}
	}
	tree, err := unix.OpenTree(m.empty, "", unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_EMPTY_PATH)
	return tree, os.NewSyscallError("open_tree", err)
}
