// SPDX-License-Identifier: Apache-2.0

package streams

import (
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

// NotifyAll asks for every signal that can be passed on: not those of the
// children and pipes of this process, and not the one that Go's scheduler
// sends itself.
func NotifyAll(sigs chan os.Signal) {
	for n := 1; n <= 64; n++ {
		switch s := syscall.Signal(n); s {
		case unix.SIGCHLD, unix.SIGPIPE, unix.SIGURG, unix.SIGKILL, unix.SIGSTOP, unix.SIGTSTP, unix.SIGTTIN, unix.SIGTTOU, unix.SIGCONT, unix.SIGPROF,
			unix.SIGSEGV, unix.SIGBUS, unix.SIGFPE, unix.SIGILL, unix.SIGTRAP, unix.SIGSYS:
		default:
			signal.Notify(sigs, s)
		}
	}
}

// LeaveOn catches the signals that end this command by itself, so that it
// gives the terminal back before it goes. With proxy they are the container's.
func LeaveOn(proxy bool) (quit chan os.Signal, stop func()) {
	quit = make(chan os.Signal, 1)
	if !proxy {
		signal.Notify(quit, unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGQUIT)
	}
	return quit, func() { signal.Stop(quit) }
}

// KilledBy is the exit code of a command that a signal ended.
func KilledBy(s os.Signal) int {
	n, _ := s.(syscall.Signal)
	return 128 + int(n)
}
