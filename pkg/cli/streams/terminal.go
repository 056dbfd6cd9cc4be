// SPDX-License-Identifier: Apache-2.0

package streams

import (
	"os"
	"sync"

	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"coracle/pkg/descriptor"
)

// MakeRaw lets every key through to the container's terminal, and returns what
// undoes it.
func MakeRaw(f *os.File) (restore func()) {
	old, err := term.MakeRaw(int(f.Fd()))
	if err != nil {
		return func() {}
	}
	var once sync.Once
	return func() { once.Do(func() { _ = term.Restore(int(f.Fd()), old) }) }
}

// Resize gives the terminal behind pty, a master, the window of the terminal from.
func Resize(from, pty *os.File) {
	if ws, err := unix.IoctlGetWinsize(int(from.Fd()), unix.TIOCGWINSZ); err == nil {
		_ = descriptor.Control(pty, func(fd int) error { return unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, ws) })
	}
}
