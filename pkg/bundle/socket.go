// SPDX-License-Identifier: Apache-2.0

package bundle

import (
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// socketAddress is a short name of a path: what a unix socket is called has
// 108 bytes at most, and state directories are longer. It is good until done.
func socketAddress(path string) (addr *unix.SockaddrUnix, done func(), err error) {
	fd, err := unix.Open(filepath.Dir(path), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, nil, &os.PathError{Op: "open", Path: filepath.Dir(path), Err: err}
	}
	name := fmt.Sprintf("/proc/self/fd/%d/%s", fd, filepath.Base(path))
	return &unix.SockaddrUnix{Name: name}, func() { unix.Close(fd) }, nil
}

// listen makes the socket that the first process waits at. Whoever may look
// into the state directory, which is its owner, may give the word.
func listen(path string) (*os.File, error) {
	addr, done, err := socketAddress(path)
	if err != nil {
		return nil, err
	}
	defer done()
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	l := os.NewFile(uintptr(fd), path)
	if err := unix.Bind(fd, addr); err != nil {
		l.Close()
		return nil, &os.PathError{Op: "bind", Path: path, Err: err}
	}
	if err := unix.Listen(fd, 1); err != nil {
		l.Close()
		return nil, os.NewSyscallError("listen", err)
	}
	return l, nil
}
