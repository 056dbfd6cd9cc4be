// SPDX-License-Identifier: Apache-2.0

package overlay

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"coracle/pkg/overlay/plain"
	"coracle/pkg/xattr"
)

// Names of the OCI image format for what a layer takes away.
const (
	whiteoutPrefix = ".wh."
	whiteoutOpaque = ".wh..wh..opq"
)

// writeLayer writes the tar stream of an overlay upper directory: what was
// added or changed, and whiteouts for what was removed. The same directory
// always gives the same bytes: entries are sorted, and carry neither access
// times nor names of users.
//
// Files whose names the format has another meaning for are left out, and
// returned: each would remove another file wherever the layer is unpacked.
//
// With a single id, files belong to those who are noted.
func writeLayer(ctx context.Context, w io.Writer, upper string, lowers, skip []string, own owners) (reserved []string, err error) {
	l := &layerWriter{tw: tar.NewWriter(w), upper: upper, lowers: lowers, links: map[inode]string{}, buf: make([]byte, 256<<10), skip: skip, owners: own}
	err = filepath.WalkDir(upper, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) && path != upper {
			return nil // a container that runs has removed it
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		if path != upper && strings.HasPrefix(d.Name(), whiteoutPrefix) {
			return l.reserve(path, d)
		}
		return l.entry(path, d)
	})
	if err != nil {
		return nil, fmt.Errorf("write layer: %w", err)
	}
	return l.reserved, l.tw.Close()
}

// reserve leaves out what has a name of the format's own.
func (l *layerWriter) reserve(path string, d fs.DirEntry) error {
	info, err := d.Info()
	if err != nil {
		return err
	}
	name, err := filepath.Rel(l.upper, path)
	if err != nil {
		return err
	}
	if st, ok := info.Sys().(*syscall.Stat_t); !ok || !isWhiteout(path, st) { // that it was removed needs no mark
		l.reserved = append(l.reserved, name)
	}
	if d.IsDir() {
		return fs.SkipDir
	}
	return nil
}

type inode struct{ dev, ino uint64 }

type layerWriter struct {
	tw     *tar.Writer
	upper  string
	lowers []string // topmost first
	links  map[inode]string
	buf    []byte
	// skip names what is left out as long as it is empty and nothing below has
	// it: places that only were mounted on.
	skip []string
	owners
	// reserved names what was left out for its name.
	reserved []string
}

func (l *layerWriter) entry(path string, d fs.DirEntry) error {
	name, err := filepath.Rel(l.upper, path)
	if err != nil {
		return err
	}
	info, err := d.Info()
	if err != nil {
		return err
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return fmt.Errorf("stat %s: unexpected result", path)
	}
	switch {
	case isWhiteout(path, st):
		return l.whiteout(name)
	case slices.Contains(l.skip, name) && (d.IsDir() || st.Size == 0) && !l.below(name):
		return nil
	case name == ".":
		return nil
	case info.Mode()&fs.ModeSocket != 0:
		return nil // the format has no sockets
	case d.IsDir():
		return l.dir(path, name, info, st)
	}
	return l.other(path, name, info, st)
}

func isWhiteout(path string, st *syscall.Stat_t) bool {
	return plain.IsMark(path, st.Mode, st.Rdev, st.Size)
}

// whiteout writes the mark of a removal, if there is something to remove. The
// kernel makes all whiteouts of a mount links of one inode, which means
// nothing here.
func (l *layerWriter) whiteout(name string) error {
	if !l.below(name) {
		return nil
	}
	dir, base := filepath.Split(name)
	return l.mark(dir + whiteoutPrefix + base)
}

func (l *layerWriter) mark(name string) error {
	return l.tw.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0, ModTime: time.Unix(0, 0), Format: tar.FormatPAX})
}

// below reports whether some lower layer has name.
func (l *layerWriter) below(name string) bool {
	_, ok := l.lower(name)
	return ok
}

func (l *layerWriter) lower(name string) (st *unix.Stat_t, ok bool) {
	st, _, ok = l.lowerAt(name)
	return st, ok
}

// lowerAt is lower with the path of what was found.
func (l *layerWriter) lowerAt(name string) (*unix.Stat_t, string, bool) {
	for _, dir := range l.lowers {
		var st unix.Stat_t
		path := filepath.Join(dir, name)
		if err := unix.Lstat(path, &st); err == nil {
			return &st, path, !plain.IsMark(path, st.Mode, st.Rdev, st.Size)
		}
		if l.hidden(dir, name) {
			break
		}
	}
	return nil, "", false
}

// hidden reports whether a parent of name is removed or opaque in dir, so that
// the layers below dir do not count.
func (l *layerWriter) hidden(dir, name string) bool {
	for p := filepath.Dir(name); p != "."; p = filepath.Dir(p) {
		var st unix.Stat_t
		path := filepath.Join(dir, p)
		if unix.Lstat(path, &st) != nil {
			continue
		}
		if st.Mode&unix.S_IFMT != unix.S_IFDIR || plain.IsOpaque(path) {
			return true
		}
	}
	return false
}

// dir writes a directory, unless it is only there because something in it
// changed.
func (l *layerWriter) dir(path, name string, info fs.FileInfo, st *syscall.Stat_t) error {
	low, below, have := l.lowerAt(name)
	opaque := plain.IsOpaque(path)
	if have && !opaque && l.mode(below, low.Mode) == l.mode(path, st.Mode) && low.Mtim == unix.Timespec(st.Mtim) && l.sameOwner(path, name, st, below, low) {
		return nil
	}
	if err := l.header(path, name+"/", "", info, st); err != nil {
		return err
	}
	if opaque && have {
		return l.mark(name + "/" + whiteoutOpaque)
	}
	return nil
}

func (l *layerWriter) other(path, name string, info fs.FileInfo, st *syscall.Stat_t) error {
	link := ""
	if info.Mode()&fs.ModeSymlink != 0 {
		var err error
		if link, err = os.Readlink(path); err != nil {
			return err
		}
	}
	if st.Nlink > 1 {
		key := inode{st.Dev, st.Ino}
		if first, ok := l.links[key]; ok {
			hdr, err := l.newHeader(path, name, "", info, st)
			if err != nil {
				return err
			}
			hdr.Typeflag, hdr.Linkname, hdr.Size = tar.TypeLink, first, 0
			return l.tw.WriteHeader(hdr)
		}
		l.links[key] = name
	}
	if err := l.header(path, name, link, info, st); err != nil {
		return err
	}
	if !info.Mode().IsRegular() || st.Size == 0 {
		return nil
	}
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.CopyBuffer(l.tw, io.LimitReader(f, st.Size), l.buf)
	return err
}

func (l *layerWriter) header(path, name, link string, info fs.FileInfo, st *syscall.Stat_t) error {
	hdr, err := l.newHeader(path, name, link, info, st)
	if err != nil {
		return err
	}
	return l.tw.WriteHeader(hdr)
}

func (l *layerWriter) newHeader(path, name, link string, info fs.FileInfo, st *syscall.Stat_t) (*tar.Header, error) {
	hdr, err := tar.FileInfoHeader(plainInfo{info}, link)
	if err != nil {
		return nil, err
	}
	hdr.Name, hdr.Format = name, tar.FormatPAX
	hdr.Uid, hdr.Gid = l.owner(path, name, st)
	hdr.Mode = hdr.Mode&^0o7777 | int64(l.mode(path, st.Mode)&0o7777)
	hdr.Uname, hdr.Gname = "", ""
	hdr.AccessTime, hdr.ChangeTime = time.Time{}, time.Time{}
	if st.Mode&syscall.S_IFMT == syscall.S_IFCHR || st.Mode&syscall.S_IFMT == syscall.S_IFBLK {
		hdr.Devmajor, hdr.Devminor = int64(unix.Major(st.Rdev)), int64(unix.Minor(st.Rdev))
	}
	if info.Mode().IsRegular() || info.IsDir() {
		attrs, err := xattr.Read(path)
		if err != nil {
			return nil, err
		}
		if v, ok := attrs[xattr.Capability]; ok && l.keep != nil {
			root, _ := l.keep.OnDisk(0, 0)
			attrs[xattr.Capability] = xattr.OfRoot(v, root)
		}
		xattr.ToHeader(hdr, attrs)
	}
	return hdr, nil
}

// plainInfo hides the system's record from archive/tar, which would look up
// names of users on the host.
type plainInfo struct{ fs.FileInfo }

func (plainInfo) Sys() any { return nil }
