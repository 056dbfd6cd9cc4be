// SPDX-License-Identifier: Apache-2.0

package overlay

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"coracle/pkg/ids"
)

// unpacker makes the files of a layer. The archive is hostile, and its entries
// stand in any order: parents are found inside of the layer, links in the way
// or not, and the last component of a name is never followed.
type unpacker struct {
	rec    *recorder
	tr     *tar.Reader
	fill   *Filler
	root   *os.File
	top    string // its path, without links
	single bool

	dir     string // whose descriptor parent is
	parent  int    // -1: none yet
	real    string // the same without links
	stale   bool   // dir may be another directory by now
	late    []lateTimes
	made    map[string]bool // directories that had to be there
	skipped map[string]bool // devices, which cannot be made
	content map[uint64]int  // by inode: where the recorder has it
}

// lateTimes are set when nothing is put into the directory any more.
type lateTimes struct {
	name  string
	times [2]unix.Timespec
}

// unpack makes the files of a layer's tar stream in dest, which nobody else
// uses. made are the directories that had to be there but have no entry.
func unpack(ctx context.Context, rec *recorder, dest string, single bool) (made []string, err error) {
	root, err := os.Open(dest)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	if err := openToOwner(root); err != nil {
		return nil, err
	}
	u := &unpacker{
		rec: rec, tr: tar.NewReader(rec), fill: NewFiller(ctx), root: root, single: single, parent: -1,
		made: map[string]bool{}, skipped: map[string]bool{}, content: map[uint64]int{},
	}
	defer u.forget()
	if u.top, err = os.Readlink("/proc/self/fd/" + strconv.Itoa(int(root.Fd()))); err != nil {
		return nil, err
	}
	for {
		h, err := u.tr.Next()
		if err == io.EOF {
			return slices.Sorted(maps.Keys(u.made)), u.setTimes()
		}
		if err != nil {
			return nil, err
		}
		if err := u.entry(h); err != nil {
			return nil, err
		}
	}
}

// openToOwner keeps the way into a directory open to who owns it and is no root: the
// library makes it with the mode of a root directory.
func openToOwner(dir *os.File) error {
	if !ids.Alone() {
		return nil
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(dir.Fd()), &st); err != nil {
		return &os.PathError{Op: "stat", Path: dir.Name(), Err: err}
	}
	return ids.Chmod(int(dir.Fd()), "", st.Mode)
}

func (u *unpacker) entry(h *tar.Header) error {
	if h.Typeflag == tar.TypeXGlobalHeader {
		return nil // says nothing of a file
	}
	name := path.Clean(h.Name)
	if name == ".." || strings.HasPrefix(name, "../") {
		return fmt.Errorf("%q is outside of the layer", h.Name)
	}
	name = strings.TrimPrefix(path.Clean("/"+name), "/")
	if name == "" {
		if h.Typeflag != tar.TypeDir {
			return fmt.Errorf("%q is no directory", h.Name)
		}
		return u.directory(h, int(u.root.Fd()), ".", "")
	}
	dir, base := path.Split(name)
	if strings.HasPrefix(base, whiteoutPrefix) {
		return u.whiteout(strings.TrimSuffix(dir, "/"), base)
	}
	fd, err := u.open(strings.TrimSuffix(dir, "/"))
	if err != nil {
		return err
	}
	return u.put(h, fd, base, name)
}

// put makes one entry in the directory fd.
func (u *unpacker) put(h *tar.Header, fd int, base, name string) error {
	opaque, err := u.clear(fd, base, h.Typeflag == tar.TypeDir)
	if err != nil {
		return err
	}
	switch h.Typeflag {
	case tar.TypeDir:
		if err := u.directory(h, fd, base, name); err != nil || !opaque {
			return err
		}
		return setOpaque(fd, base)
	case tar.TypeReg, tar.TypeGNUSparse, tar.TypeCont:
		return u.regular(h, fd, base)
	case tar.TypeSymlink:
		if err := unix.Symlinkat(h.Linkname, fd, base); err != nil {
			return &os.PathError{Op: "symlink", Path: name, Err: err}
		}
		if err := u.chown(h, fd, base); err != nil {
			return err
		}
	case tar.TypeLink:
		return u.link(h, fd, base)
	case tar.TypeFifo:
		if err := errors.Join(unix.Mkfifoat(fd, base, 0), u.chown(h, fd, base), unix.Fchmodat(fd, base, permissions(h), 0)); err != nil {
			return &os.PathError{Op: "make fifo", Path: name, Err: err}
		}
	case tar.TypeChar, tar.TypeBlock:
		u.skipped[name] = true
		return nil
	default:
		return fmt.Errorf("%q is of unknown type %q", h.Name, h.Typeflag)
	}
	return setTimes(fd, base, times(h))
}

// clear makes way for an entry: only a directory stays, for a directory. It
// reports whether a whiteout was there, which a directory is opaque after.
func (u *unpacker) clear(fd int, base string, dir bool) (opaque bool, err error) {
	var st unix.Stat_t
	if err := unix.Fstatat(fd, base, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		if errors.Is(err, unix.ENOENT) {
			return false, nil
		}
		return false, &os.PathError{Op: "lstat", Path: base, Err: err}
	}
	kind := st.Mode & unix.S_IFMT
	if dir && kind == unix.S_IFDIR {
		return false, nil
	}
	if err := u.saveBelow(fd, base, &st); err != nil {
		return false, err
	}
	if kind == unix.S_IFDIR || kind == unix.S_IFLNK {
		u.stale = true // it may have been on the way to the parent
	}
	if err := os.RemoveAll(below(fd, base)); err != nil {
		return false, err
	}
	return kind == unix.S_IFCHR && st.Rdev == 0, nil
}

// saveBelow keeps the contents of files that are about to go, so that the
// stream can be made again.
func (u *unpacker) saveBelow(fd int, base string, st *unix.Stat_t) error {
	if st.Mode&unix.S_IFMT == unix.S_IFREG {
		pos, ok := u.content[st.Ino]
		if !ok {
			return nil
		}
		delete(u.content, st.Ino)
		in, err := unix.Openat(fd, base, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if err != nil {
			return &os.PathError{Op: "open", Path: base, Err: err}
		}
		f := os.NewFile(uintptr(in), base)
		defer f.Close()
		return u.rec.save(pos, f)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return nil
	}
	d, err := unix.Openat(fd, base, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: base, Err: err}
	}
	f := os.NewFile(uintptr(d), base)
	defer f.Close()
	names, err := f.Readdirnames(-1)
	if err != nil {
		return err
	}
	for _, n := range names {
		var st unix.Stat_t
		if err := unix.Fstatat(d, n, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
			return &os.PathError{Op: "lstat", Path: n, Err: err}
		}
		if err := u.saveBelow(d, n, &st); err != nil {
			return err
		}
	}
	return nil
}

// below is a path to base in the directory fd.
func below(fd int, base string) string { return "/proc/self/fd/" + strconv.Itoa(fd) + "/" + base }

func (u *unpacker) directory(h *tar.Header, fd int, base, name string) error {
	if err := unix.Mkdirat(fd, base, 0o755); err != nil && !errors.Is(err, unix.EEXIST) {
		return &os.PathError{Op: "mkdir", Path: name, Err: err}
	}
	d, err := unix.Openat(fd, base, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: name, Err: err}
	}
	defer unix.Close(d)
	u.late = append(u.late, lateTimes{name, times(h)})
	return u.attributes(h, d)
}

func (u *unpacker) regular(h *tar.Header, fd int, base string) error {
	out, err := unix.Openat(fd, base, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return &os.PathError{Op: "create", Path: h.Name, Err: err}
	}
	f := os.NewFile(uintptr(out), h.Name)
	if err = u.write(h, f, base); err == nil {
		err = u.attributes(h, out)
	}
	if err == nil {
		err = setTimes(fd, base, times(h))
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}

// write copies the content and has it recorded: what is sparse in the archive
// stands in the record itself, as the file has other bytes than the stream.
func (u *unpacker) write(h *tar.Header, f *os.File, base string) error {
	if h.Size == 0 || IsSparse(h) {
		return u.fill.Fill(f, u.tr, h)
	}
	pos, err := u.rec.content(path.Join(u.real, base), h.Size, func() error { return u.fill.Fill(f, u.tr, h) })
	if err != nil {
		return err
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return err
	}
	u.content[st.Ino] = pos
	return nil
}

// link makes a hard link; what it links to is not followed. A link to something
// that could not be made is left out with it.
func (u *unpacker) link(h *tar.Header, fd int, base string) error {
	target := path.Clean(h.Linkname)
	if target == ".." || strings.HasPrefix(target, "../") {
		return fmt.Errorf("invalid hardlink %q", h.Linkname)
	}
	target = strings.TrimPrefix(path.Clean("/"+target), "/")
	if u.skipped[target] {
		return nil
	}
	dir, old := path.Split(target)
	from, err := u.openIn(strings.TrimSuffix(dir, "/"))
	if err != nil {
		return &os.LinkError{Op: "link", Old: h.Linkname, New: h.Name, Err: err}
	}
	defer unix.Close(from)
	if err := unix.Linkat(from, old, fd, base, 0); err != nil {
		return &os.LinkError{Op: "link", Old: h.Linkname, New: h.Name, Err: err}
	}
	f, err := unix.Openat(fd, base, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(f)
	var st unix.Stat_t
	if err := unix.Fstat(f, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFREG {
		return err
	}
	// Only if the link says more than the file has: see attributes.
	if !u.single && (int(st.Uid) != h.Uid || int(st.Gid) != h.Gid) || st.Mode&0o7777 != permissions(h) || len(h.PAXRecords) > 0 {
		w, err := unix.Open(below(fd, base), unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(w)
		if err := u.attributes(h, w); err != nil {
			return err
		}
	}
	return setTimes(fd, base, times(h))
}

func (u *unpacker) setTimes() error {
	for _, l := range u.late {
		dir, base := path.Split(l.name)
		fd, err := u.openIn(strings.TrimSuffix(dir, "/"))
		if err != nil {
			continue // something else has taken the place
		}
		if base == "" {
			base = "."
		}
		var st unix.Stat_t
		if unix.Fstatat(fd, base, &st, unix.AT_SYMLINK_NOFOLLOW) == nil && st.Mode&unix.S_IFMT == unix.S_IFDIR {
			err = setTimes(fd, base, l.times)
		}
		unix.Close(fd)
		if err != nil {
			return err
		}
	}
	return nil
}
