// SPDX-License-Identifier: Apache-2.0

package descriptor

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// Control calls do with the descriptor of f, which stays open meanwhile. The
// error is do's, or says that f is closed.
func Control(f syscall.Conn, do func(fd int) error) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	return ControlRaw(raw, do)
}

// ControlRaw is Control of what a net.Dialer or net.ListenConfig hands out
// before the socket is anything else.
func ControlRaw(raw syscall.RawConn, do func(fd int) error) error {
	var err error
	if cerr := raw.Control(func(fd uintptr) { err = do(int(fd)) }); cerr != nil {
		return cerr
	}
	return err
}

// Dup returns another descriptor of f's description, close-on-exec, the
// caller's to close, and not below least: 3 keeps out of the way of the three
// that every program has (fcntl(2), F_DUPFD_CLOEXEC).
func Dup(f syscall.Conn, least int) (int, error) {
	dup := -1
	err := Control(f, func(fd int) (err error) {
		dup, err = unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, least)
		return os.NewSyscallError("fcntl F_DUPFD_CLOEXEC", err)
	})
	return dup, err
}

// Pollable returns another file of f's description for the runtime's poller,
// under f's name: its reads and writes have deadlines, and end when it is
// closed. The poller takes a descriptor only as a new file, and only one that
// does not block; the mode is the description's, and so f's from then on.
func Pollable(f *os.File) (*os.File, error) {
	fd, err := Dup(f, 3)
	if err != nil {
		return nil, err
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		return nil, os.NewSyscallError("fcntl O_NONBLOCK", err)
	}
	return os.NewFile(uintptr(fd), f.Name()), nil
}
