// SPDX-License-Identifier: Apache-2.0

package socket

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// At is a path of name in dir, which may be opened with O_PATH, that fits into
// the address of a socket however deep dir is. It is good while dir is open.
func At(dir *os.File, name string) string {
	return "/proc/self/fd/" + strconv.Itoa(int(dir.Fd())) + "/" + name
}

// OpenDir opens the directory of a socket, for At.
func OpenDir(path string) (*os.File, error) {
	return os.OpenFile(path, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
}

// Dial connects to the stream socket at path, of any length. The error is a
// *os.PathError with path and the errno.
func Dial(path string) (*net.UnixConn, error) {
	dir, err := OpenDir(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	c, err := net.DialUnix("unix", nil, &net.UnixAddr{Net: "unix", Name: At(dir, filepath.Base(path))})
	if err != nil {
		return nil, pathError("connect", path, err)
	}
	return c, nil
}

// Listen makes a stream socket of that name in dir and listens there, replacing
// what a dead process left. Its mode is the umask's. Closing does not remove it.
func Listen(dir *os.File, name string) (*net.UnixListener, error) {
	path := filepath.Join(dir.Name(), name)
	if err := unix.Unlinkat(int(dir.Fd()), name, 0); err != nil && !errors.Is(err, unix.ENOENT) {
		return nil, &os.PathError{Op: "unlink", Path: path, Err: err}
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Net: "unix", Name: At(dir, name)})
	if err != nil {
		return nil, pathError("bind", path, err)
	}
	l.SetUnlinkOnClose(false) // its name went through a descriptor that may be closed by then
	return l, nil
}

// pathError says path where package net would name a descriptor.
func pathError(op, path string, err error) error {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		err = errno
	}
	return &os.PathError{Op: op, Path: path, Err: err}
}
