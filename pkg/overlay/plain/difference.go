// SPDX-License-Identifier: Apache-2.0

package plain

import (
	"bytes"
	"context"
	"io"
	"io/fs"
	"maps"
	"path"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"coracle/pkg/xattr"
)

// Difference makes, in the empty directory layer, the layer that leads from the
// tree base to the tree now, which was a [Copy] of it. Files of now are copied and
// stay as they are. copied is a time when the copy was done and nobody had written
// to it yet, by the clock of the file system; the zero time where that is not known. Of a
// file that has not been touched since (ctime, inode(7)) no bytes are compared.
func Difference(ctx context.Context, base, now, layer string, copied time.Time) error {
	var dirs [3]*dir
	for i, p := range []string{base, now, layer} {
		d, err := root(p)
		if err != nil {
			return err
		}
		defer d.close()
		dirs[i] = d
	}
	d := &difference{copier: newCopier(ctx, dirs[2]), copied: copied, base: base}
	if err := d.dirs(dirs[0], dirs[1], dirs[2]); err != nil {
		return err
	}
	st, err := dirs[1].at(".")
	if err != nil {
		return err
	}
	return d.like(dirs[1], dirs[2], ".", st)
}

type difference struct {
	*copier
	copied time.Time
	base   string
	links  map[inode]uint64 // how many names files of the base have in it; nil: not counted yet
}

// names counts the names that a file of the base has there: it may have others, in the
// layers that the base is made of.
func (d *difference) names(was *unix.Stat_t) (uint64, error) {
	if d.links == nil {
		d.links = map[inode]uint64{}
		err := filepath.WalkDir(d.base, func(p string, e fs.DirEntry, err error) error {
			var st unix.Stat_t
			if err != nil || e.IsDir() || unix.Lstat(p, &st) != nil || st.Nlink < 2 {
				return err
			}
			d.links[inode{st.Dev, st.Ino}]++
			return nil
		})
		if err != nil {
			return 0, err
		}
	}
	return max(1, d.links[inode{was.Dev, was.Ino}]), nil
}

// dirs compares two directories that both trees have.
func (d *difference) dirs(base, now, layer *dir) error {
	names, err := now.names()
	if err != nil {
		return err
	}
	there := map[string]bool{}
	for _, n := range names {
		there[n] = true
		if err := d.name(base, now, layer, n); err != nil {
			return err
		}
	}
	if names, err = base.names(); err != nil {
		return err
	}
	for _, n := range names {
		if there[n] {
			continue
		}
		if err := Mark(layer.fd, n); err != nil {
			return err
		}
	}
	return nil
}

// name compares what the trees have of one name.
func (d *difference) name(base, now, layer *dir, n string) error {
	st, err := now.at(n)
	if missing(err) {
		return nil // it was removed meanwhile
	}
	if err != nil {
		return err
	}
	was, err := base.at(n)
	switch {
	case missing(err):
		return d.entry(now, layer, n, st, true)
	case err != nil:
		return err
	case isDir(st) && isDir(was):
		return d.both(base, now, layer, n, was, st)
	}
	same, err := d.same(base, now, n, was, st)
	if err != nil || same {
		return err
	}
	return d.entry(now, layer, n, st, true)
}

// both compares two directories, of which the layer has one only if there is
// something to say of it or below.
func (d *difference) both(base, now, layer *dir, n string, was, st *unix.Stat_t) error {
	if err := unix.Mkdirat(layer.fd, n, 0o700); err != nil {
		return pathError("mkdir", path.Join(layer.name, n), err)
	}
	var subs [3]*dir
	for i, parent := range []*dir{base, now, layer} {
		sub, err := parent.child(n)
		if err != nil {
			return err
		}
		defer sub.close()
		subs[i] = sub
	}
	if err := d.dirs(subs[0], subs[1], subs[2]); err != nil {
		return err
	}
	same, err := d.same(base, now, n, was, st)
	if err != nil {
		return err
	}
	if same && unix.Unlinkat(layer.fd, n, unix.AT_REMOVEDIR) == nil {
		return nil
	}
	return d.like(now, layer, n, st)
}

// same reports whether what is at n is as it was, in everything that a layer says
// of it. The bytes of a file count where it has been touched since the copy.
func (d *difference) same(base, now *dir, n string, was, st *unix.Stat_t) (bool, error) {
	if was.Dev == st.Dev && was.Ino == st.Ino {
		return true, nil // a link that nobody has replaced
	}
	if was.Mode != st.Mode || was.Uid != st.Uid || was.Gid != st.Gid || was.Mtim != st.Mtim || was.Rdev != st.Rdev || !isDir(st) && was.Size != st.Size {
		return false, nil
	}
	if !isDir(st) && st.Nlink > 1 {
		if names, err := d.names(was); err != nil || uint64(st.Nlink) > names {
			return false, err
		}
	}
	if time.Unix(st.Ctim.Unix()).Before(d.copied) {
		return true, nil
	}
	before, err := xattr.Stored(in(base.fd, n))
	if err != nil {
		return false, err
	}
	after, err := xattr.Stored(in(now.fd, n))
	if err != nil || !maps.Equal(before, after) {
		return false, err
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFLNK:
		a, err := readlink(base.fd, n)
		if err != nil {
			return false, err
		}
		b, err := readlink(now.fd, n)
		return a == b, err
	case unix.S_IFREG:
		return d.equal(base, now, n)
	}
	return true, nil
}

func (d *difference) equal(base, now *dir, n string) (bool, error) {
	a, err := openFile(base.fd, n, path.Join(base.name, n), unix.O_RDONLY, 0)
	if err != nil {
		return false, err
	}
	defer a.Close()
	b, err := openFile(now.fd, n, path.Join(now.name, n), unix.O_RDONLY, 0)
	if err != nil {
		return false, err
	}
	defer b.Close()
	x, y := make([]byte, 64<<10), make([]byte, 64<<10)
	for {
		if err := d.ctx.Err(); err != nil {
			return false, err
		}
		i, aerr := io.ReadFull(a, x)
		j, berr := io.ReadFull(b, y)
		if !bytes.Equal(x[:i], y[:j]) {
			return false, nil
		}
		if aerr != nil || berr != nil { // the end of both, for they have the same size
			return aerr == io.EOF || aerr == io.ErrUnexpectedEOF, nil
		}
	}
}
