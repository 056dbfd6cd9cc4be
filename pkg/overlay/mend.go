// SPDX-License-Identifier: Apache-2.0

package overlay

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"github.com/klauspost/compress/gzip"
	"golang.org/x/sys/unix"

	"coracle/pkg/ids"
	"coracle/pkg/overlay/plain"
	"coracle/pkg/state"
)

// mendLayer gives a layer whose files are lost new ones, as the library has its
// record yet, and other layers may stand on it.
func mendLayer(d state.Dirs, st *Staged, id, parent LayerID) error {
	dir := filepath.Dir(diffDir(d, id))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := os.Rename(st.Path(), diffDir(d, id)); err != nil {
		return err
	}
	if _, err := st.out.TarSplit.Seek(0, io.SeekStart); err != nil {
		return err
	}
	var b bytes.Buffer
	zip := gzip.NewWriter(&b)
	if _, err := io.Copy(zip, st.out.TarSplit); err != nil {
		return err
	}
	if err := errors.Join(zip.Close(), state.WriteFile(splitPath(d, id), b.Bytes(), 0o600)); err != nil {
		return err
	}
	return mendNames(d, dir, id, parent)
}

// mendNames writes the files by which the library's driver finds a layer from
// those above it: a short name, and those of the layers below.
func mendNames(d state.Dirs, dir string, id, parent LayerID) error {
	if _, err := os.Lstat(filepath.Join(dir, "link")); err == nil {
		return nil
	}
	if parent != "" {
		up := filepath.Dir(diffDir(d, parent))
		short, err := os.ReadFile(filepath.Join(up, "link"))
		if err != nil {
			return err
		}
		lower, err := os.ReadFile(filepath.Join(up, "lower"))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		text := "l/" + string(short)
		if len(lower) > 0 {
			text += ":" + string(lower)
		}
		if err := state.WriteFile(filepath.Join(dir, "lower"), []byte(text), 0o600); err != nil {
			return err
		}
	}
	short := fmt.Sprintf("M%.25s", id)
	err := os.Symlink(path.Join("..", string(id), "diff"), filepath.Join(d.Storage(), "overlay", "l", short))
	if err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	return state.WriteFile(filepath.Join(dir, "link"), []byte(short), 0o644)
}

// inherit gives the directories that an archive has no entries for what they
// have in the layers below: a file in tmp/ does not make /tmp another
// directory.
func inherit(st *Staged, lowers []string) error {
	l := &layerWriter{lowers: lowers}
	if st.s.single && st.unpacked {
		if err := inheritNames(st, l); err != nil {
			return err
		}
	}
	for _, name := range st.made {
		low, from, ok := l.lowerDir(name)
		if !ok || l.hidden(st.Path(), name) {
			continue
		}
		dir := filepath.Join(st.Path(), name)
		if info, err := os.Lstat(dir); err != nil || !info.IsDir() { // removed again, by the archive itself
			continue
		}
		if err := st.s.inheritOwner(dir, from, low); err != nil {
			return err
		}
		if err := chmod(dir, from, low.Mode); err != nil {
			return &os.PathError{Op: "chmod", Path: dir, Err: err}
		}
		if err := unix.UtimesNanoAt(unix.AT_FDCWD, dir, []unix.Timespec{low.Atim, low.Mtim}, unix.AT_SYMLINK_NOFOLLOW); err != nil {
			return &os.PathError{Op: "set times", Path: dir, Err: err}
		}
	}
	return nil
}

// inheritNames gives the directories of a layer what those below note of links and pipes,
// which a mount shows no more: each layer has the notes of all below it.
func inheritNames(st *Staged, l *layerWriter) error {
	return filepath.WalkDir(st.Path(), func(dir string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		name, err := filepath.Rel(st.Path(), dir)
		if err != nil {
			return err
		}
		if name != "." && plain.IsOpaque(dir) {
			return fs.SkipDir // all that is in it, is in it
		}
		_, from, ok := l.lowerDir(name)
		if !ok {
			return nil
		}
		return ids.InheritNames(dir, from, func(n string) bool {
			var st unix.Stat_t
			return unix.Lstat(filepath.Join(dir, n), &st) == unix.ENOENT
		})
	})
}

// chmod gives a directory the mode of another one.
func chmod(dir, from string, mode uint32) error {
	fd, err := openDir(dir)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return ids.Chmod(fd, "", ids.Mode(from, mode))
}

func openDir(dir string) (int, error) {
	return unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
}

func (s *Store) inheritOwner(dir, from string, low *unix.Stat_t) error {
	if !s.single {
		return os.Lchown(dir, int(low.Uid), int(low.Gid))
	}
	uid, gid := ids.Recorded(from, low.Uid, low.Gid)
	fd, err := openDir(dir)
	if err != nil {
		return &os.PathError{Op: "open", Path: dir, Err: err}
	}
	defer unix.Close(fd)
	return ids.Record(fd, "", uid, gid, low.Mode)
}

// lowerDir finds a directory below to which no link leads.
func (l *layerWriter) lowerDir(name string) (st *unix.Stat_t, at string, ok bool) {
	for i := range len(name) + 1 {
		if i < len(name) && name[i] != '/' {
			continue
		}
		if st, at, ok = l.lowerAt(name[:i]); !ok || st.Mode&unix.S_IFMT != unix.S_IFDIR {
			return nil, "", false
		}
	}
	return st, at, ok
}
