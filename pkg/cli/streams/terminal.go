// SPDX-License-Identifier: Apache-2.0

package streams

import (
	"os"
	"sync"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
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

func Resize(from, pty *os.File) {
	if ws, err := unix.IoctlGetWinsize(int(from.Fd()), unix.TIOCGWINSZ); err == nil {
		Control(pty, func(fd int) { _ = unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, ws) })
	}
}

// Control calls do with the descriptor of f. Unlike f.Fd it leaves f in the
// mode it is in, so that deadlines go on working.
func Control(f *os.File, do func(fd int)) {
	if raw, err := f.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { do(int(fd)) })
	}
}
