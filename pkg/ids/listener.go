// SPDX-License-Identifier: Apache-2.0

package ids

import (
	"errors"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"

	"coracle/pkg/descriptor"
)

// request is struct seccomp_notif of linux/seccomp.h.
type request struct {
	id    uint64
	pid   uint32
	flags uint32
	nr    int32
	arch  uint32
	ip    uint64
	args  [6]uint64
}

// response is struct seccomp_notif_resp.
type response struct {
	id    uint64
	val   int64
	error int32 // negative
	flags uint32
}

// Serve answers the calls that arrive at listener, the descriptor that seccomp(2)
// gave for a filter, until no process is left that has the filter. It closes the
// listener.
func (k *Keeper) Serve(listener *os.File) error {
	defer listener.Close()
	file, err := descriptor.Pollable(listener)
	if err != nil {
		return fmt.Errorf("serve seccomp listener: %w", err)
	}
	defer file.Close()
	conn, err := file.SyscallConn()
	if err != nil {
		return err
	}
	_ = conn.Control(switchAtOnce)
	for {
		var req request
		var got error
		err := conn.Read(func(fd uintptr) bool {
			var ready bool
			ready, got = receive(fd, &req)
			return ready
		})
		switch {
		case err != nil:
			return fmt.Errorf("wait for system calls: %w", err)
		case errors.Is(got, errGone):
			return nil
		case got != nil:
			continue // it was killed, or a signal interrupted its call, which it will repeat
		}
		k.respond(conn, req)
	}
}

// switchAtOnce lets a request and its response wake the other side on the same
// processor: one of the two waits (SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP, Linux 6.6).
func switchAtOnce(fd uintptr) {
	const setFlags, syncWakeUp = 0x40082104, 1 // SECCOMP_IOCTL_NOTIF_SET_FLAGS of linux/seccomp.h
	_, _, _ = unix.Syscall(unix.SYS_IOCTL, fd, setFlags, syncWakeUp)
}

var errGone = errors.New("no process has the filter any more")

// receive reads a request. It does not wait: before Linux 6.6 the ioctl ignores
// O_NONBLOCK, so poll(2) is asked first; this process is the only reader.
func receive(fd uintptr, req *request) (ready bool, err error) {
	p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	if _, err := unix.Poll(p, 0); err != nil {
		return !errors.Is(err, unix.EINTR), err
	}
	switch {
	case p[0].Revents&unix.POLLIN != 0:
		*req = request{} // the kernel wants zeros
		if _, _, e := unix.Syscall(unix.SYS_IOCTL, fd, unix.SECCOMP_IOCTL_NOTIF_RECV, uintptr(unsafe.Pointer(req))); e != 0 {
			return true, e
		}
		return true, nil
	case p[0].Revents&(unix.POLLHUP|unix.POLLERR) != 0:
		return true, errGone
	}
	return false, nil
}

// respond answers a request. A process that is gone by now needs no answer.
func (k *Keeper) respond(conn interface {
	Control(func(fd uintptr)) error
}, req request) {
	_ = conn.Control(func(fd uintptr) {
		resp := k.answer(req, func() bool {
			_, _, e := unix.Syscall(unix.SYS_IOCTL, fd, unix.SECCOMP_IOCTL_NOTIF_ID_VALID, uintptr(unsafe.Pointer(&req.id)))
			return e == 0
		})
		_, _, _ = unix.Syscall(unix.SYS_IOCTL, fd, unix.SECCOMP_IOCTL_NOTIF_SEND, uintptr(unsafe.Pointer(&resp)))
	})
}
