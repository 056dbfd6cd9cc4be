// SPDX-License-Identifier: Apache-2.0

package plain

import (
	"cmp"
	"context"
	"errors"
	"os"
	"path"
	"sync"

	"golang.org/x/sys/unix"

	"coracle/pkg/filedata"
	"coracle/pkg/ids"
	"coracle/pkg/xattr"
)

type inode struct{ dev, ino uint64 }

// copier copies entries of one tree into another, with owners, modes, times and
// attributes, and links of one file as such.
type copier struct {
	ctx context.Context
	to  *dir // the top of the other tree
	// linking is held while a file with several names is copied.
	linking sync.Mutex
	links   map[inode]string // where in the other tree it is
	// spare, if not nil, has room for as many as copy further directories at the same time.
	spare chan struct{}
	// share makes links of files instead of copies: nobody writes to either tree.
	share bool
	// merges: directories of both trees are one afterwards.
	merges bool
	// owner, if not nil, is who gets what belongs to somebody, and marks are copied.
	owner Owner
}

// maxBeside bounds the directories that are copied at the same time, as half of the time goes
// to the disk; and so the open files: two for each directory on the way to where one is.
const maxBeside = 4

func newCopier(ctx context.Context, to *dir) *copier {
	return &copier{ctx: ctx, to: to, links: map[inode]string{}}
}

// entry makes base in the directory to, where nothing has that name, as it is in
// from. Of a directory it makes what is below only with all.
func (c *copier) entry(from, to *dir, base string, st *unix.Stat_t, all bool) error {
	if err := c.ctx.Err(); err != nil {
		return err
	}
	if IsMark(in(from.fd, base), st.Mode, st.Rdev, st.Size) {
		if c.owner == nil {
			return nil // of nothing: there is no layer below
		}
		return Mark(to.fd, base)
	}
	name := path.Join(to.name, base)
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		return c.dir(from, to, base, st, all)
	case unix.S_IFSOCK:
		return nil // nobody listens to a copy
	}
	if c.share && unix.Linkat(from.fd, base, to.fd, base, 0) == nil {
		return nil
	}
	if st.Nlink > 1 {
		c.linking.Lock()
		defer c.linking.Unlock()
		key := inode{st.Dev, st.Ino}
		if first, ok := c.links[key]; ok {
			return pathError("link", name, unix.Linkat(c.to.fd, first, to.fd, base, 0))
		}
		c.links[key] = name
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		return c.file(from, to, base, st)
	case unix.S_IFLNK:
		target, err := readlink(from.fd, base)
		if err != nil {
			return pathError("readlink", name, err)
		}
		if err := unix.Symlinkat(target, to.fd, base); err != nil {
			return pathError("symlink", name, err)
		}
	default: // pipes, and devices where they may be made
		err := unix.Mknodat(to.fd, base, st.Mode, int(st.Rdev))
		if errors.Is(err, unix.EPERM) {
			return nil
		}
		if err != nil {
			return pathError("mknod", name, err)
		}
	}
	return c.about(to, base, st)
}

func (c *copier) dir(from, to *dir, base string, st *unix.Stat_t, all bool) error {
	name := path.Join(to.name, base)
	if err := unix.Mkdirat(to.fd, base, 0o700); err != nil {
		return pathError("mkdir", name, err)
	}
	if all {
		if err := c.below(from, to, base, c.content); err != nil {
			return err
		}
	}
	return c.like(from, to, base, st)
}

// below does work in a directory and in the one of that name in the other tree.
func (c *copier) below(from, to *dir, base string, work func(from, to *dir) error) error {
	in, err := from.child(base)
	if err != nil {
		return err
	}
	defer in.close()
	out, err := to.child(base)
	if err != nil {
		return err
	}
	defer out.close()
	return work(in, out)
}

// content copies all that is in a directory.
func (c *copier) content(from, to *dir) error {
	names, err := from.names()
	if err != nil {
		return err
	}
	var beside sync.WaitGroup
	var mu sync.Mutex
	var failed error // of those beside
	for _, n := range names {
		var st *unix.Stat_t
		if st, err = from.at(n); missing(err) {
			err = nil
			continue // a program that runs has removed it
		}
		if err == nil && isDir(st) && c.mayGo() {
			beside.Go(func() {
				defer func() { <-c.spare }()
				err := c.entry(from, to, n, st, true)
				mu.Lock()
				defer mu.Unlock()
				failed = cmp.Or(failed, err)
			})
			continue
		}
		if err == nil {
			err = c.entry(from, to, n, st, true)
		}
		if err != nil {
			break
		}
	}
	beside.Wait() // before the directory gets its time
	return cmp.Or(err, failed)
}

// mayGo reports whether one more directory is to be copied beside the others. Who is
// told so gives the room back.
func (c *copier) mayGo() bool {
	select {
	case c.spare <- struct{}{}: // never, without
		return true
	default:
		return false
	}
}

// like gives a directory the owner, mode, attributes and time of another.
func (c *copier) like(from, to *dir, base string, st *unix.Stat_t) error {
	attrs, err := xattr.Stored(in(from.fd, base))
	if err != nil {
		return err
	}
	if c.merges {
		if attrs, err = mergeNames(from, to, base, attrs); err != nil {
			return err
		}
	}
	for _, name := range []string{xattr.Override, xattr.OverrideNames, xattr.OverrideMode} { // of one that was there
		if attrs[name] == "" {
			_ = unix.Lremovexattr(in(to.fd, base), name)
		}
	}
	for name, value := range attrs {
		if err := unix.Lsetxattr(in(to.fd, base), name, []byte(value), 0); err != nil {
			return pathError("set "+name+" of", path.Join(to.name, base), err)
		}
	}
	if c.owner != nil && IsOpaque(in(from.fd, base)) {
		if err := unix.Lsetxattr(in(to.fd, base), Opaque, []byte{'y'}, 0); err != nil {
			return pathError("set "+Opaque+" of", path.Join(to.name, base), err)
		}
	}
	return c.about(to, base, st)
}

// mergeNames adds to the attributes of the directory base of a layer what is noted at that
// of the tree about links and pipes that are not the layer's.
func mergeNames(from, to *dir, base string, attrs map[string]string) (map[string]string, error) {
	was, err := xattr.Stored(in(to.fd, base))
	if err != nil || was[xattr.OverrideNames] == "" {
		return attrs, err
	}
	var st unix.Stat_t
	there := func(d *dir, name string) bool {
		return unix.Fstatat(d.fd, path.Join(base, name), &st, unix.AT_SYMLINK_NOFOLLOW) == nil
	}
	names := ids.MergeNames(attrs[xattr.OverrideNames], was[xattr.OverrideNames], func(name string) bool {
		return !there(from, name) && there(to, name)
	})
	if attrs == nil {
		attrs = map[string]string{}
	}
	attrs[xattr.OverrideNames] = names
	if names == "" {
		delete(attrs, xattr.OverrideNames)
	}
	return attrs, nil
}

func (c *copier) file(from, to *dir, base string, st *unix.Stat_t) error {
	return c.fileAs(from, to, base, base, st)
}

// fileAs copies a file under another name.
func (c *copier) fileAs(from, to *dir, source, base string, st *unix.Stat_t) error {
	name := path.Join(to.name, base)
	src, err := openFile(from.fd, source, name, unix.O_RDONLY, 0)
	if err != nil {
		return err
	}
	defer src.Close()
	dst, err := openFile(to.fd, base, name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer dst.Close()
	if err := unix.IoctlFileClone(int(dst.Fd()), int(src.Fd())); err != nil {
		if err := filedata.Copy(c.ctx, dst, src); err != nil {
			return pathError("copy", name, err)
		}
	}
	attrs, err := xattr.StoredFile(src)
	if err != nil {
		return err
	}
	if err := c.about(to, base, st); err != nil { // before attributes: capabilities end with a new owner
		return err
	}
	for name, value := range attrs {
		if c.owner != nil && name == xattr.Capability {
			root, _ := c.owner(0, 0)
			value = xattr.ForRoot(value, root)
		}
		if err := unix.Fsetxattr(int(dst.Fd()), name, []byte(value), 0); err != nil {
			return pathError("set "+name+" of", path.Join(to.name, base), err)
		}
	}
	return setTimes(to.fd, base, name, st)
}

// about gives what is at base the owner, mode and times that st says.
func (c *copier) about(to *dir, base string, st *unix.Stat_t) error {
	name := path.Join(to.name, base)
	uid, gid := st.Uid, st.Gid
	if c.owner != nil {
		uid, gid = c.owner(uid, gid)
	}
	err := unix.Fchownat(to.fd, base, int(uid), int(gid), unix.AT_SYMLINK_NOFOLLOW)
	if err != nil && !errors.Is(err, unix.EINVAL) { // of an owner that has no id here
		return pathError("chown", name, err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFLNK {
		if err := unix.Fchmodat(to.fd, base, st.Mode&0o7777, 0); err != nil {
			return pathError("chmod", name, err)
		}
	}
	return setTimes(to.fd, base, name, st)
}

func setTimes(fd int, base, name string, st *unix.Stat_t) error {
	return pathError("set times of", name, unix.UtimesNanoAt(fd, base, []unix.Timespec{st.Atim, st.Mtim}, unix.AT_SYMLINK_NOFOLLOW))
}

func openFile(at int, base, name string, flags int, mode uint32) (*os.File, error) {
	fd, err := unix.Openat(at, base, flags|unix.O_NOFOLLOW|unix.O_CLOEXEC|unix.O_NONBLOCK, mode)
	if err != nil {
		return nil, pathError("open", name, err)
	}
	return os.NewFile(uintptr(fd), name), nil
}

func readlink(at int, base string) (string, error) {
	buf := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(at, base, buf)
	return string(buf[:max(n, 0)]), err
}

// Owner is who gets what belongs to somebody.
type Owner func(uid, gid uint32) (uint32, uint32)

// Copy makes a tree like another in the empty directory to.
func Copy(ctx context.Context, from, to string) error { return copyAs(ctx, from, to, nil) }

// Link is Copy with links of the files instead of copies, where the file system takes
// them. Who writes to either tree replaces files: it never changes one that is there.
func Link(ctx context.Context, from, to string) error {
	return onTrees(ctx, from, to, func(c *copier, in, out *dir) error {
		c.share = true
		return c.content(in, out)
	})
}

// CopyLayer makes a layer like another in the empty directory to, with its marks,
// whose files belong to others.
func CopyLayer(ctx context.Context, from, to string, owner Owner) error {
	return copyAs(ctx, from, to, owner)
}

func copyAs(ctx context.Context, from, to string, owner Owner) error {
	return onTrees(ctx, from, to, func(c *copier, in, out *dir) error {
		if c.owner = owner; owner != nil {
			c.spare = make(chan struct{}, maxBeside)
		}
		return c.content(in, out)
	})
}

// onTrees does work from the top of a tree to that of another one, which is like the
// first then.
func onTrees(ctx context.Context, from, to string, work func(c *copier, from, to *dir) error) error {
	in, err := root(from)
	if err != nil {
		return err
	}
	defer in.close()
	out, err := root(to)
	if err != nil {
		return err
	}
	defer out.close()
	c := newCopier(ctx, out)
	if err := work(c, in, out); err != nil {
		return err
	}
	st, err := in.at(".")
	if err != nil {
		return err
	}
	return c.like(in, out, ".", st)
}

// CopyFile makes a file like another in a place where nothing is.
func CopyFile(ctx context.Context, from, to string) error {
	in, err := root(path.Dir(from))
	if err != nil {
		return err
	}
	defer in.close()
	out, err := root(path.Dir(to))
	if err != nil {
		return err
	}
	defer out.close()
	st, err := in.at(path.Base(from))
	if err != nil {
		return err
	}
	return newCopier(ctx, out).fileAs(in, out, path.Base(from), path.Base(to), st)
}
