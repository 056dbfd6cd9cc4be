// SPDX-License-Identifier: Apache-2.0

package dockerfile

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"coracle/pkg/oci/spec"
)

// writer carries a plan out.
type writer struct {
	p       *plan
	t       *target
	own     *owner // of --chown
	dirs    []late
	changed bool // a source is not what its digest was taken of
}

// late is a directory that gets its time when nothing more is written into it.
type late struct {
	path  string
	mtime time.Time
}

// write makes the copies. It returns errNotTheSame if they are made, but not
// of what the digest says.
func (p *plan) write(ctx context.Context, t *target) error {
	w := &writer{p: p, t: t}
	if err := w.resolveOwner(); err != nil {
		return err
	}
	intoDir := p.isDir || t.isDir(p.dest)
	for _, it := range p.items {
		if err := ctx.Err(); err != nil {
			return err
		}
		name := w.place(it, intoDir)
		err := w.item(it, name)
		if errors.Is(err, errNotTheSame) {
			w.changed, err = true, nil
		}
		if err != nil {
			return fmt.Errorf("copy to %s: %w", name, err)
		}
	}
	if err := t.setTimes(w.dirs); err != nil {
		return err
	}
	if w.changed {
		return errNotTheSame
	}
	return nil
}

// place is where a copy goes: a link at the destination itself is followed,
// one that a directory has in the place of a file is replaced.
func (w *writer) place(it item, intoDir bool) string {
	switch {
	case intoDir:
		return path.Join(w.p.dest, it.target)
	case it.unpack:
		return w.p.dest
	}
	return w.t.followed(w.p.dest)
}

// setTimes gives directories their times, the deepest first.
func (t *target) setTimes(dirs []late) error {
	for i := len(dirs) - 1; i >= 0; i-- {
		err := t.in(dirs[i].path, func(fd int, base string) error { return setTime(fd, base, dirs[i].mtime) })
		if err != nil {
			return err
		}
	}
	return nil
}

// resolveOwner reads --chown with the accounts of the image. A user's number
// without a group is the group's number too.
func (w *writer) resolveOwner() error {
	if w.p.chown == "" {
		return nil
	}
	u, _, err := spec.ResolveUser(w.t.path, w.p.chown, nil)
	if err != nil {
		return fmt.Errorf("invalid --chown: %w", err)
	}
	w.own = &owner{int(u.UID), int(u.GID)}
	if _, err := strconv.Atoi(w.p.chown); err == nil && !strings.Contains(w.p.chown, ":") {
		w.own.gid = w.own.uid
	}
	return nil
}

// ownerOf is who a copy belongs to: files of an image keep their owners.
func (w *writer) ownerOf(it item) owner {
	if w.own != nil {
		return *w.own
	}
	if it.info != nil && it.tree.owners {
		if st, ok := it.info.Sys().(*syscall.Stat_t); ok {
			return owner{int(st.Uid), int(st.Gid)}
		}
	}
	return owner{}
}

// parentOwner is who directories on the way belong to.
func (w *writer) parentOwner() owner {
	if w.own != nil {
		return *w.own
	}
	return owner{}
}

func (w *writer) item(it item, name string) error {
	if it.unpack {
		return w.unpack(it)
	}
	if it.info != nil && it.info.IsDir() {
		return w.dir(it, name)
	}
	if err := w.t.mkdirAll(path.Dir(name), w.parentOwner()); err != nil {
		return err
	}
	n := newFile{mode: unix.S_IFREG | 0o644, own: w.ownerOf(it), mtime: time.Unix(0, 0)}
	if it.info == nil {
		n.fill = copyFrom(bytes.NewReader(it.data))
	} else {
		n.mode, n.mtime, n.fill = rawMode(it.info), it.info.ModTime(), it.copyTo
	}
	if n.mode&unix.S_IFMT == unix.S_IFLNK {
		var err error
		if n.link, err = it.tree.root.Readlink(it.name); err != nil {
			return err
		}
	}
	n.mode = w.changeMode(n.mode)
	return w.t.put(name, n)
}

func (w *writer) changeMode(mode uint32) uint32 {
	if w.p.mode == nil {
		return mode
	}
	return mode&unix.S_IFMT | w.p.mode(mode&0o7777, mode&unix.S_IFMT == unix.S_IFDIR)
}

// rawMode is a file's mode as the kernel has it.
func rawMode(info fs.FileInfo) uint32 {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return st.Mode
	}
	return uint32(info.Mode().Perm())
}

// dir makes a directory, or changes one that is there into the copy of a
// source. The destination itself, when it is there, stays as it is; so does
// the context's own directory, which is a new one for BuildKit.
func (w *writer) dir(it item, name string) error {
	there := w.t.isDir(name)
	if err := w.t.mkdirAll(name, w.parentOwner()); err != nil {
		return err
	}
	if it.target == "" && (there || !it.tree.owners && it.name == "." && w.p.mode == nil) || name == "/" {
		return nil
	}
	real := w.t.followed(name)
	w.dirs = append(w.dirs, late{real, it.info.ModTime()})
	return w.t.in(real, func(fd int, base string) error {
		return attributes(fd, base, w.changeMode(rawMode(it.info)), w.ownerOf(it))
	})
}

// copyTo copies a file's content, and the capabilities of a file of an image.
func (it item) copyTo(f *os.File) error {
	in, err := it.tree.root.Open(it.name)
	if err != nil {
		return err
	}
	defer in.Close()
	if _, err := io.Copy(f, in); err != nil {
		return err
	}
	if !it.tree.owners {
		return it.unchanged(in)
	}
	var caps [64]byte // file capabilities, capabilities(7)
	if n, err := unix.Fgetxattr(int(in.Fd()), "security.capability", caps[:]); err == nil {
		_ = unix.Fsetxattr(int(f.Fd()), "security.capability", caps[:n], 0)
	}
	return nil
}

func (it item) unchanged(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	was, ok := newFileSum(it.info)
	is, ok2 := newFileSum(info)
	if ok && ok2 && was != is {
		return errNotTheSame
	}
	return nil
}

// unpack extracts an archive into the destination.
func (w *writer) unpack(it item) error {
	f, err := it.tree.root.Open(it.name)
	if err != nil {
		return err
	}
	defer f.Close()
	return errors.Join(w.t.extract(f, w.p.dest, w.own), it.unchanged(f))
}
