// SPDX-License-Identifier: Apache-2.0

package overlay

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"coracle/pkg/overlay/plain"
)

// whiteout hides what is below. What the layer itself has of that name, before
// or after, stays.
func (u *unpacker) whiteout(dir, base string) error {
	name := strings.TrimPrefix(base, whiteoutPrefix)
	opaque := base == whiteoutOpaque
	if strings.HasPrefix(name, whiteoutPrefix) && !opaque {
		return nil // notes of aufs
	}
	if name == "" || name == "." || name == ".." {
		return fmt.Errorf("invalid whiteout path %q", path.Join(dir, base))
	}
	fd, err := u.open(dir)
	if errors.Is(err, unix.ENOTDIR) {
		return nil // its directory is hidden as a whole
	}
	if err != nil {
		return err
	}
	if opaque {
		return setOpaque(fd, ".")
	}
	if plain.IsOpaque(below(fd, ".")) {
		return nil // nothing of below is seen there
	}
	var st unix.Stat_t
	switch err := unix.Fstatat(fd, name, &st, unix.AT_SYMLINK_NOFOLLOW); {
	case errors.Is(err, unix.ENOENT):
		return plain.Mark(fd, name)
	case err != nil:
		return &os.PathError{Op: "lstat", Path: path.Join(dir, name), Err: err}
	case st.Mode&unix.S_IFMT == unix.S_IFDIR:
		if err := setOpaque(fd, name); err != nil {
			return err
		}
		if u.made[path.Join(dir, name)] && unix.Unlinkat(fd, name, unix.AT_REMOVEDIR) == nil {
			return plain.Mark(fd, name) // it was there for other whiteouts only
		}
	}
	return nil
}

// setOpaque hides all that is below a directory. The whiteouts in it go: where
// nothing is merged, overlayfs shows their names.
func setOpaque(fd int, base string) error {
	if plain.IsOpaque(below(fd, base)) {
		return nil
	}
	err := filepath.WalkDir(below(fd, base)+"/.", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		var st unix.Stat_t
		if err := unix.Lstat(p, &st); err != nil || !plain.IsMark(p, st.Mode, st.Rdev, st.Size) {
			return err
		}
		return os.Remove(p)
	})
	if err != nil {
		return err
	}
	if err := unix.Setxattr(below(fd, base), plain.Opaque, []byte{'y'}, 0); err != nil {
		return &os.PathError{Op: "make opaque", Path: base, Err: err}
	}
	return nil
}
