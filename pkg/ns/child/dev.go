// SPDX-License-Identifier: Apache-2.0

package child

import (
	"errors"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// devices are the nodes every container has, by their numbers in
// Documentation/admin-guide/devices.txt.
var devices = []struct {
	name         string
	major, minor uint32
}{
	{"null", 1, 3}, {"zero", 1, 5}, {"full", 1, 7}, {"random", 1, 8}, {"urandom", 1, 9}, {"tty", 5, 0},
}

var devLinks = [][2]string{
	{"/proc/self/fd", "fd"}, {"/proc/self/fd/0", "stdin"}, {"/proc/self/fd/1", "stdout"},
	{"/proc/self/fd/2", "stderr"}, {"pts/ptmx", "ptmx"},
}

// populateDev fills the fresh /dev. A user namespace may not make device nodes:
// the host's are bound, after a look at their numbers.
func (r *rootfs) populateDev() error {
	dev, err := r.resolve("/dev", unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	defer dev.Close()
	for _, d := range devices {
		node, err := openDevice("/dev/"+d.name, d.major, d.minor)
		if err != nil {
			return err
		}
		err = bindNode(node, dev, d.name)
		node.Close()
		if err != nil {
			return fmt.Errorf("/dev/%s: %w", d.name, err)
		}
	}
	for _, l := range devLinks {
		if err := unix.Symlinkat(l[0], int(dev.Fd()), l[1]); err != nil && !errors.Is(err, unix.EEXIST) {
			return &os.PathError{Op: "symlink", Path: "/dev/" + l[1], Err: err}
		}
	}
	return nil
}

// openDevice opens a node without using it, and refuses anything that is not
// the character device it should be: a mask or a device that is really a file
// of the image has been an escape (CVE-2025-31133).
func openDevice(path string, major, minor uint32) (*os.File, error) {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	f := os.NewFile(uintptr(fd), path)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		f.Close()
		return nil, &os.PathError{Op: "fstat", Path: path, Err: err}
	}
	if st.Mode&unix.S_IFMT != unix.S_IFCHR || unix.Major(st.Rdev) != major || unix.Minor(st.Rdev) != minor {
		f.Close()
		return nil, fmt.Errorf("%s is not the character device %d:%d", path, major, minor)
	}
	return f, nil
}

// bindNode mounts what node is over a new empty file name in dir.
func bindNode(node, dir *os.File, name string) error {
	fd, err := unix.Openat(int(dir.Fd()), name, unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o666)
	if err != nil {
		return os.NewSyscallError("create", err)
	}
	file := os.NewFile(uintptr(fd), name)
	defer file.Close()
	tree, err := cloneTree(node)
	if err != nil {
		return err
	}
	defer unix.Close(tree)
	return moveTo(tree, file)
}

func cloneTree(f *os.File) (int, error) {
	tree, err := unix.OpenTree(int(f.Fd()), "", unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_EMPTY_PATH)
	if err != nil {
		return -1, os.NewSyscallError("open_tree", err)
	}
	return tree, nil
}

// openMultiplexer opens the container's own, or, where its /dev is the host's,
// the host's: there /dev/pts/ptmx is closed to everybody.
func openMultiplexer() (*os.File, error) {
	var errs []error
	for _, path := range []string{"/dev/pts/ptmx", "/dev/ptmx"} {
		fd, err := unix.Open(path, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0)
		if err != nil {
			errs = append(errs, &os.PathError{Op: "open", Path: path, Err: err})
			continue
		}
		var st unix.Stat_t
		if err := unix.Fstat(fd, &st); err == nil && st.Mode&unix.S_IFMT == unix.S_IFCHR && st.Rdev == unix.Mkdev(5, 2) {
			return os.NewFile(uintptr(fd), "console"), nil
		}
		unix.Close(fd)
		errs = append(errs, fmt.Errorf("%s is not a terminal multiplexer", path))
	}
	return nil, errs[0]
}

// openTerminal makes a terminal of the container's devpts, makes it the
// process's standard streams and controlling terminal, and keeps the master for
// the parent. The slave comes from the master (TIOCGPTPEER), not from a path
// that the image could have bent (CVE-2025-52565).
func (s *setup) openTerminal() error {
	if !s.Spec.Process.Terminal {
		return nil
	}
	var err error
	if s.console, err = openMultiplexer(); err != nil {
		return err
	}
	fd := int(s.console.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		return os.NewSyscallError("unlock terminal", err)
	}
	peer, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.TIOCGPTPEER, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC)
	if errno != 0 {
		return os.NewSyscallError("open terminal's slave", errno)
	}
	slave := os.NewFile(peer, "slave")
	defer slave.Close()
	// The program may run as another user than root.
	_ = unix.Fchown(int(peer), int(s.Spec.Process.User.UID), -1)
	s.bindConsole(slave)
	if err := unix.IoctlSetInt(int(peer), unix.TIOCSCTTY, 0); err != nil {
		return os.NewSyscallError("set controlling terminal", err)
	}
	for i := range 3 {
		if err := unix.Dup3(int(peer), i, 0); err != nil {
			return os.NewSyscallError("dup3", err)
		}
	}
	return nil
}

// bindConsole puts the first process's terminal at /dev/console. A process
// that joins has no /dev of its own making, and leaves it alone.
func (s *setup) bindConsole(slave *os.File) {
	dev, err := os.OpenFile("/dev", unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return
	}
	defer dev.Close()
	_ = bindNode(slave, dev, "console")
}

// loopbackUp is ip link set lo up.
func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	defer unix.Close(fd)
	req, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	req.SetUint16(unix.IFF_UP)
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCSIFFLAGS, uintptr(unsafe.Pointer(req)))
	if errno != 0 {
		return os.NewSyscallError("ioctl SIOCSIFFLAGS", errno)
	}
	return nil
}
