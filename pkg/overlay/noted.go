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
}

// owner is who a file of the upper directory belongs to. With a single id it is
// whoever is noted; that the rest is root's is the kernel's word, and not always
// what would have become of it with more ids:
//
//   - A new file in the place of one below was given to root by a program that
//     looked whose the old one was. It belongs to who is noted there.
//   - What is new in a directory with the set-group-ID bit has the directory's
//     group (mkdir(2)).
func (l *layerWriter) owner(path, name string, st *syscall.Stat_t) (int, int) {
	if !l.single {
		uid, gid := st.Uid, st.Gid
		if l.keep != nil {
			uid, gid = l.keep.Inside(uid, gid)
		}
		return int(uid), int(gid)
	}
	name = strings.TrimSuffix(name, "/")
	dir, base := filepath.Split(path)
	uid, gid, noted := ids.Noted(dir, base, st.Mode)
	low, below, have := l.lowerAt(name)
	if !have && noted { // a copy that is kept of the old one, as /etc/shadow-
		low, below, have = l.lowerAt(strings.TrimSuffix(name, "-"))
	}
	switch {
	case noted && uid == 0 && gid == 0 && have && low.Mode&unix.S_IFMT == unix.S_IFREG:
		return ids.Recorded(below, low.Uid, low.Gid)
	case noted:
		return uid, gid
	case !have:
		return int(st.Uid), l.group(filepath.Clean(dir), st)
	}
	return int(st.Uid), int(st.Gid)
}

// group is the group of what is made in a directory.
func (l *layerWriter) group(dir string, st *syscall.Stat_t) int {
	var up unix.Stat_t
	if len(dir) > len(l.upper) && unix.Lstat(dir, &up) == nil && up.Mode&unix.S_ISGID != 0 {
		_, gid := ids.Recorded(dir, up.Uid, up.Gid)
		return gid
	}
	return int(st.Gid)
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
