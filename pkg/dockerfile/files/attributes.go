// SPDX-License-Identifier: Apache-2.0

package files

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"coracle/pkg/ids"

	"golang.org/x/sys/unix"
)

// keptAttribute reports whether a copy has an extended attribute: file
// capabilities (capabilities(7)) and what users have set. What overlayfs and
// the storage library note about files is theirs.
func keptAttribute(name string) bool {
	return name == "security.capability" || strings.HasPrefix(name, "user.") &&
		!strings.HasPrefix(name, "user.overlay.") && !strings.HasPrefix(name, "user.containers.")
}

// maxAttributes bounds what a file can bring along, in bytes; the kernel's own
// limit for names and for a value is 64 KiB.
const maxAttributes = 64 << 10

// readAttributes are the extended attributes of an open file that a copy has.
func readAttributes(fd int) (map[string]string, error) {
	size, err := unix.Flistxattr(fd, nil)
	if errors.Is(err, unix.ENOTSUP) || size == 0 {
		return nil, nil
	}
	if err != nil {
		return nil, os.NewSyscallError("flistxattr", err)
	}
	buf := make([]byte, maxAttributes)
	if size, err = unix.Flistxattr(fd, buf); err != nil {
		return nil, os.NewSyscallError("flistxattr", err)
	}
	set := map[string]string{}
	value := make([]byte, maxAttributes)
	for _, name := range strings.Split(string(bytes.TrimRight(buf[:size], "\x00")), "\x00") {
		if !keptAttribute(name) {
			continue
		}
		if n, err := unix.Fgetxattr(fd, name, value); err == nil {
			set[name] = string(value[:n])
		}
	}
	return set, nil
}

// writeAttributes sets them. What the file system or the kernel does not take
// is left out, as by everybody else.
func writeAttributes(fd int, set map[string]string) error {
	for _, name := range slices.Sorted(maps.Keys(set)) {
		if !keptAttribute(name) {
			continue
		}
		err := unix.Fsetxattr(fd, name, []byte(set[name]), 0)
		if err != nil && !errors.Is(err, unix.ENOTSUP) && !errors.Is(err, unix.EPERM) && !errors.Is(err, unix.EINVAL) {
			return fmt.Errorf("set attribute %s: %w", name, err)
		}
	}
	return nil
}

// attributesOf describes those of a file or a directory of a tree.
func attributesOf(t *Tree, name string) (string, error) {
	f, err := t.root.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	set, err := readAttributes(int(f.Fd()))
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
	if int(st.Uid) != a.own.UID || int(st.Gid) != a.own.GID {
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
		if err := unix.Fchmodat(dir, base, a.mode&0o7777, 0); err != nil {
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
	defer unix.Close(fd)
	return writeAttributes(fd, a.attrs)
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
