// SPDX-License-Identifier: Apache-2.0

package paper

import (
	"encoding/binary"
	"math"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"

	"coracle/pkg/ids"
)

// HideOwners is the environment variable that is 1 where a Keeper is not to see
// [StatCalls] and [MakeCalls], which every program makes many of.
const HideOwners = "CORACLE_HIDE_OWNERS"

// StatCalls are the names of the system calls that tell whose a file is, those of
// 32-bit programs with them but for the eldest. A Keeper answers them, too.
func StatCalls() []string {
	return []string{"stat", "stat64", "lstat", "lstat64", "fstat", "fstat64", "newfstatat", "fstatat64", "statx"}
}

// form is a struct stat in the memory of a program.
type form func(st *unix.Stat_t) ([]byte, error)

func stat(f form) handler {
	return func(c *call, a args) (uint32, error) { return c.stat(here, a[0], 0, a[1], f) }
}

func lstat(f form) handler {
	return func(c *call, a args) (uint32, error) {
		return c.stat(here, a[0], unix.AT_SYMLINK_NOFOLLOW, a[1], f)
	}
}

func fstat(f form) handler {
	return func(c *call, a args) (uint32, error) {
		if int32(a[0]) < 0 { // AT_FDCWD is no descriptor here
			return 0, errAsKernel
		}
		return c.stat(a[0], 0, unix.AT_EMPTY_PATH, a[1], f)
	}
}

func fstatat(f form) handler {
	return func(c *call, a args) (uint32, error) { return c.stat(a[0], a[1], a[3], a[2], f) }
}

func (c *call) stat(dir, at, flags, buf uint64, form form) (uint32, error) {
	return c.show(dir, at, flags, func(fd int, owner owner) error {
		var st unix.Stat_t
		if unix.Fstatat(fd, "", &st, unix.AT_EMPTY_PATH) != nil {
			return errAsKernel
		}
		st.Uid, st.Gid = owner.uid, owner.gid
		mem, err := form(&st)
		if err != nil {
			return err
		}
		return c.write(uintptr(buf), mem)
	})
}

func statx(c *call, a args) (uint32, error) {
	const reserved = 1 << 31 // STATX__RESERVED
	flags, mask := a[2], uint32(a[3])
	if mask&reserved != 0 {
		return 0, errAsKernel
	}
	return c.show(a[0], a[1], flags, func(fd int, owner owner) error {
		var st unix.Statx_t
		sync := int(flags & (unix.AT_STATX_FORCE_SYNC | unix.AT_STATX_DONT_SYNC))
		if unix.Statx(fd, "", unix.AT_EMPTY_PATH|sync, int(mask), &st) != nil {
			return errAsKernel
		}
		st.Uid, st.Gid = owner.uid, owner.gid
		return c.write(uintptr(a[4]), unsafe.Slice((*byte)(unsafe.Pointer(&st)), unsafe.Sizeof(st)))
	})
}

// owner is who is noted for a file.
type owner struct{ uid, gid uint32 }

// show makes a call of stat(2)'s kin about the file at a path of the process's
// memory, by tell, if somebody is noted for it, with the file open (O_PATH) then.
// Everything else is the kernel's: mistakes, too.
func (c *call) show(dir, at, flags uint64, tell func(fd int, owner owner) error) (uint32, error) {
	c.keeper.look(c.pid)
	const known = unix.AT_SYMLINK_NOFOLLOW | unix.AT_NO_AUTOMOUNT | unix.AT_EMPTY_PATH | unix.AT_STATX_FORCE_SYNC | unix.AT_STATX_DONT_SYNC
	f := file{dir: int32(dir), follow: flags&unix.AT_SYMLINK_NOFOLLOW == 0}
	if flags&^uint64(known) != 0 {
		return 0, errAsKernel
	}
	if at != 0 { // Linux 6.11 takes no path for an empty one
		var err error
		if f.name, err = c.text(uintptr(at)); err != nil {
			return 0, errAsKernel
		}
	}
	if f.name == "" && flags&unix.AT_EMPTY_PATH == 0 || c.find() != nil || c.nobody(f) {
		return 0, errAsKernel
	}
	fd, err := c.open(f)
	if err != nil {
		return 0, errAsKernel
	}
	defer unix.Close(fd)
	who, ok := c.noted(f, fd)
	if !ok || !c.valid() {
		return 0, errAsKernel
	}
	return 0, tell(fd, who)
}

// nobody reports whether that nobody is noted for a file can be seen without opening it:
// of what is open already, and of one name in a directory if it is no link or pipe. What
// cannot be looked at is the kernel's, too.
func (c *call) nobody(f file) bool {
	path := c.proc.base + "/" + f.base()
	switch {
	case f.name == "":
		return !ids.NotedAt(c.proc.dir, path, 0)
	case !f.plain():
		return false
	}
	path += "/" + f.name
	if ids.NotedAt(c.proc.dir, path, unix.AT_SYMLINK_NOFOLLOW) {
		return false
	}
	var st unix.Stat_t
	if unix.Fstatat(c.proc.dir, path, &st, unix.AT_SYMLINK_NOFOLLOW) != nil {
		return true
	}
	kind := st.Mode & unix.S_IFMT
	return kind == unix.S_IFREG || kind == unix.S_IFDIR
}

// noted is who is noted for an open file; of a link or a pipe that is to be seen at
// its directory.
func (c *call) noted(f file, fd int) (owner, bool) {
	uid, gid, ok := ids.NotedFD(fd)
	if ok {
		return owner{uint32(uid), uint32(gid)}, true
	}
	var st unix.Stat_t
	if unix.Fstatat(fd, "", &st, unix.AT_EMPTY_PATH) != nil {
		return owner{}, false
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG, unix.S_IFDIR:
		return owner{}, false
	}
	dir, name, ok := f.parent()
	if !ok {
		return owner{}, false
	}
	at, err := c.open(dir)
	if err != nil {
		return owner{}, false
	}
	defer unix.Close(at)
	uid, gid, ok = ids.Noted(fdPath(at), name, st.Mode)
	return owner{uint32(uid), uint32(gid)}, ok
}

func fdPath(fd int) string { return "/proc/self/fd/" + strconv.Itoa(fd) }

func statNative(st *unix.Stat_t) ([]byte, error) {
	return unsafe.Slice((*byte)(unsafe.Pointer(st)), unsafe.Sizeof(*st)), nil
}

// statI386 is struct stat64 of i386 (arch/x86/include/uapi/asm/stat.h): 96 bytes,
// with what has room elsewhere twice.
func statI386(st *unix.Stat_t) ([]byte, error) {
	if uint64(st.Nlink) > math.MaxUint32 {
		return nil, unix.EOVERFLOW
	}
	b := make([]byte, 0, 96)
	le := binary.LittleEndian
	b = le.AppendUint64(b, st.Dev)
	b = le.AppendUint32(b, 0)
	b = le.AppendUint32(b, uint32(st.Ino))
	b = le.AppendUint32(b, st.Mode)
	b = le.AppendUint32(b, uint32(st.Nlink))
	b = le.AppendUint32(b, st.Uid)
	b = le.AppendUint32(b, st.Gid)
	b = le.AppendUint64(b, st.Rdev)
	b = le.AppendUint32(b, 0)
	b = le.AppendUint64(b, uint64(st.Size))
	b = le.AppendUint32(b, uint32(st.Blksize))
	b = le.AppendUint64(b, uint64(st.Blocks))
	for _, t := range []unix.Timespec{st.Atim, st.Mtim, st.Ctim} {
		b = le.AppendUint32(b, uint32(t.Sec))
		b = le.AppendUint32(b, uint32(t.Nsec))
	}
	return le.AppendUint64(b, st.Ino), nil
}
