// SPDX-License-Identifier: Apache-2.0

package ids

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"coracle/pkg/xattr"
)

// Recorded is who a file belongs to that is uid's and gid's to the kernel: whoever
// is recorded, where somebody is. path is not followed.
func Recorded(path string, uid, gid uint32) (int, int) {
	return orElse(uid, gid)(noted(path))
}

// RecordedFD is Recorded of an open file, which may be one opened with O_PATH.
func RecordedFD(fd int, uid, gid uint32) (int, int) {
	return orElse(uid, gid)(NotedFD(fd))
}

// RecordedName is Recorded of base in a directory, of whatever kind mode says
// (stat(2)) it is.
func RecordedName(dir, base string, mode, uid, gid uint32) (int, int) {
	return orElse(uid, gid)(Noted(dir, base, mode))
}

func orElse(uid, gid uint32) func(int, int, bool) (int, int) {
	return func(u, g int, ok bool) (int, int) {
		switch {
		case ok:
			return u, g
		case Alone(): // to the kernel it is the caller's
			return 0, 0
		}
		return int(uid), int(gid)
	}
}

// Noted is who is recorded as the owner of base in a directory. Of a regular file
// it may be root itself: a program has asked for that.
func Noted(dir, base string, mode uint32) (uid, gid int, ok bool) {
	switch mode & unix.S_IFMT {
	case unix.S_IFREG, unix.S_IFDIR:
		return noted(dir + "/" + base)
	}
	for _, e := range names(dir) {
		if owner, name, ok := strings.Cut(e, " "); ok && name == base+"\x00" {
			return parseOverride(owner + ":")
		}
	}
	return 0, 0, false
}

// NotedAt reports whether somebody may be recorded as the owner of the regular file or
// directory that a path leads to, from the directory dir on; flags as for [xattr.GetAt].
func NotedAt(dir int, path string, flags int) bool {
	var buf [64]byte
	_, err := xattr.GetAt(dir, path, flags, xattr.Override, buf[:])
	return err == nil
}

// NotedFD is who is recorded as the owner of an open file, which may be one opened with
// O_PATH.
func NotedFD(fd int) (uid, gid int, ok bool) {
	var buf [64]byte
	n, err := xattr.GetFD(fd, xattr.Override, buf[:])
	if err != nil {
		return 0, 0, false
	}
	return parseOverride(string(buf[:n]))
}

func noted(path string) (uid, gid int, ok bool) {
	var buf [64]byte
	n, err := unix.Lgetxattr(path, xattr.Override, buf[:])
	if err != nil {
		return 0, 0, false
	}
	return parseOverride(string(buf[:n]))
}

func fdPath(fd int) string { return "/proc/self/fd/" + strconv.Itoa(fd) }

// parseOverride reads "uid:gid:mode", after which more may follow: what podman's
// tools write (containers/storage, pkg/idtools). A program inside can write what
// it likes there.
func parseOverride(s string) (uid, gid int, ok bool) {
	part := strings.SplitN(s, ":", 3)
	if len(part) < 3 {
		return 0, 0, false
	}
	u, uerr := strconv.ParseUint(part[0], 10, 32)
	g, gerr := strconv.ParseUint(part[1], 10, 32)
	return int(u), int(g), uerr == nil && gerr == nil && isID(int(u)) && isID(int(g))
}

// Record notes that base in the directory dir, or the file dir itself without a
// base, belongs to somebody who has no id here; dir may be AT_FDCWD, and base a
// path then. Of a link it is noted at the link's directory, and so not without a
// base. Where the file system takes no notes it is lost, and no error. mode is the
// one that the note has for others to read; nobody here does, for it changes later.
func Record(dir int, base string, uid, gid int, mode uint32) error {
	if !isID(uid) || !isID(gid) {
		return unix.EINVAL
	}
	if base == "" && uid == 0 && gid == 0 {
		return lossy(unix.Removexattr(fdPath(dir), xattr.Override))
	}
	if base == "" {
		return lossy(xattr.SetFD(dir, xattr.Override, override(uid, gid, mode)))
	}
	at := fdPath(dir)
	if dir == unix.AT_FDCWD {
		at, base = path.Split(base)
		at = path.Clean(at)
	}
	file := at + "/" + base
	switch mode & unix.S_IFMT {
	case unix.S_IFREG, unix.S_IFDIR:
		if uid == 0 && gid == 0 {
			return lossy(unix.Lremovexattr(file, xattr.Override))
		}
		return lossy(unix.Lsetxattr(file, xattr.Override, override(uid, gid, mode), 0))
	}
	return lossy(noteName(at, base, uid, gid))
}

func override(uid, gid int, mode uint32) []byte {
	return fmt.Appendf(nil, "%d:%d:0%o", uid, gid, mode&0o7777)
}

// lossy takes for done what a file system does not do.
func lossy(err error) error {
	switch err {
	case unix.ENODATA, unix.ENOTSUP, unix.EPERM, unix.EACCES, unix.ENOSPC, unix.EDQUOT, unix.E2BIG, unix.EROFS:
		return nil
	}
	return err
}

// Links, pipes and sockets have no attributes of users (xattr(7)). Who they belong
// to stands in an attribute of their directory: for each "uid:gid name", ended by a
// NUL. It goes along with the directory, and not with a file that is renamed: what
// has an entry of another file's is wrong about an owner that means little for
// such files.

// names are the entries of a directory.
func names(dir string) []string {
	return entries(namesAt(dir))
}

func namesAt(dir string) string {
	n, err := unix.Getxattr(dir, xattr.OverrideNames, nil)
	if err != nil || n == 0 {
		return ""
	}
	buf := make([]byte, n)
	if n, err = unix.Getxattr(dir, xattr.OverrideNames, buf); err != nil {
		return ""
	}
	return string(buf[:n])
}

func entries(value string) []string {
	return strings.SplitAfter(value, "\x00")[:strings.Count(value, "\x00")]
}

// MergeNames is what is noted at a directory whose own note is above, and that lies over
// one whose note is below: of the second that which it still shows.
func MergeNames(above, below string, shows func(name string) bool) string {
	have := map[string]bool{}
	for _, e := range entries(above) {
		_, name, _ := strings.Cut(e, " ")
		have[name] = true
	}
	for _, e := range entries(below) {
		if _, name, ok := strings.Cut(e, " "); ok && !have[name] && !strings.Contains(name, "/") && shows(name[:len(name)-1]) {
			above += e
		}
	}
	return above
}

// InheritNames gives a directory of a layer what is noted at the one that it lies over,
// of what it shows of that. A mount of both shows the attributes of the upper one alone.
func InheritNames(dir, below string, shows func(name string) bool) error {
	was := namesAt(dir)
	now := MergeNames(was, namesAt(below), shows)
	if now == was {
		return nil
	}
	return lossy(unix.Setxattr(dir, xattr.OverrideNames, []byte(now), 0))
}

func noteName(dir, base string, uid, gid int) error {
	was := names(dir)
	list := slices.DeleteFunc(slices.Clone(was), func(e string) bool {
		_, name, _ := strings.Cut(e, " ")
		return name == base+"\x00"
	})
	if uid != 0 || gid != 0 {
		list = append(list, fmt.Sprintf("%d:%d %s\x00", uid, gid, base))
	}
	switch {
	case slices.Equal(list, was):
		return nil
	case len(list) == 0:
		return unix.Removexattr(dir, xattr.OverrideNames)
	}
	return unix.Setxattr(dir, xattr.OverrideNames, []byte(strings.Join(list, "")), 0)
}
