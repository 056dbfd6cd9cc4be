// SPDX-License-Identifier: Apache-2.0

package bundle

import (
	"os"
	"path/filepath"

	"coracle/pkg/wire/socket"

	"golang.org/x/sys/unix"
)

// socketAddress is a short name of a path: what a unix socket is called has
// 108 bytes at most, and state directories are longer. It is good until done.
func socketAddress(path string) (addr *unix.SockaddrUnix, done func(), err error) {
	dir, err := socket.OpenDir(filepath.Dir(path))
	if err != nil {
		return nil, nil, err
	}
	return &unix.SockaddrUnix{Name: socket.At(dir, filepath.Base(path))}, func() { dir.Close() }, nil
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
