// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// System calls that never wait, for a loop. The scheduler is not
// told of them: around one that it is told of, it wakes other threads to take
// this one's place.

// pollNow is epoll_wait(2) for what is there already.
func pollNow(epoll int, events []unix.EpollEvent) (int, error) {
	return now(unix.SYS_EPOLL_PWAIT, epoll, unsafe.Pointer(&events[0]), len(events), 0)
}

// readNow is read(2) on a descriptor that does not block.
func readNow(fd int, p []byte) (int, error) {
	return now(unix.SYS_READ, fd, unsafe.Pointer(&p[0]), len(p), 0)
}

// sendNow is send(2) without waiting, and without SIGPIPE.
func sendNow(fd int, p []byte) (int, error) {
	return now(unix.SYS_SENDTO, fd, unsafe.Pointer(&p[0]), len(p), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
}

func now(call uintptr, fd int, p unsafe.Pointer, n, last int) (int, error) {
	r, _, errno := syscall.RawSyscall6(call, uintptr(fd), uintptr(p), uintptr(n), uintptr(last), 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(r), nil
}
