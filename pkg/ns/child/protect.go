// SPDX-License-Identifier: Apache-2.0

package child

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"coracle/pkg/inroot"
)

// openProc opens the container's /proc and makes sure that it is one: a file
// system that only looks like it has led writes astray (CVE-2019-16884,
// CVE-2025-52881).
func openProc() (*os.File, error) {
	proc, err := inroot.Plain("/proc", unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return nil, err
	}
	var st unix.Statfs_t
	if err := unix.Fstatfs(int(proc.Fd()), &st); err != nil || st.Type != unix.PROC_SUPER_MAGIC {
		proc.Close()
		return nil, errors.New("/proc is not a proc file system")
	}
	return proc, nil
}

// fakedFiles are what may be mounted in /proc: what lxcfs makes up.
var fakedFiles = []string{
	"/proc/cpuinfo", "/proc/diskstats", "/proc/meminfo", "/proc/stat", "/proc/swaps", "/proc/uptime", "/proc/loadavg",
	"/proc/slabinfo", "/proc/net/dev",
}

// checkTarget keeps mounts out of /proc, and anything but a proc file system
// off it: what is written there later has to arrive (CVE-2019-16884,
// CVE-2023-27561).
func checkTarget(to *os.File, target, source string) error {
	var st unix.Statfs_t
	if target == "/proc" {
		if err := unix.Statfs(source, &st); err != nil || st.Type != unix.PROC_SUPER_MAGIC {
			return fmt.Errorf("%q cannot be mounted because it is not of type proc", target)
		}
		return nil
	}
	if err := unix.Fstatfs(int(to.Fd()), &st); err != nil {
		return &os.PathError{Op: "fstatfs", Path: target, Err: err}
	}
	if st.Type == unix.PROC_SUPER_MAGIC && !slices.Contains(fakedFiles, target) {
		return fmt.Errorf("%q cannot be mounted because it is inside /proc", target)
	}
	return nil
}

// writeSysctls writes the spec's sysctls through /proc/sys.
func (s *setup) writeSysctls() error {
	sysctls := s.Spec.Linux.Sysctl
	if len(sysctls) == 0 {
		return nil
	}
	proc, err := openProc()
	if err != nil {
		return err
	}
	defer proc.Close()
	for name, value := range sysctls {
		if err := writeSysctl(inroot.Beneath(proc).NoLinks().NoMounts(), name, value); err != nil {
			return fmt.Errorf("sysctl %s: %w", name, cause(err))
		}
	}
	return nil
}

func writeSysctl(proc inroot.Dir, name, value string) error {
	f, err := proc.Open("sys/"+strings.ReplaceAll(name, ".", "/"), unix.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = unix.Write(int(f.Fd()), []byte(value)) // one write: a second would be another value
	return err
}

// cause is the system's error without the path that it met it at.
func cause(err error) error {
	var pe *os.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

// protectPaths makes the root, and some of what is mounted below it,
// read-only, and hides the rest of what a container has no business with.
func (s *setup) protectPaths() error {
	for _, p := range s.Spec.Linux.ReadonlyPaths {
		if err := readOnly(p); err != nil {
			return err
		}
	}
	defer s.masks.close()
	for _, p := range s.Spec.Linux.MaskedPaths {
		if err := s.masks.mask(p); err != nil {
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

func readOnly(p string) error {
	f, err := inroot.Plain(p, unix.O_PATH)
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

// cover is a detached mount that is put over many places. It is used up by the
// first, and cloned from there: kernels before 6.15 clone nothing that is not
// attached.
type cover struct {
	fd   int
	used bool
}

func (c *cover) put(over *os.File) error {
	if !c.used {
		c.used = true
		return moveTo(c.fd, over)
	}
	tree, err := unix.OpenTree(c.fd, "", unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_EMPTY_PATH)
	if err != nil {
		return os.NewSyscallError("open_tree", err)
	}
	defer unix.Close(tree)
	return moveTo(tree, over)
}

// masker hides files behind /dev/null and directories behind one empty
// read-only tmpfs that they share.
type masker struct {
	null, empty *cover
}

func (m *masker) close() {
	for _, c := range []*cover{m.null, m.empty} {
		if c != nil {
			unix.Close(c.fd)
		}
	}
}

// openNull takes the host's /dev/null: the container's may be anything by the
// time masks are made (CVE-2025-31133).
func (s *setup) openNull() error {
	null, err := openDevice("/dev/null", 1, 3)
	if err != nil {
		return err
	}
	defer null.Close()
	tree, err := cloneTree(null)
	if err != nil {
		return err
	}
	s.masks.null = &cover{fd: tree}
	return nil
}

func (m *masker) mask(p string) error {
	f, err := inroot.Plain(p, unix.O_PATH)
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
	c := m.null
	if st.Mode&unix.S_IFMT == unix.S_IFDIR {
		if c, err = m.emptyDir(); err != nil {
			return fmt.Errorf("mask %s: %w", p, err)
		}
	}
	if err := c.put(f); err != nil {
		return fmt.Errorf("mask %s: %w", p, err)
	}
	return nil
}

// emptyDir makes the empty tmpfs when it is first needed.
func (m *masker) emptyDir() (*cover, error) {
	if m.empty != nil {
		return m.empty, nil
	}
	fs, err := unix.Fsopen("tmpfs", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("fsopen", err)
	}
	defer unix.Close(fs)
	if err := errors.Join(unix.FsconfigSetString(fs, "mode", "555"), unix.FsconfigCreate(fs)); err != nil {
		return nil, os.NewSyscallError("fsconfig", err)
	}
	fd, err := unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, unix.MOUNT_ATTR_RDONLY|unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV|unix.MOUNT_ATTR_NOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("fsmount", err)
	}
	m.empty = &cover{fd: fd}
	return m.empty, nil
}
