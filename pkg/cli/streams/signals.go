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
// sends itself. For each, Go changes to another thread and back, so the
// real-time ones (signal(7)) are asked for while the caller goes on. Nor is any
// given back: this process ends with what it talks to.
func NotifyAll(sigs chan os.Signal) {
	const realTime = 32
	notify(sigs, 1, realTime)
	go notify(sigs, realTime, 65)
}

func notify(sigs chan os.Signal, from, to syscall.Signal) {
	for s := from; s < to; s++ {
		switch s {
		case unix.SIGCHLD, unix.SIGPIPE, unix.SIGURG, unix.SIGKILL, unix.SIGSTOP, unix.SIGTSTP, unix.SIGTTIN, unix.SIGTTOU, unix.SIGCONT, unix.SIGPROF,
			unix.SIGSEGV, unix.SIGBUS, unix.SIGFPE, unix.SIGILL, unix.SIGTRAP, unix.SIGSYS:
		default:
			signal.Notify(sigs, s)
		}
	}
}

// LeaveOn catches the signals that end this command by itself, so that it
// gives the terminal back before it goes. With proxy they are the container's.
func LeaveOn(proxy bool) (quit chan os.Signal) {
	quit = make(chan os.Signal, 1)
	if !proxy {
		signal.Notify(quit, unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGQUIT)
	}
	return quit
}

// KilledBy is the exit code of a command that a signal ended.
func KilledBy(s os.Signal) int {
	n, _ := s.(syscall.Signal)
	return 128 + int(n)
}
