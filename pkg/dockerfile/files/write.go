// SPDX-License-Identifier: Apache-2.0

package files

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"coracle/pkg/filedata"
	"coracle/pkg/ids"
	"coracle/pkg/inroot"
	"coracle/pkg/xattr"
)

// ErrChanged is said of copies whose sources have changed while they were
// made: they are not what the digest says.
var ErrChanged = errors.New("the sources have changed meanwhile")

// writer carries a Copy out.
type writer struct {
	c       *Copy
	t       *Target
	own     *Owner // of --chown
	dirs    []late
	made    []string        // directories on the way
	written map[string]bool // files that are not in a directory of the copy's
	changed bool
}

// late is a directory that gets its time when nothing more is written into it.
type late struct {
	path  string
	mtime time.Time
}

// Write makes the copies. It returns ErrChanged if they are made, but not of
// what the digest says.
func (c *Copy) Write(ctx context.Context, t *Target) error {
	w := &writer{c: c, t: t, written: map[string]bool{}}
	if c.Chown != "" {
		own, err := ResolveOwner(t.path, c.Chown)
		if err != nil {
			return fmt.Errorf("invalid --chown: %w", err)
		}
		w.own = &own
	}
	for i := range c.sources {
		if err := w.source(ctx, &c.sources[i]); err != nil {
			return err
		}
	}
	if c.Time != nil {
		if err := t.date(w.made, *c.Time); err != nil {
			return err
		}
	}
	if w.changed {
		return ErrChanged
	}
	return nil
}

func (w *writer) source(ctx context.Context, s *source) error {
	dest := w.c.Dest
	if s.unpack {
		return w.note(w.unpack(ctx, s))
	}
	above := path.Dir(path.Clean(dest))
	if strings.HasSuffix(dest, "/") {
		above = dest
	}
	if err := w.mkdirAll(above); err != nil {
		return err
	}
	real := w.t.followed(dest)
	if s.isDir() {
		return w.dir(ctx, s, real)
	}
	if w.t.isDir(real) {
		real = path.Join(real, s.base)
	} else if w.written[real] {
		return fmt.Errorf("When using %s with more than one source file, the destination must be a directory and end with a /", w.c.Verb)
	} else {
		w.written[real] = true
	}
	return w.file(ctx, s, item{name: s.name, info: s.info}, real)
}

// mkdirAll makes directories that are nobody's copies.
func (w *writer) mkdirAll(p string) error {
	made, err := w.t.MkdirAll(p, w.c.Mode.parents(), w.parentOwner(), time.Time{})
	w.made = append(w.made, made...)
	return err
}

// dir copies what is in a directory. The destination itself stays as it is but
// for its time.
func (w *writer) dir(ctx context.Context, s *source, real string) error {
	kind, err := w.t.kind(real)
	if err != nil {
		return err
	}
	if kind != 0 && kind != unix.S_IFDIR {
		return fmt.Errorf("cannot copy to non-directory: %s", real)
	}
	if err := w.mkdirAll(real); err != nil {
		return err
	}
	w.dirs = nil
	if kind == 0 && w.c.Itself {
		if err := w.t.in(real, w.about(s, item{info: s.info}).set); err != nil {
			return err
		}
	}
	if s.name != "." || s.tree.Owners { // a context is as new as the build
		w.dirs = append(w.dirs, late{real, w.time(s.info.ModTime())})
	}
	for _, it := range s.below {
		if err := ctx.Err(); err != nil {
			return err
		}
		name := path.Join(real, it.rel)
		switch {
		case it.info.IsDir():
			err = w.subdir(s, it, name)
		case it.hard != "" && w.written[path.Join(real, it.hard)]:
			err = w.t.link(path.Join(real, it.hard), name)
		default:
			if err = w.file(ctx, s, it, name); err == nil && it.info.Mode().IsRegular() {
				w.written[name] = true
			}
		}
		if err != nil {
			return err
		}
	}
	return w.t.setTimes(w.dirs)
}

// setTimes gives directories their times, the deepest first.
func (t *Target) setTimes(dirs []late) error {
	for i := len(dirs) - 1; i >= 0; i-- {
		err := t.in(dirs[i].path, func(fd int, base string) error { return setTime(fd, base, dirs[i].mtime) })
		if err != nil {
			return err
		}
	}
	return nil
}

// subdir makes a directory, or changes one that is there into the copy. One
// that is only there for what is in it is not dated.
func (w *writer) subdir(s *source, it item, name string) error {
	if w.isReserved(it.rel) {
		return nil
	}
	kind, err := w.t.kind(name)
	if err != nil {
		return err
	}
	a := w.about(s, it)
	switch {
	case kind == 0 || kind == unix.S_IFDIR && !it.parent:
		if a.attrs, err = attributesAt(s.tree, it.name); err != nil {
			return err
		}
		w.dirs = append(w.dirs, late{name, a.mtime})
		if it.parent {
			w.dirs[len(w.dirs)-1].mtime = w.time(time.Time{})
		}
		a.mtime = time.Time{}
		if kind == 0 {
			return w.t.mkdir(name, a)
		}
		return w.t.in(name, a.set)
	case kind == unix.S_IFDIR:
		return w.t.in(name, func(fd int, base string) error {
			return ids.Chmod(fd, base, s.tree.ModeOf(it.name, rawMode(it.info)))
		})
	}
	return fmt.Errorf("cannot copy to non-directory: %s", name)
}

// file makes a copy of what is no directory.
func (w *writer) file(ctx context.Context, s *source, it item, name string) error {
	if w.isReserved(strings.TrimPrefix(name, "/")) {
		return nil
	}
	n := newFile{about: w.about(s, it)}
	if s.info == nil {
		n.fill = func(f *os.File) error { return writeAll(f, s.text) }
		return w.note(w.t.put(name, n))
	}
	switch n.mode & unix.S_IFMT {
	case unix.S_IFLNK:
		var err error
		if n.link, err = s.tree.root.Readlink(it.name); err != nil {
			return err
		}
	case unix.S_IFREG:
		in, err := s.tree.openRegular(it.name)
		if err != nil {
			return err
		}
		defer in.Close()
		if n.attrs, err = xattr.ReadFile(in); err != nil {
			return err
		}
		n.fill = func(f *os.File) error {
			if err := filedata.Copy(ctx, f, in); err != nil || s.tree.Owners {
				return err
			}
			return unchanged(it.info, in)
		}
	}
	err := w.t.put(name, n)
	if errors.Is(err, errNoDevices) {
		w.warn(fmt.Sprintf("%s: %s is a device and was left out: %v", w.c.Verb, name, err))
		return nil
	}
	return w.note(err)
}

func writeAll(f *os.File, text []byte) error {
	_, err := bytes.NewReader(text).WriteTo(f)
	return err
}

// note takes notice of a source that has changed.
func (w *writer) note(err error) error {
	if errors.Is(err, ErrChanged) {
		w.changed, err = true, nil
	}
	return err
}

func (w *writer) warn(text string) {
	if w.c.Warn != nil {
		w.c.Warn(text)
	}
}

func (w *writer) isReserved(p string) bool {
	if !reserved(p) {
		return false
	}
	w.warn(fmt.Sprintf("%s: /%s was left out: in a layer, names that begin with .wh. stand for what is removed", w.c.Verb, p))
	return true
}

// about is what a copy has beside its content.
func (w *writer) about(s *source, it item) about {
	if s.info == nil {
		return about{mode: w.c.Mode.apply(unix.S_IFREG | 0o644), own: w.parentOwner(), mtime: w.time(time.Time{})}
	}
	a := about{mode: w.c.Mode.apply(s.tree.ModeOf(it.name, rawMode(it.info))), own: w.parentOwner(), mtime: w.time(it.info.ModTime())}
	if st, ok := it.info.Sys().(*syscall.Stat_t); ok && s.tree.Owners && w.own == nil {
		a.own = s.tree.OwnerOf(it.name, st)
	}
	return a
}

// parentOwner is who directories on the way belong to.
func (w *writer) parentOwner() Owner {
	if w.own != nil {
		return *w.own
	}
	return Owner{}
}

// time is the copy's own time, or that of all.
func (w *writer) time(own time.Time) time.Time {
	if w.c.Time != nil {
		return *w.c.Time
	}
	return own
}

// ModeOf is the mode of a file of the tree that has mode on the disk (stat(2)).
func (t *Tree) ModeOf(name string, mode uint32) uint32 {
	if !t.Owners || !ids.Alone() || mode&unix.S_IFMT != unix.S_IFREG && mode&unix.S_IFMT != unix.S_IFDIR {
		return mode
	}
	dir, err := t.root.Open(path.Dir(name))
	if err != nil {
		return mode
	}
	defer dir.Close()
	return ids.Mode(inroot.Path(dir)+"/"+path.Base(name), mode)
}

// rawMode is a file's mode as the kernel has it.
func rawMode(info fs.FileInfo) uint32 {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return st.Mode
	}
	return uint32(info.Mode().Perm())
}

// openRegular opens what is known to be a regular file, and does not wait if
// it is none any more.
func (t *Tree) openRegular(name string) (*os.File, error) {
	return t.root.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW, 0)
}

func unchanged(was fs.FileInfo, f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	before, ok := newFileSum(was)
	is, ok2 := newFileSum(info)
	if ok && ok2 && before != is {
		return ErrChanged
	}
	return nil
}
