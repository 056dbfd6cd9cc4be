// SPDX-License-Identifier: Apache-2.0

package files

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"coracle/pkg/ids"
	"coracle/pkg/xattr"
)

// attributesAt are the extended attributes of a file or a directory of a tree
// that a copy has.
func attributesAt(t *Tree, name string) (map[string]string, error) {
	f, err := t.root.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return xattr.ReadFile(f)
}

// attributesOf describes them, for a digest.
func attributesOf(t *Tree, name string) (string, error) {
	set, err := attributesAt(t, name)
	return attributeText(set), err
}

func attributeText(set map[string]string) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(set)) {
		fmt.Fprintf(&b, " %q=%q", name, set[name])
	}
	return b.String()
}

// about is what a file has beside its kind and content.
type about struct {
	mode  uint32 // as in stat(2); the kind decides what can be set
	own   Owner
	mtime time.Time
	attrs map[string]string
}

// set gives them to a file, in this order: a change of owner takes set-id bits
// and capabilities away. It is not done where the owner is right already.
func (a about) set(dir int, base string) error {
	var st unix.Stat_t
	if err := unix.Fstatat(dir, base, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return &os.PathError{Op: "stat", Path: base, Err: err}
	}
	if int(st.Uid) != a.own.UID || int(st.Gid) != a.own.GID || ids.Single() { // where somebody else may be noted
		if err := ids.Chown(dir, base, a.own.UID, a.own.GID); err != nil {
			return err
		}
	}
	kind := st.Mode & unix.S_IFMT
	if len(a.attrs) > 0 && (kind == unix.S_IFREG || kind == unix.S_IFDIR) {
		if err := a.setAttributes(dir, base); err != nil {
			return err
		}
	}
	if kind != unix.S_IFLNK {
		if err := ids.Chmod(dir, base, kind|a.mode&0o7777); err != nil {
			return &os.PathError{Op: "chmod", Path: base, Err: err}
		}
	}
	return setTime(dir, base, a.mtime)
}

func (a about) setAttributes(dir int, base string) error {
	fd, err := unix.Openat(dir, base, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: base, Err: err}
	}
	f := os.NewFile(uintptr(fd), base)
	defer f.Close()
	_, err = xattr.WriteFile(f, a.attrs)
	return err
}

// setTime sets the time of change, of the link itself if it is one. The zero
// time is now.
func setTime(dir int, base string, mtime time.Time) error {
	if mtime.IsZero() {
		return nil
	}
	ts, err := unix.TimeToTimespec(mtime)
	if err != nil {
		return err
	}
	if err := unix.UtimesNanoAt(dir, base, []unix.Timespec{ts, ts}, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return &os.PathError{Op: "utimensat", Path: base, Err: err}
	}
	return nil
}
