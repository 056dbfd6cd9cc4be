// SPDX-License-Identifier: Apache-2.0

package await

import (
	"os"
	"os/signal"

	"golang.org/x/sys/unix"

	"coracle/pkg/ns"
)

// Descriptors that the stage is born with, and hands on.
const (
	Socket = 3 // listens
	Peer   = 4 // a pidfd of the process with which this one ends
)

// Main is the stage. Its arguments are those of the stage that it becomes, the name
// first.
func Main() int {
	if len(os.Args) < 2 {
		return 1
	}
	signal.Ignore(unix.SIGCHLD) // nobody waits for those that it will have ended
	for {
		if pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil); err != unix.EINTR && pid <= 0 {
			break // of those that have ended, nobody is left
		}
	}
	ns.ForgetProgram()
	fds := []unix.PollFd{{Fd: Peer, Events: unix.POLLIN}, {Fd: Socket, Events: unix.POLLIN}}
	for {
		_, err := unix.Poll(fds, -1)
		switch {
		case err == unix.EINTR:
		case err != nil || fds[0].Revents != 0:
			return 0
		default:
			return become(os.Args[1:])
		}
	}
}

// Again makes a process that has served the socket wait at it. It returns when that is
// not possible.
func Again(args []string) int { return become(append([]string{ns.StageAwait}, args...)) }

// become turns this process into another stage.
func become(args []string) int {
	for _, fd := range []uintptr{Socket, Peer} {
		if _, err := unix.FcntlInt(fd, unix.F_SETFD, 0); err != nil {
			return 1
		}
	}
	_ = unix.Exec("/proc/self/exe", args, os.Environ())
	return 1
}
