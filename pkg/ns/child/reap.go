// SPDX-License-Identifier: Apache-2.0

package child

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"coracle/pkg/ns"
	"coracle/pkg/wire"
)

// openSelf opens this program while its file system is still there. What is
// executed later is the sealed copy that the stage was started from: no
// process of the container can write to it (CVE-2019-5736).
func (s *setup) openSelf() (err error) {
	s.self, err = unix.Open("/proc/self/exe", unix.O_PATH|unix.O_CLOEXEC, 0)
	return os.NewSyscallError("open", err)
}

// execReaper becomes the reaper, which starts the program. It executes this
// program again instead of going on: ids, capabilities and the seccomp filter
// were set for one thread, and after an execve there is no other.
func (s *setup) execReaper() error {
	p := s.Spec.Process
	path, err := lookPath(p.Args[0], p.Env)
	if err != nil {
		return err
	}
	_ = unix.CloseRange(ns.SyncFD+1, ^uint(0), unix.CLOSE_RANGE_CLOEXEC)
	// The reaper tells the parent what became of the program.
	if _, err := unix.FcntlInt(ns.SyncFD, unix.F_SETFD, 0); err != nil {
		return os.NewSyscallError("fcntl", err)
	}
	argv, err := syscall.SlicePtrFromStrings(append([]string{ns.StageReap, path}, p.Args...))
	if err != nil {
		return err
	}
	envv, err := syscall.SlicePtrFromStrings(p.Env)
	if err != nil {
		return err
	}
	empty := []byte{0}
	_, _, errno := unix.RawSyscall6(unix.SYS_EXECVEAT, uintptr(s.self), uintptr(unsafe.Pointer(&empty[0])),
		uintptr(unsafe.Pointer(&argv[0])), uintptr(unsafe.Pointer(&envv[0])), unix.AT_EMPTY_PATH, 0)
	return fmt.Errorf("exec init: %w", errno)
}

// Reap is pid 1 of a container with --init, under all the container's
// restrictions: it starts the program, passes on what it is sent, reaps
// whatever ends, and ends as the program did. Its arguments are the program's
// path and argv.
func Reap() int {
	// It does one thing at a time, and allocates a few bytes for each signal: Go's
	// collector begins at 4 MB.
	runtime.GOMAXPROCS(1)
	sync := os.NewFile(ns.SyncFD, "sync")
	unix.CloseOnExec(ns.SyncFD)
	// From here on nothing is lost that arrives before the program runs.
	sigs := make(chan os.Signal, 128)
	for n := syscall.Signal(1); n <= 64; n++ {
		switch n {
		case unix.SIGKILL, unix.SIGSTOP, unix.SIGURG, unix.SIGPROF, unix.SIGSEGV, unix.SIGBUS, unix.SIGFPE, unix.SIGILL, unix.SIGTRAP, unix.SIGSYS:
		default:
			signal.Notify(sigs, n)
		}
	}
	pid, err := startProgram(os.Args[1], os.Args[2:])
	if err != nil {
		a := ns.Answer{Error: fmt.Sprintf("exec %s: %v", os.Args[1], err), Exec: true}
		var errno syscall.Errno
		if errors.As(err, &errno) {
			a.Errno = int(errno)
		}
		_ = wire.Send(sync, a)
		return 1
	}
	sync.Close()
	// Nothing of the program's streams is ours: who reads them waits for their
	// end.
	for fd := range 3 {
		_ = unix.Close(fd)
	}
	for {
		if status, ended := reapAll(pid); ended {
			return exitStatus(status)
		}
		if s, ok := (<-sigs).(syscall.Signal); ok && s != unix.SIGCHLD {
			_ = unix.Kill(pid, s)
		}
	}
}

// startProgram starts the program in a process group of its own, which is the
// terminal's foreground one when there is a terminal.
func startProgram(path string, args []string) (int, error) {
	attr := &syscall.ProcAttr{
		Env: syscall.Environ(), Files: []uintptr{0, 1, 2},
		Sys: &syscall.SysProcAttr{Setpgid: true},
	}
	if _, err := unix.IoctlGetInt(0, unix.TIOCGPGRP); err == nil {
		attr.Sys.Foreground, attr.Sys.Ctty = true, 0
	}
	return syscall.ForkExec(path, args, attr)
}

// reapAll reaps what has ended, and reports whether the program has.
func reapAll(program int) (status syscall.WaitStatus, ended bool) {
	for {
		var ws syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &ws, syscall.WNOHANG, nil)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil || pid <= 0:
			return 0, false
		case pid == program:
			return ws, true
		}
	}
}

func exitStatus(ws syscall.WaitStatus) int {
	if ws.Signaled() {
		return 128 + int(ws.Signal())
	}
	return ws.ExitStatus()
}
