// SPDX-License-Identifier: Apache-2.0

package fork

import (
	"errors"
	"io"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// OpenTree is open_tree(2) with OPEN_TREE_CLONE and then mount_setattr(2), for a
// process that may not do that: a process forked into namespaces of its own may,
// and it shares its descriptors with us. The tree is the caller's to close. It
// takes a millisecond where a copy of a program takes thirty.
func OpenTree(path string, attr unix.MountAttr) (int, error) {
	return openTree(path, apart{attr: attr, namespaces: -1})
}

// OpenTreeIn is open_tree(2) with OPEN_TREE_CLONE in another mount namespace, which
// only processes in it may call. The caller has all capabilities over that. The tree is
// the caller's to close.
func OpenTreeIn(namespace *os.File, path string) (int, error) {
	return openTree(path, apart{namespaces: int(namespace.Fd())})
}

func openTree(path string, a apart) (int, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return -1, err
	}
	defer r.Close()
	defer w.Close()
	a.pipe = int(w.Fd())
	if a.path, err = unix.BytePtrFromString(path); err != nil {
		return -1, err
	}
	a.empty = new(byte)
	syscall.ForkLock.Lock()
	pid, errno := a.fork()
	syscall.ForkLock.Unlock()
	if errno != 0 {
		return -1, os.NewSyscallError("clone", errno)
	}
	var status unix.WaitStatus
	for {
		if _, err := unix.Wait4(pid, &status, 0, nil); !errors.Is(err, unix.EINTR) {
			break
		}
	}
	w.Close()
	var said [reportSize]byte
	if _, err := io.ReadFull(r, said[:]); err != nil {
		return -1, errors.New("open_tree: the process died")
	}
	rep := *(*report)(unsafe.Pointer(&said[0]))
	if rep.what != saidFD {
		return -1, os.NewSyscallError(sayings[rep.what], syscall.Errno(rep.value))
	}
	return int(rep.value), nil
}

// apart is all that the forked process looks at, as in forked.
type apart struct {
	path, empty *byte
	attr        unix.MountAttr
	namespaces  int // the mount namespace to join; -1 makes one, and a user namespace
	pipe        int
	say         report
}

// fork returns the pid of the process. There it does not return.
//
//go:noinline
//go:norace
func (a *apart) fork() (pid int, errno syscall.Errno) {
	flags := uintptr(syscall.SIGCHLD) | unix.CLONE_FILES
	if a.namespaces < 0 {
		flags |= unix.CLONE_NEWUSER | unix.CLONE_NEWNS
	}
	beforeFork()
	r, _, errno := syscall.RawSyscall6(syscall.SYS_CLONE, flags, 0, 0, 0, 0, 0)
	if r != 0 || errno != 0 {
		afterFork()
		return int(r), errno
	}
	afterForkInChild()
	if a.namespaces >= 0 {
		if _, _, e := syscall.RawSyscall(unix.SYS_SETNS, uintptr(a.namespaces), unix.CLONE_NEWNS, 0); e != 0 {
			a.die(saidSetns, int32(e))
		}
	}
	fd, _, e := syscall.RawSyscall(unix.SYS_OPEN_TREE, ^uintptr(99), uintptr(unsafe.Pointer(a.path)), unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if e != 0 {
		a.die(saidOpenTree, int32(e))
	}
	if a.namespaces >= 0 {
		a.die(saidFD, int32(fd))
	}
	_, _, e = syscall.RawSyscall6(unix.SYS_MOUNT_SETATTR, fd, uintptr(unsafe.Pointer(a.empty)), unix.AT_EMPTY_PATH,
		uintptr(unsafe.Pointer(&a.attr)), unsafe.Sizeof(a.attr), 0)
	if e != 0 {
		a.die(saidSetattr, int32(e))
	}
	a.die(saidFD, int32(fd))
	return 0, 0
}

// die says why, and ends the process.
//
//go:nosplit
//go:norace
func (a *apart) die(what, value int32) {
	a.say.what, a.say.value = what, value
	_, _, _ = syscall.RawSyscall(unix.SYS_WRITE, uintptr(a.pipe), uintptr(unsafe.Pointer(&a.say)), reportSize)
	for {
		_, _, _ = syscall.RawSyscall(unix.SYS_EXIT_GROUP, 0, 0, 0)
	}
}
