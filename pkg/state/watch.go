// SPDX-License-Identifier: Apache-2.0

package state

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"

	"coracle/pkg/hint"
)

// Watch is an inotify(7) of the files in a directory: what is read from it says
// that one of them was written to, or came to be there.
func Watch(dir string) (*os.File, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, explainWatch(os.NewSyscallError("inotify_init1", err))
	}
	if _, err := unix.InotifyAddWatch(fd, dir, unix.IN_MODIFY|unix.IN_CREATE|unix.IN_MOVED_TO|unix.IN_MOVE_SELF|unix.IN_DELETE_SELF); err != nil {
		unix.Close(fd)
		return nil, explainWatch(os.NewSyscallError("inotify_add_watch", err))
	}
	return os.NewFile(uintptr(fd), "inotify"), nil
}

// explainWatch says what can be done about a limit of inotify(7) that is reached.
func explainWatch(err error) error {
	const admin = "your other programs watch as many files as the host allows; the administrator can allow more: sysctl "
	switch {
	case errors.Is(err, unix.EMFILE):
		return hint.About(hint.Inotify, err, admin+"fs.inotify.max_user_instances=1024 (or it is ulimit -n that is reached)")
	case errors.Is(err, unix.ENOSPC):
		return hint.About(hint.Inotify, err, admin+"fs.inotify.max_user_watches=524288")
	}
	return err
}
