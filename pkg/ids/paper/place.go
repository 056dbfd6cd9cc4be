// SPDX-License-Identifier: Apache-2.0

package paper

import (
	"errors"
	"os"
	"path"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"coracle/pkg/inroot"
)

// file is what a call names: a path from a directory's descriptor on, or from
// AT_FDCWD; or what is open at the descriptor, without a path.
type file struct {
	dir    int32
	name   string
	follow bool // a link at the path's end
}

// find looks up the process's directory, once.
func (c *call) find() (err error) {
	if c.proc.base == "" {
		c.proc, err = c.keeper.processes.place(c.pid)
	}
	return err
}

// base is the link that a file's path begins at.
func (f file) base() string {
	switch {
	case path.IsAbs(f.name):
		return "root"
	case f.dir == unix.AT_FDCWD:
		return "cwd"
	}
	return "fd/" + strconv.Itoa(int(f.dir))
}

// open opens what a file is for the process, O_PATH. No way leads out of the
// process's root, and none through the magic links of /proc, which would be this
// process's.
func (c *call) open(f file) (int, error) {
	if err := c.find(); err != nil {
		return -1, err
	}
	if f.plain() {
		// One look-up: nothing on the way but the descriptor's own link. What fails is
		// looked at again below.
		if fd, err := unix.Openat(c.proc.dir, c.proc.base+"/"+f.base()+"/"+f.name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0); err == nil {
			return fd, nil
		}
	}
	base, err := c.proc.link(f.base())
	if err == unix.ENOENT && f.dir != unix.AT_FDCWD {
		err = unix.EBADF
	}
	if err != nil || f.name == "" {
		return base, err
	}
	defer unix.Close(base)
	if path.IsAbs(f.name) {
		return f.below(base, f.name, unix.RESOLVE_IN_ROOT)
	}
	found, err := f.below(base, f.name, unix.RESOLVE_BENEATH)
	if err != unix.EXDEV {
		return found, err
	}
	// Up, or by a link that begins at the root.
	where, err := c.pathOf(f.base())
	if err != nil {
		return -1, err
	}
	root, err := c.proc.link("root")
	if err != nil {
		return -1, err
	}
	defer unix.Close(root)
	return f.below(root, where+"/"+f.name, unix.RESOLVE_IN_ROOT)
}

// plain reports whether a file is one name in a directory, and no link that is followed.
func (f file) plain() bool {
	return !f.follow && f.name != "" && f.name != "." && f.name != ".." && !strings.Contains(f.name, "/")
}

func (f file) below(dir int, name string, resolve uint64) (int, error) {
	flags := uint64(unix.O_PATH | unix.O_CLOEXEC)
	if !f.follow {
		flags |= unix.O_NOFOLLOW
	}
	return inroot.Openat2(dir, name, unix.OpenHow{Flags: flags, Resolve: resolve | unix.RESOLVE_NO_MAGICLINKS})
}

// pathOf is where a link of the process's directory leads to, from its root on.
func (c *call) pathOf(link string) (string, error) {
	where, err := os.Readlink(c.proc.path + "/" + link)
	if err != nil {
		return "", err
	}
	top, err := os.Readlink(c.proc.path + "/root")
	if err != nil {
		return "", err
	}
	if top == "/" {
		return where, nil
	}
	rest, ok := strings.CutPrefix(where, top)
	if !ok || rest != "" && rest[0] != '/' {
		return "", unix.EXDEV
	}
	return rest, nil
}

// parent is the directory that a file's last name is in, and that name. There is
// none where the last name is none, or it is not known.
func (f file) parent() (dir file, name string, ok bool) {
	trimmed := strings.TrimRight(f.name, "/")
	at, base := path.Split(trimmed)
	switch base {
	case "", ".", "..":
		return file{}, "", false
	}
	if at == "" {
		at = "."
	}
	return file{f.dir, at, true}, base, true
}

// errnoOf is err as the kernel returns it.
func errnoOf(err error) int32 {
	var e unix.Errno
	if errors.As(err, &e) {
		return -int32(e)
	}
	return -int32(unix.EIO)
}

// here is AT_FDCWD as it stands in a register.
const here = 1<<64 - 100
