// SPDX-License-Identifier: Apache-2.0

package control

import (
	"errors"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"coracle/pkg/descriptor"
)

// OutputError says that output of a process could not be written, and that the
// rest of it is lost to this command. The process goes on.
type OutputError struct {
	Stream string // /dev/stdout
	Err    error
}

func (e *OutputError) Error() string { return "write " + e.Stream + ": " + e.Err.Error() }
func (e *OutputError) Unwrap() error { return e.Err }

// OpenOutput makes output that came from somebody else one whose writes can be
// called back, where that is possible: a pipe or terminal is opened again, for
// the mode of its description is everybody's who has it. f is closed or returned.
func OpenOutput(f *os.File) *os.File {
	st, err := f.Stat()
	if err != nil || st.Mode()&(os.ModeNamedPipe|os.ModeCharDevice) == 0 {
		return f
	}
	again := "/proc/self/fd/" + strconv.Itoa(int(f.Fd()))
	fd, err := unix.Open(again, unix.O_WRONLY|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return f // another user's terminal, for one
	}
	f.Close()
	return os.NewFile(uintptr(fd), "output")
}

// WriteOutput writes all of p, or fails with an *OutputError. Somebody may have
// made the description non-blocking meanwhile: then it waits.
func WriteOutput(f *os.File, stream string, p []byte) error {
	for {
		n, err := f.Write(p)
		if err == nil {
			return nil
		}
		p = p[n:]
		if !errors.Is(err, unix.EAGAIN) {
			var path *os.PathError
			if errors.As(err, &path) {
				err = path.Err
			}
			return &OutputError{stream, err}
		}
		err = descriptor.Control(f, func(fd int) error {
			_, _ = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}, 1000)
			return nil
		})
		if err != nil {
			return &OutputError{stream, err}
		}
	}
}
