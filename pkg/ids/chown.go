// SPDX-License-Identifier: Apache-2.0

package ids

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"

	"coracle/pkg/inroot"
)

// ChownCalls are the names of the system calls that give files away, those of
// 32-bit programs with them. A Keeper answers them, too.
func ChownCalls() []string {
	return []string{"chown", "chown32", "fchown", "fchown32", "lchown", "lchown32", "fchownat"}
}

// Calls of x86_64 that arm64 does not have.
const (
	sysChown  = 92
	sysLchown = 94
)

// gift is a call of chown(2) and its kin, in the terms of fchownat(2).
type gift struct {
	dir      int32
	path     uintptr // 0: the file dir itself
	uid, gid uint32  // same: as it is
	flags    int32
}

func giftOf(nr int32, a [6]uint64) (g gift, ok bool) {
	g = gift{dir: unix.AT_FDCWD, path: uintptr(a[0]), uid: uint32(a[1]), gid: uint32(a[2])}
	switch {
	case nr == unix.SYS_FCHOWN:
		g.dir, g.path = int32(a[0]), 0
	case nr == unix.SYS_FCHOWNAT:
		g = gift{int32(a[0]), uintptr(a[1]), uint32(a[2]), uint32(a[3]), int32(a[4])}
	case runtime.GOARCH != "amd64":
		return g, false
	case nr == sysLchown:
		g.flags = unix.AT_SYMLINK_NOFOLLOW
	case nr != sysChown:
		return g, false
	}
	return g, true
}

// chown gives a file away on paper. What cannot be found from outside, as behind
// /proc/self, or cannot be noted, is said to be done.
func (c *call) chown(nr int32, g gift) error {
	if g.flags&^(unix.AT_SYMLINK_NOFOLLOW|unix.AT_EMPTY_PATH) != 0 {
		return unix.EINVAL
	}
	name := ""
	if nr != unix.SYS_FCHOWN {
		var err error
		if name, err = c.text(g.path); err != nil {
			return err
		}
		if name == "" && g.flags&unix.AT_EMPTY_PATH == 0 {
			return unix.ENOENT
		}
	}
	if !c.mayGive(g) {
		return unix.EPERM
	}
	var err error
	if c.proc, err = c.keeper.processes.dir(c.pid); err != nil {
		return nil
	}
	f, err := c.open(g.dir, name, g.flags&unix.AT_SYMLINK_NOFOLLOW == 0)
	if err != nil {
		return c.said(g, name, err)
	}
	defer f.Close()
	if !c.valid() { // what is open may be another process's
		return unix.EINTR
	}
	// The kernel's part: is it writable at all, set-id bits and capabilities end,
	// the time of change. To nobody new, for there is nobody.
	if err := unix.Fchownat(int(f.Fd()), "", -1, -1, unix.AT_EMPTY_PATH); errors.Is(err, unix.EROFS) {
		return err
	} else if err != nil {
		return nil
	}
	c.record(g, name, f)
	return nil
}

// mayGive is the kernel's rule (chown(2)): who may not give files away may still
// give one to a group of its own. Whose it is cannot be known, for what a process
// creates is root's to the kernel: it is taken to be its own.
func (c *call) mayGive(g gift) bool {
	if c.who.uid.fs == 0 || c.who.kept {
		return true
	}
	return (g.uid == same || g.uid == c.who.uid.fs) &&
		(g.gid == same || g.gid == c.who.gid.fs || c.who.inGroup(g.gid))
}

func (i *identity) inGroup(gid uint32) bool {
	want := le32(gid)
	for at := 0; at+4 <= len(i.groups); at += 4 {
		if i.groups[at:at+4] == string(want) {
			return true
		}
	}
	return false
}

// open opens what a name means to the process, O_PATH. dir is a descriptor of the
// process or AT_FDCWD, and the file itself without a name. No way leads out of the
// process's root.
func (c *call) open(dir int32, name string, follow bool) (*os.File, error) {
	flags := unix.O_PATH
	if !follow {
		flags |= unix.O_NOFOLLOW
	}
	if path.IsAbs(name) {
		return c.inRoot(name, flags)
	}
	base := c.proc + "/cwd"
	if dir != unix.AT_FDCWD {
		base = fmt.Sprintf("%s/fd/%d", c.proc, dir)
	}
	f, err := openLink(base)
	if errors.Is(err, unix.ENOENT) {
		err = unix.EBADF
	}
	if err != nil || name == "" {
		return f, err
	}
	defer f.Close()
	found, err := inroot.Beneath(f).Open(name, flags, 0)
	if !errors.Is(err, unix.EXDEV) {
		return found, err
	}
	// Up, or by a link that begins at the root.
	where, err := c.pathOf(base)
	if err != nil {
		return nil, err
	}
	return c.inRoot(where+"/"+name, flags)
}

func (c *call) inRoot(name string, flags int) (*os.File, error) {
	root, err := openLink(c.rootLink())
	if err != nil {
		return nil, err
	}
	defer root.Close()
	return inroot.Root(root).Open(name, flags, 0)
}

func (c *call) rootLink() string { return c.proc + "/root" }

// pathOf is where a link of /proc leads to, from the process's root on.
func (c *call) pathOf(link string) (string, error) {
	where, err := os.Readlink(link)
	if err != nil {
		return "", err
	}
	top, err := os.Readlink(c.rootLink())
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

// openLink follows a link of /proc that leads to a file and not to a name.
func openLink(link string) (*os.File, error) {
	fd, err := unix.Open(link, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), link), nil
}

// said is what is answered when a file was not found. It may be there for the
// process: what is below /proc/self is its own.
func (c *call) said(g gift, name string, err error) error {
	switch {
	case errors.Is(err, unix.EBADF):
		return unix.EBADF
	case errors.Is(err, unix.ENOTDIR):
		return unix.ENOTDIR
	case errors.Is(err, unix.ENAMETOOLONG):
		return unix.ENAMETOOLONG
	case !errors.Is(err, unix.ENOENT), strings.HasPrefix(name, "/proc/"), strings.HasPrefix(name, "/dev/"):
		return nil
	}
	if f, err := c.open(g.dir, name, false); err == nil {
		f.Close()
		return nil // a link, perhaps to such a place
	}
	return unix.ENOENT
}

// record notes the owner, of a link or a pipe at its directory.
func (c *call) record(g gift, name string, f *os.File) {
	var st unix.Stat_t
	if unix.Fstat(int(f.Fd()), &st) != nil {
		return
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG, unix.S_IFDIR:
		was, wasGroup, known := noted(fdPath(int(f.Fd())), unix.Getxattr)
		if !known { // mayGive took it for the process's own
			was, wasGroup = int(c.who.uid.fs), int(c.who.gid.fs)
		}
		uid, gid := g.owner(was, wasGroup)
		// By a descriptor it is given to whom a program saw, by name to whom it wants.
		seen := g.path == 0 || was == 0 && wasGroup == 0
		if g.uid == 0 && g.gid == 0 && seen && st.Mode&unix.S_IFMT == unix.S_IFREG {
			_ = recordRoot(int(f.Fd()), st.Mode)
			return
		}
		_ = Record(int(f.Fd()), "", uid, gid, st.Mode)
		return
	}
	base := path.Base(name)
	if name == "" || base == "." || base == ".." || base == "/" {
		return // only its descriptor is known
	}
	dir, err := c.open(g.dir, path.Dir(name), true)
	if err != nil {
		return
	}
	defer dir.Close()
	var there unix.Stat_t
	err = unix.Fstatat(int(dir.Fd()), base, &there, unix.AT_SYMLINK_NOFOLLOW)
	if err != nil || there.Ino != st.Ino || !c.valid() {
		return
	}
	uid, gid := g.owner(RecordedName(inroot.Path(dir), base, st.Mode, st.Uid, st.Gid))
	_ = Record(int(dir.Fd()), base, uid, gid, st.Mode)
}

// owner is who a file belongs to afterwards.
func (g gift) owner(uid, gid int) (int, int) {
	if g.uid != same {
		uid = int(g.uid)
	}
	if g.gid != same {
		gid = int(g.gid)
	}
	return uid, gid
}

// text reads a path from the process's memory.
func (c *call) text(at uintptr) (string, error) {
	const page = 4096
	mem := make([]byte, unix.PathMax)
	first := page - int(at%page)
	var parts []unix.RemoteIovec // one for each page: what is beyond the text's end may be nobody's
	parts = append(parts, unix.RemoteIovec{Base: at, Len: first})
	if first < len(mem) {
		parts = append(parts, unix.RemoteIovec{Base: at + uintptr(first), Len: len(mem) - first})
	}
	n, err := unix.ProcessVMReadv(c.pid, local(mem), parts, 0)
	if err != nil {
		return "", unix.EFAULT
	}
	if !c.valid() {
		return "", unix.EINTR
	}
	end := bytes.IndexByte(mem[:n], 0)
	switch {
	case end >= 0:
		return string(mem[:end]), nil
	case n < len(mem):
		return "", unix.EFAULT
	}
	return "", unix.ENAMETOOLONG
}
