// SPDX-License-Identifier: Apache-2.0

package bundle

import (
	"fmt"
	"os"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// dialConsole connects to the socket that wants a terminal. It is done before
// anything is started, for a wrong path is a frequent mistake.
func dialConsole(path string) (*os.File, error) {
	fd, err := connect(path)
	if err != nil {
		return nil, fmt.Errorf("connect to console socket: %w", err)
	}
	return fd, nil
}

// connect connects to a unix socket of any length of path.
func connect(path string) (*os.File, error) {
	addr, done, err := socketAddress(path)
	if err != nil {
		return nil, err
	}
	defer done()
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	if err := unix.Connect(fd, addr); err != nil {
		unix.Close(fd)
		return nil, &os.PathError{Op: "connect", Path: path, Err: err}
	}
	return os.NewFile(uintptr(fd), path), nil
}

// sendConsole gives the terminal away, and its master with it.
func sendConsole(to, master *os.File, size *specs.Box) error {
	resize(master, size)
	if err := unix.Sendmsg(int(to.Fd()), []byte("/dev/ptmx"), unix.UnixRights(int(master.Fd())), nil, unix.MSG_NOSIGNAL); err != nil {
		return fmt.Errorf("send terminal: %w", os.NewSyscallError("sendmsg", err))
	}
	return nil
}

func resize(master *os.File, size *specs.Box) {
	if size != nil && size.Height > 0 && size.Width > 0 {
		_ = unix.IoctlSetWinsize(int(master.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: uint16(size.Height), Col: uint16(size.Width)})
	}
}
