// SPDX-License-Identifier: Apache-2.0

package files

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"coracle/pkg/oci"
	"coracle/pkg/overlay"
	"coracle/pkg/xattr"
)

// isArchive reports whether a file is a tar archive, compressed or not.
func isArchive(t *Tree, name string, info fs.FileInfo) bool {
	if !info.Mode().IsRegular() {
		return false
	}
	f, err := t.openRegular(name)
	if err != nil {
		return false
	}
	defer f.Close()
	r, err := oci.Decompress(f)
	if err != nil {
		return false
	}
	defer r.Close()
	_, err = tar.NewReader(r).Next()
	return err == nil
}

// unpack extracts an archive into the destination.
func (w *writer) unpack(ctx context.Context, s *source) error {
	made, err := w.t.MkdirAll(w.c.Dest, 0o755, w.parentOwner(), time.Time{})
	if err != nil {
		return err
	}
	w.made = append(w.made, made...)
	f, err := s.tree.openRegular(s.name)
	if err != nil {
		return err
	}
	defer f.Close()
	root, err := w.t.within(w.c.Dest)
	if err != nil {
		return err
	}
	defer root.Close()
	x := extractor{w: w, t: root, fill: overlay.NewFiller(ctx), skipped: map[string]bool{}}
	return errors.Join(x.extract(ctx, f), unchanged(s.info, f))
}

// extractor unpacks an archive. Its names, its links, and the links that the
// image has on the way stay inside of the destination, which is its root.
type extractor struct {
	w       *writer
	t       *Target
	fill    *overlay.Filler
	dirs    []late
	skipped map[string]bool // devices, which have no links either
}

func (x *extractor) extract(ctx context.Context, r io.Reader) error {
	plain, err := oci.Decompress(r)
	if err != nil {
		return fmt.Errorf("unpack: %w", err)
	}
	defer plain.Close()
	for tr := tar.NewReader(plain); ; {
		if err := ctx.Err(); err != nil {
			return err
		}
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return x.t.setTimes(x.dirs)
		}
		if err != nil {
			return fmt.Errorf("unpack: %w", err)
		}
		if h.Typeflag == tar.TypeXGlobalHeader {
			continue
		}
		if err := x.entry(tr, h, path.Clean("/"+h.Name)); err != nil {
			return fmt.Errorf("unpack %s: %w", h.Name, err)
		}
	}
}

func (x *extractor) entry(tr *tar.Reader, h *tar.Header, p string) error {
	if p == "/" || x.w.isReserved(p[1:]) {
		return nil // the destination is there already
	}
	if err := x.parents(p); err != nil {
		return err
	}
	if err := x.clear(p, h.Typeflag == tar.TypeDir); err != nil {
		return err
	}
	n := newFile{about: x.about(h), link: h.Linkname}
	n.fill = func(f *os.File) error { return x.fill.Fill(f, tr, h) }
	switch h.Typeflag {
	case tar.TypeDir:
		return x.dir(p, n.about)
	case tar.TypeReg, tar.TypeGNUSparse, tar.TypeCont:
		n.mode |= unix.S_IFREG
	case tar.TypeSymlink:
		n.mode |= unix.S_IFLNK
	case tar.TypeFifo:
		n.mode |= unix.S_IFIFO
	case tar.TypeLink:
		return x.link(path.Clean("/"+h.Linkname), p, n.about)
	case tar.TypeBlock, tar.TypeChar:
		x.skipped[p] = true
		x.w.warn(fmt.Sprintf("%s: %s is a device and was left out: %v", x.w.c.Verb, h.Name, errNoDevices))
		return nil
	default:
		return fmt.Errorf("unhandled tar header type %d", h.Typeflag)
	}
	return x.t.put(p, n)
}

// parents makes the directories that no entry has told of. A link on the way
// must lead to one.
func (x *extractor) parents(p string) error {
	dir := path.Dir(p)
	if kind, err := x.t.kind(dir); err == nil && kind == 0 {
		made, err := x.t.MkdirAll(dir, 0o755, Owner{}, time.Time{})
		for _, m := range made {
			x.dirs = append(x.dirs, late{m, x.w.time(time.Time{})})
		}
		return err
	}
	fd, err := x.t.dir(dir)
	if err != nil {
		return &os.PathError{Op: "open", Path: p, Err: cause(err)}
	}
	return unix.Close(fd)
}

// link makes a hard link, whose entry says anew what the file has.
func (x *extractor) link(from, p string, a about) error {
	if x.skipped[from] {
		return nil
	}
	if err := x.t.link(from, p); err != nil {
		return err
	}
	return x.t.in(p, a.set)
}

// clear removes what is in the way of an entry: everything, unless both are
// directories.
func (x *extractor) clear(p string, dir bool) error {
	kind, err := x.t.kind(p)
	if err != nil || kind == 0 || dir && kind == unix.S_IFDIR {
		return err
	}
	x.dirs = dropBelow(x.dirs, p)
	return x.t.in(p, removeAll)
}

// dropBelow forgets directories that are removed.
func dropBelow(dirs []late, p string) []late {
	kept := dirs[:0]
	for _, d := range dirs {
		if d.path != p && !strings.HasPrefix(d.path, p+"/") {
			kept = append(kept, d)
		}
	}
	return kept
}

func (x *extractor) dir(p string, a about) error {
	x.dirs = append(x.dirs, late{p, a.mtime})
	kind, err := x.t.kind(p)
	if err != nil {
		return err
	}
	if kind == unix.S_IFDIR {
		return x.t.in(p, a.set)
	}
	return x.t.mkdir(p, a)
}

// about is what the header says.
func (x *extractor) about(h *tar.Header) about {
	a := about{mode: uint32(h.Mode) & 0o7777, own: Owner{h.Uid, h.Gid}, mtime: x.w.time(bounded(h.ModTime))}
	if x.w.own != nil {
		a.own = *x.w.own
	}
	a.attrs = xattr.FromHeader(h)
	return a
}

// bounded is a time that others can read: from 1970 up to 2262, which is what
// nanoseconds in 64 bits can say. All others are 1970.
func bounded(t time.Time) time.Time {
	if t.Unix() < 0 || t.Unix() >= math.MaxInt64/int64(time.Second) {
		return time.Unix(0, 0)
	}
	return t
}
