// SPDX-License-Identifier: Apache-2.0

package overlay

import (
	"errors"
	"os"
	"path"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"coracle/pkg/inroot"
)

// open returns the descriptor of a directory, making what is missing. It is
// good until the next call.
func (u *unpacker) open(dir string) (int, error) {
	if u.parent >= 0 && u.dir == dir && !u.stale {
		return u.parent, nil
	}
	fd, err := u.openIn(dir)
	if errors.Is(err, unix.ENOENT) {
		if err = u.makeAll(dir); err == nil {
			fd, err = u.openIn(dir)
		}
	}
	if err != nil {
		return -1, err
	}
	u.forget()
	u.dir, u.parent, u.stale = dir, fd, false
	// Where links have led: other entries may take their places.
	at, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(fd))
	if err != nil {
		return -1, err
	}
	u.real = strings.TrimPrefix(strings.TrimPrefix(at, u.top), "/")
	return fd, nil
}

func (u *unpacker) forget() {
	if u.parent >= 0 {
		unix.Close(u.parent)
		u.parent = -1
	}
}

func (u *unpacker) openIn(dir string) (int, error) {
	return inroot.Root(u.root).OpenFD(dir, unix.O_PATH|unix.O_DIRECTORY, 0)
}

// makeAll makes the directories of a path; links that lead to nothing yet are
// followed, inside of the layer.
func (u *unpacker) makeAll(dir string) error {
	plain, err := inroot.Root(u.root).Follow(dir)
	if err != nil {
		return err
	}
	plain = strings.TrimPrefix(plain, "/")
	fd, err := u.openIn("")
	for done := ""; err == nil && plain != ""; {
		var base string
		base, plain, _ = strings.Cut(plain, "/")
		done = path.Join(done, base)
		switch merr := unix.Mkdirat(fd, base, 0o755); {
		case merr == nil:
			u.made[done] = true
			err = unix.Fchmodat(fd, base, 0o755, 0) // whatever the umask is
		case !errors.Is(merr, unix.EEXIST):
			err = merr
		}
		if err == nil {
			var next int
			next, err = unix.Openat(fd, base, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
			unix.Close(fd)
			fd = next
		}
	}
	if fd >= 0 {
		unix.Close(fd)
	}
	return err
}
