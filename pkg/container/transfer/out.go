// SPDX-License-Identifier: Apache-2.0

package transfer

import (
	"archive/tar"
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"coracle/pkg/cancel"
	"coracle/pkg/ids"
	"coracle/pkg/inroot"
	"coracle/pkg/xattr"
)

// OutOptions say what is to be written.
type OutOptions struct {
	Path   string // inside the root
	Follow bool   // of a link at the end of Path what it leads to, not the link
	// As is the name of the first entry. When it is empty what is in the
	// directory is named from there; the first entry is "./" then, or left out
	// for the root itself. With "." all names begin with "./", which clients of
	// Docker's API put another name for.
	As string
}

// Out writes a file, or a directory with all that is in it, as a tar stream in
// PAX format. It returns what the format has no place for.
func Out(ctx context.Context, w io.Writer, root *os.File, o OutOptions) (left []string, err error) {
	f, err := resolve(root, o.Path, o.Follow)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	buf := bufio.NewWriterSize(cancel.Writer(ctx, w), 256<<10)
	whole := path.Clean(o.Path) == "/"
	p := &packer{tw: tar.NewWriter(buf), seen: map[inode]string{}, whole: whole, bare: whole && o.As == ""}
	if info.IsDir() {
		err = p.tree(f, o.As)
	} else {
		err = p.single(f, o.As, info)
	}
	if err == nil {
		err = errors.Join(p.tw.Close(), buf.Flush())
	}
	if err != nil {
		return nil, fmt.Errorf("copy %s: %w", o.Path, err)
	}
	return p.left.lines(), nil
}

type inode struct{ dev, ino uint64 }

// packer writes one stream.
type packer struct {
	tw    *tar.Writer
	seen  map[inode]string // files with several names, by the first that was written
	bare  bool             // without an entry for the directory itself
	whole bool             // of the root itself
	left  leftovers
}

func (p *packer) single(f *os.File, as string, info fs.FileInfo) error {
	switch {
	case info.Mode()&fs.ModeSocket != 0:
		return errors.New("archive/tar: sockets not supported")
	case info.Mode()&fs.ModeSymlink != 0:
		link, err := inroot.Readlink(f)
		if err != nil {
			return err
		}
		return p.header(as, link, info, nil)
	case info.Mode().IsRegular():
		if made, err := isKernels(f); err != nil || made {
			return errors.Join(err, errKernel)
		}
		in, err := os.Open(inroot.Path(f))
		if err != nil {
			return err
		}
		defer in.Close()
		return p.file(in, as, info)
	}
	return p.header(as, "", info, nil)
}

func (p *packer) tree(dir *os.File, as string) error {
	if made, err := isKernels(dir); err != nil || made {
		return errors.Join(err, errKernel)
	}
	root, err := os.OpenRoot(inroot.Path(dir))
	if err != nil {
		return err
	}
	defer root.Close()
	return fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) && name != "." {
			return nil // it was there a moment ago
		}
		if err != nil {
			return err
		}
		if name == "." && p.bare {
			return nil
		}
		info, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		to := path.Join(as, name)
		if as == "." && name != "." {
			to = "./" + to
		}
		return p.entry(root, name, to, info)
	})
}

func (p *packer) entry(root *os.Root, name, to string, info fs.FileInfo) error {
	if first, ok := p.again(info); ok {
		return p.link(root, name, to, first, info)
	}
	switch mode := info.Mode(); {
	case mode&fs.ModeSocket != 0:
		p.left.add(name, "a socket, which archives have no place for")
		return nil
	case mode&fs.ModeSymlink != 0:
		link, err := root.Readlink(name)
		if err != nil {
			return err
		}
		return p.header(to, link, withOwnerAt(root, name, info), nil)
	case mode.IsDir(), mode.IsRegular():
		in, err := openAsIs(root, name)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		defer in.Close()
		if info, err = in.Stat(); err != nil {
			return err
		}
		if info.IsDir() {
			return p.dir(in, name, to, info)
		}
		if !info.Mode().IsRegular() {
			return nil // it is something else by now
		}
		return p.file(in, to, info)
	}
	return p.header(to, "", withOwnerAt(root, name, info), nil)
}

// openAsIs opens what was a file or a directory a moment ago: neither a link
// nor a pipe that has taken its place holds it up.
func openAsIs(root *os.Root, name string) (*os.File, error) {
	return root.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW, 0)
}

func (p *packer) dir(in *os.File, name, to string, info fs.FileInfo) error {
	attrs, err := xattr.ReadFile(in)
	if err != nil {
		return err
	}
	if err := p.header(to, "", withOwner(in, info), attrs); err != nil {
		return err
	}
	if p.whole && slices.Contains(runtimeDirs, name) && isMounted(in) {
		return fs.SkipDir
	}
	if made, err := isKernels(in); err != nil || !made {
		return err
	}
	p.left.add(name, errKernel.Error())
	return fs.SkipDir
}

// runtimeDirs are where a container that runs has file systems that are no
// part of it: Docker's copy of a whole root does not see them.
var runtimeDirs = []string{"dev", "proc", "sys"}

// isMounted reports whether the directory is the root of a mount.
func isMounted(dir *os.File) bool {
	var st unix.Statx_t
	err := unix.Statx(int(dir.Fd()), "", unix.AT_EMPTY_PATH, unix.STATX_MNT_ID, &st)
	return err == nil && st.Attributes&unix.STATX_ATTR_MOUNT_ROOT != 0
}

var errKernel = errors.New("its content is made by the kernel while it is read")

// isKernels reports whether what f has is no content of its own: files of such
// systems do not say how long they are, and some never end.
func isKernels(f *os.File) (bool, error) {
	var st unix.Statfs_t
	if err := unix.Fstatfs(int(f.Fd()), &st); err != nil {
		return false, os.NewSyscallError("fstatfs", err)
	}
	switch st.Type {
	case unix.PROC_SUPER_MAGIC, unix.SYSFS_MAGIC, unix.CGROUP2_SUPER_MAGIC, unix.CGROUP_SUPER_MAGIC, unix.DEVPTS_SUPER_MAGIC,
		unix.DEBUGFS_MAGIC, unix.TRACEFS_MAGIC, unix.SECURITYFS_MAGIC, unix.BPF_FS_MAGIC:
		return true, nil
	}
	return false, nil
}

// again reports under which name a file was written before.
func (p *packer) again(info fs.FileInfo) (first string, ok bool) {
	key, ok := linked(info)
	if ok {
		first, ok = p.seen[key]
	}
	return first, ok
}

// linked tells files that have several names.
func linked(info fs.FileInfo) (key inode, several bool) {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || info.IsDir() || st.Nlink < 2 || info.Mode()&fs.ModeSocket != 0 {
		return inode{}, false
	}
	return inode{uint64(st.Dev), st.Ino}, true
}

// file writes as much as the header says: a file that grows is cut, one that
// shrinks is an error.
func (p *packer) file(in *os.File, as string, info fs.FileInfo) error {
	attrs, err := xattr.ReadFile(in)
	if err != nil {
		return err
	}
	if err := p.header(as, "", withOwner(in, info), attrs); err != nil {
		return err
	}
	if _, err = io.CopyN(p.tw, in, info.Size()); err == io.EOF {
		return fmt.Errorf("%s became shorter while it was read", as)
	}
	return err
}

// link writes a further name of a file, with all that belongs to the file: who
// unpacks it may set all of that again.
func (p *packer) link(root *os.Root, name, as, to string, info fs.FileInfo) error {
	h, err := p.newHeader(as, "", info)
	if err != nil {
		return err
	}
	h.Typeflag, h.Linkname, h.Size = tar.TypeLink, to, 0
	if info.Mode().IsRegular() {
		in, err := openAsIs(root, name)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		defer in.Close()
		attrs, err := xattr.ReadFile(in)
		if err != nil {
			return err
		}
		xattr.ToHeader(h, attrs)
		if n, ok := withOwner(in, info).(noted); ok {
			h.Uid, h.Gid = n.uid, n.gid
		}
	}
	return p.tw.WriteHeader(h)
}

func (p *packer) header(as, link string, info fs.FileInfo, attrs map[string]string) error {
	h, err := p.newHeader(as, link, info)
	if err != nil {
		return err
	}
	xattr.ToHeader(h, attrs)
	if key, ok := linked(info); ok {
		p.seen[key] = as
	}
	return p.tw.WriteHeader(h)
}

// plainInfo hides the system's record from archive/tar, which would look up
// names of users on the host.
type plainInfo struct{ fs.FileInfo }

func (plainInfo) Sys() any { return nil }

// noted is a file that belongs to who is noted: there is a single id.
type noted struct {
	fs.FileInfo
	uid, gid int
}

// withOwner is info of an open file, with the owner that is noted.
func withOwner(f *os.File, info fs.FileInfo) fs.FileInfo {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || !ids.Single() {
		return info
	}
	uid, gid := ids.RecordedFD(int(f.Fd()), st.Uid, st.Gid)
	return noted{info, uid, gid}
}

// withOwnerAt is withOwner of what is not opened.
func withOwnerAt(root *os.Root, name string, info fs.FileInfo) fs.FileInfo {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || !ids.Single() {
		return info
	}
	dir, err := openAsIs(root, path.Dir(name))
	if err != nil {
		return info
	}
	defer dir.Close()
	uid, gid := ids.RecordedName(inroot.Path(dir), path.Base(name), st.Mode, st.Uid, st.Gid)
	return noted{info, uid, gid}
}

func (p *packer) newHeader(as, link string, info fs.FileInfo) (*tar.Header, error) {
	h, err := tar.FileInfoHeader(plainInfo{info}, link)
	if err != nil {
		return nil, err
	}
	h.Name, h.Format, h.AccessTime, h.ChangeTime = as, tar.FormatPAX, time.Time{}, time.Time{}
	if info.IsDir() {
		h.Name += "/"
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return h, nil
	}
	h.Uid, h.Gid = int(st.Uid), int(st.Gid)
	if n, ok := info.(noted); ok {
		h.Uid, h.Gid = n.uid, n.gid
	}
	if info.Mode()&fs.ModeDevice != 0 {
		h.Devmajor, h.Devminor = int64(unix.Major(uint64(st.Rdev))), int64(unix.Minor(uint64(st.Rdev)))
	}
	return h, nil
}
