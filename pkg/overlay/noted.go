// SPDX-License-Identifier: Apache-2.0

package overlay

import (
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"coracle/pkg/ids"
)

// owners say whose the files of an upper directory are.
type owners struct {
	keep   *ids.Keep // who they are numbered for, nil for everybody else
	single bool      // owners are noted
	maker  *Maker    // who has made what nobody is noted for; nil: root, as it stands
	settle bool      // what is found out is noted, for the directory becomes the layer
}

// Maker is who the processes were that have written to an upper directory: the user
// that the first of them began as. It matters with a single id alone, where to the
// kernel all of them are root.
type Maker struct{ UID, GID int }

// owner is who a file of the upper directory belongs to.
func (l *layerWriter) owner(path, name string, st *syscall.Stat_t) (int, int) {
	switch {
	case l.keep != nil:
		uid, gid := l.keep.Inside(st.Uid, st.Gid)
		return int(uid), int(gid)
	case !l.single:
		return int(st.Uid), int(st.Gid)
	}
	dir, base := filepath.Split(path)
	is, noted := notedAt(dir, base, st.Mode)
	if l.maker == nil {
		return is.UID, is.GID
	}
	found := l.maker.find(is, noted, l.noteBelow(strings.TrimSuffix(name, "/")), func() int { return l.group(filepath.Clean(dir)) })
	if l.settle && found != is {
		// Where it cannot be noted, the stream alone has it.
		_ = ids.Record(unix.AT_FDCWD, path, found.UID, found.GID, st.Mode)
	}
	return found.UID, found.GID
}

// mode is the one that a file should have.
func (o owners) mode(path string, mode uint32) uint32 {
	if kind := mode & unix.S_IFMT; !o.single || kind != unix.S_IFREG && kind != unix.S_IFDIR {
		return mode
	}
	return ids.Mode(path, mode)
}

func notedAt(dir, base string, mode uint32) (Maker, bool) {
	uid, gid, ok := ids.Noted(dir, base, mode)
	return Maker{uid, gid}, ok
}

// lowerNote is what is known of the file of that name below.
type lowerNote struct{ there, noted bool }

// noteBelow looks up the file that one may have taken the place of.
func (l *layerWriter) noteBelow(name string) (n lowerNote) {
	low, path, ok := l.lowerAt(name)
	if n.there = ok; ok {
		dir, base := filepath.Split(path)
		_, n.noted = notedAt(dir, base, low.Mode)
	}
	return n
}

// find is who a file would belong to if there were more ids: is, who is noted. Where
// nobody is, and the processes were not seen making it, as inside of another container
// with a single id, it is what the kernel would have done: what is new, or stands in the
// place of what somebody is noted for, was made by the maker, in a directory with the
// set-group-ID bit with the directory's group (mkdir(2)). What was only changed has its
// note from below.
func (m Maker) find(is Maker, noted bool, low lowerNote, group func() int) Maker {
	if noted || low.there && !low.noted {
		return is
	}
	if gid := group(); gid >= 0 {
		m.GID = gid
	}
	return m
}

// group is the group of what is made in a directory that says so, else -1.
func (l *layerWriter) group(dir string) int {
	var up unix.Stat_t
	if len(dir) <= len(l.upper) || unix.Lstat(dir, &up) != nil || up.Mode&unix.S_ISGID == 0 {
		return -1
	}
	_, gid := ids.Recorded(dir, up.Uid, up.Gid)
	return gid
}

// sameOwner reports whether a directory belongs to whom it belongs to below.
func (l *layerWriter) sameOwner(path, name string, st *syscall.Stat_t, below string, low *unix.Stat_t) bool {
	if !l.single {
		return low.Uid == st.Uid && low.Gid == st.Gid
	}
	uid, gid := l.owner(path, name, st)
	lowUID, lowGID := ids.Recorded(below, low.Uid, low.Gid)
	return uid == lowUID && gid == lowGID
}
