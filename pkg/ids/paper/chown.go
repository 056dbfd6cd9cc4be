// SPDX-License-Identifier: Apache-2.0

package paper

import (
	"strings"

	"golang.org/x/sys/unix"

	"coracle/pkg/ids"
)

// ChownCalls are the names of the system calls that give files away, those of
// 32-bit programs with them. A Keeper answers them, too.
func ChownCalls() []string {
	return []string{"chown", "chown32", "fchown", "fchown32", "lchown", "lchown32", "fchownat"}
}

func chown(c *call, a args) (uint32, error) {
	return c.give(here, a[0], a[1], a[2], 0)
}

func lchown(c *call, a args) (uint32, error) {
	return c.give(here, a[0], a[1], a[2], unix.AT_SYMLINK_NOFOLLOW)
}

func fchownat(c *call, a args) (uint32, error) {
	return c.give(a[0], a[1], a[2], a[3], int32(a[4]))
}

// fchown is that of an open file. The kernel refuses one that is only named by its
// descriptor (O_PATH), which the owners' rules here do not.
func fchown(c *call, a args) (uint32, error) {
	if int32(a[0]) < 0 { // AT_FDCWD is no descriptor here
		return 0, unix.EBADF
	}
	return 0, c.chown(gift{file: file{dir: int32(a[0])}, uid: uint32(a[1]), gid: uint32(a[2])})
}

// give is fchownat(2).
func (c *call) give(dir, at, uid, gid uint64, flags int32) (uint32, error) {
	if flags&^(unix.AT_SYMLINK_NOFOLLOW|unix.AT_EMPTY_PATH) != 0 {
		return 0, unix.EINVAL
	}
	name, err := c.text(uintptr(at))
	switch {
	case err == errUnseen:
		return 0, nil
	case err != nil:
		return 0, err
	case name == "" && flags&unix.AT_EMPTY_PATH == 0:
		return 0, unix.ENOENT
	}
	return 0, c.chown(gift{file{int32(dir), name, flags&unix.AT_SYMLINK_NOFOLLOW == 0}, uint32(uid), uint32(gid)})
}

// gift is a file that is given away.
type gift struct {
	file
	uid, gid uint32 // same: as it is
}

// chown gives a file away on paper. What cannot be found from outside, as behind
// /proc/self, or cannot be noted, is said to be done.
func (c *call) chown(g gift) error {
	if !c.mayGive(g) {
		return unix.EPERM
	}
	c.keeper.look(c.pid)
	fd, err := c.open(g.file)
	if err != nil {
		return c.said(g, err)
	}
	defer unix.Close(fd)
	if !c.valid() { // what is open may be another process's
		return unix.EINTR
	}
	// The kernel's part: is it writable at all, set-id bits and capabilities end,
	// the time of change. To nobody new, for there is nobody.
	if err := unix.Fchownat(fd, "", -1, -1, unix.AT_EMPTY_PATH); err == unix.EROFS {
		return err
	} else if err != nil {
		return nil
	}
	c.record(g, fd)
	return nil
}

// mayGive is the kernel's rule (chown(2)): who may not give files away may still
// give one to a group of its own. It is taken to be its own, whoever is noted.
func (c *call) mayGive(g gift) bool {
	i := c.is()
	if i.uid.fs == 0 || i.kept {
		return true
	}
	return (g.uid == same || g.uid == i.uid.fs) &&
		(g.gid == same || g.gid == i.gid.fs || i.inGroup(g.gid))
}

// said is what is answered when a file was not found. It may be there for the
// process: what is below /proc/self is its own.
func (c *call) said(g gift, err error) error {
	switch err {
	case unix.EBADF, unix.ENOTDIR, unix.ENAMETOOLONG:
		return err
	case unix.ENOENT:
	default:
		return nil
	}
	if strings.HasPrefix(g.name, "/proc/") || strings.HasPrefix(g.name, "/dev/") {
		return nil
	}
	g.follow = false
	if fd, err := c.open(g.file); err == nil {
		unix.Close(fd)
		return nil // a link, perhaps to such a place
	}
	return unix.ENOENT
}

// record notes the owner, of a link or a pipe at its directory.
func (c *call) record(g gift, fd int) {
	var st unix.Stat_t
	if unix.Fstat(fd, &st) != nil {
		return
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG, unix.S_IFDIR:
		was, wasGroup, known := ids.NotedFD(fd)
		if !known { // mayGive took it for the process's own
			was, wasGroup = int(c.who.uid.fs), int(c.who.gid.fs)
		}
		uid, gid := g.owner(was, wasGroup)
		if known && uid == was && gid == wasGroup || !known && uid == 0 && gid == 0 {
			return // as it stands
		}
		_ = ids.Record(fd, "", uid, gid, st.Mode)
		return
	}
	dir, base, ok := g.parent()
	if !ok {
		return // only its descriptor is known
	}
	at, err := c.open(dir)
	if err != nil {
		return
	}
	defer unix.Close(at)
	var there unix.Stat_t
	err = unix.Fstatat(at, base, &there, unix.AT_SYMLINK_NOFOLLOW)
	if err != nil || there.Ino != st.Ino || !c.valid() {
		return
	}
	uid, gid := g.owner(ids.RecordedName(fdPath(at), base, st.Mode, st.Uid, st.Gid))
	_ = ids.Record(at, base, uid, gid, st.Mode)
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
