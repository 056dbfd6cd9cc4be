// SPDX-License-Identifier: Apache-2.0

package fork

import (
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// startBelow starts the program in new namespaces alone, without a process in the
// middle. It has this process's memory until its execve (CLONE_VM, CLONE_VFORK), as
// what package os starts has, but for a user namespace: there package syscall has the
// kernel copy all of the memory's tables, and then every page that this process
// writes to, 210 of the 2,800 page faults of a run. It does so for the maps of the
// namespace, which it would write before the execve; ours are written after it.
func (f *forked) startBelow(r, w *os.File) (*os.Process, error) {
	syscall.ForkLock.Lock()
	pid, errno := f.vfork()
	afterFork()
	syscall.ForkLock.Unlock()
	w.Close()
	f.close()
	if errno != 0 {
		return nil, os.NewSyscallError("clone", errno)
	}
	p, err := os.FindProcess(int(pid))
	if err != nil {
		return nil, err
	}
	if _, err := f.result(r); !errors.Is(err, errSaidNothing) {
		_, _ = p.Wait()
		return nil, err
	}
	return p, nil
}

// vfork returns the pid of the process. There it does not return.
//
// It is a function of its own, and does nothing more in the process that goes on: that
// finds its stack as the other one has left it, and here needs no more of it than the
// address to return to (see the same in package syscall).
//
//go:noinline
//go:norace
func (f *forked) vfork() (pid uintptr, errno syscall.Errno) {
	beforeFork() // from here no stack may grow: the caller says when that is over
	p, e := vforkClone(f.flags | unix.CLONE_VM | unix.CLONE_VFORK | uintptr(syscall.SIGCHLD))
	if p != 0 || e != 0 {
		return p, syscall.Errno(e)
	}
	afterForkInChild()
	f.become()
	return 0, 0
}
