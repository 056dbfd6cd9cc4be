// SPDX-License-Identifier: Apache-2.0

package transfer

import (
	"archive/tar"
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"coracle/pkg/cancel"
	"coracle/pkg/ids"
	"coracle/pkg/inroot"
	"coracle/pkg/mount"
	"coracle/pkg/xattr"
)

// InOptions say how a stream is unpacked.
type InOptions struct {
	Owners bool // files are given to whom the stream says
	Top    bool // the directory itself takes the attributes of the entry "."
	// Host: the directory is one of this system, and links in it that lead out
	// of it are an error. Else they mean what they mean to who has root for a
	// root, as in a container.
	Host bool
}

// padding bounds what is read after an archive's end, to let its writer end:
// tar(1) writes whole records.
const padding = 1 << 20

// In unpacks a tar stream into an existing directory inside root. Names are
// those of the directory, whether they begin with a slash or not; one that
// leads out of it by ".." is an error. It returns what could not be made.
func In(ctx context.Context, r io.Reader, root *os.File, dir string, o InOptions) (left []string, err error) {
	f, err := resolve(root, dir, true)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.IsDir() {
		return nil, cmp.Or(err, error(&NotDirectoryError{dir}))
	}
	if err := checkWritable(root, f); err != nil {
		return nil, err
	}
	u := &unpacker{InOptions: o, ctx: ctx, scope: inroot.Root(root), base: dir}
	if o.Host {
		u.scope, u.base = inroot.Beneath(f), "."
	}
	r = cancel.Reader(ctx, r)
	if err := u.unpack(bufio.NewReaderSize(r, 256<<10)); err != nil {
		err = fmt.Errorf("copy to %s: %w", dir, err)
		if errors.Is(err, tar.ErrHeader) || errors.Is(err, io.ErrUnexpectedEOF) {
			err = &NotArchiveError{err.Error()}
		}
		return nil, err
	}
	_, _ = io.CopyN(io.Discard, r, padding)
	return u.left.lines(), nil
}

// checkWritable tells in Docker's words why nothing can be written in dir.
func checkWritable(root, dir *os.File) error {
	ro, err := mount.IsReadOnly(dir)
	if err != nil || !ro {
		return err
	}
	top, err := mount.ID(root)
	if err != nil {
		return err
	}
	here, err := mount.ID(dir)
	if err != nil {
		return err
	}
	return &ReadOnlyError{Mounted: here != top}
}

// unpacker reads one stream.
type unpacker struct {
	InOptions
	ctx   context.Context
	scope inroot.Dir
	base  string // the directory to unpack into, inside the scope
	dirs  []*tar.Header
	left  leftovers
}

func (u *unpacker) unpack(r io.Reader) error {
	tr := tar.NewReader(r)
	for {
		h, err := tr.Next()
		if err == io.EOF {
			return u.finishDirs()
		}
		if err != nil {
			return err
		}
		name, err := local(h.Name)
		if err != nil {
			return err
		}
		if h.Typeflag == tar.TypeXGlobalHeader {
			continue // says something about the archive, not about a file
		}
		h.Name = name
		if name == "." {
			if u.Top && h.Typeflag == tar.TypeDir {
				u.dirs = append(u.dirs, h)
			}
			continue
		}
		if err := u.entry(tr, h); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
}

// local makes a name of an archive one inside of its directory.
func local(name string) (string, error) {
	clean := path.Clean(strings.TrimLeft(name, "/"))
	if !filepath.IsLocal(clean) {
		return "", fmt.Errorf("%q is outside of it", name)
	}
	return clean, nil
}

func (u *unpacker) entry(tr *tar.Reader, h *tar.Header) error {
	parent, err := u.scope.MkdirAll(path.Join(u.base, path.Dir(h.Name)))
	if err != nil {
		return err
	}
	defer parent.Close()
	at, name := int(parent.Fd()), path.Base(h.Name)
	there, err := clearPlace(at, name, h)
	if err != nil {
		return err
	}
	switch h.Typeflag {
	case tar.TypeDir:
		u.dirs = append(u.dirs, h)
		if there {
			return nil
		}
		// What is in it is still to be written: its own mode comes last.
		return unix.Mkdirat(at, name, 0o700)
	case tar.TypeReg, tar.TypeCont, tar.TypeGNUSparse:
		return u.file(at, name, tr, h)
	case tar.TypeLink:
		return u.link(at, name, h)
	case tar.TypeSymlink:
		err = unix.Symlinkat(h.Linkname, at, name)
	case tar.TypeFifo:
		err = unix.Mknodat(at, name, unix.S_IFIFO|0o600, 0)
	case tar.TypeChar, tar.TypeBlock:
		if made, err := u.device(at, name, h); err != nil || !made {
			return err
		}
	default:
		return fmt.Errorf("unhandled tar header type %d", h.Typeflag)
	}
	if err != nil {
		return err
	}
	fd, err := unix.Openat(at, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	f := os.NewFile(uintptr(fd), h.Name)
	defer f.Close()
	return u.attributes(f, h)
}

// clearPlace removes what an entry replaces. A directory stays where one comes.
// What is mounted stays, too: seen from outside of the container's mount
// namespace the kernel would take the mount away with the name.
func clearPlace(at int, name string, h *tar.Header) (there bool, err error) {
	var st unix.Statx_t
	if err := unix.Statx(at, name, unix.AT_SYMLINK_NOFOLLOW, unix.STATX_TYPE, &st); errors.Is(err, unix.ENOENT) {
		return false, nil
	} else if err != nil {
		return false, err
	}
	isDir := st.Mode&unix.S_IFMT == unix.S_IFDIR
	switch {
	case isDir && h.Typeflag != tar.TypeDir:
		return true, errors.New("cannot overwrite directory with non-directory")
	case !isDir && h.Typeflag == tar.TypeDir:
		return true, errors.New("cannot overwrite non-directory with directory")
	case isDir:
		return true, nil
	case h.Typeflag == tar.TypeLink && path.Clean("/"+h.Linkname) == "/"+h.Name:
		return true, errors.New("a hard link to itself")
	case st.Attributes&unix.STATX_ATTR_MOUNT_ROOT != 0:
		return true, &os.PathError{Op: "unlinkat", Path: h.Name, Err: unix.EBUSY}
	}
	return false, unix.Unlinkat(at, name, 0)
}

// device makes a node where the kernel lets it be made. What is 0:0 means to
// overlayfs that something was removed.
func (u *unpacker) device(at int, name string, h *tar.Header) (made bool, err error) {
	kind := uint32(unix.S_IFCHR)
	if h.Typeflag == tar.TypeBlock {
		kind = unix.S_IFBLK
	}
	dev := unix.Mkdev(uint32(h.Devmajor), uint32(h.Devminor))
	err = unix.EPERM
	if dev != 0 {
		err = unix.Mknodat(at, name, kind|0o600, int(dev))
	}
	if errors.Is(err, unix.EPERM) {
		u.left.add(h.Name, "a device, which only root of the host can make")
		return false, nil
	}
	return err == nil, err
}

// link gives an earlier file of the stream another name.
func (u *unpacker) link(at int, name string, h *tar.Header) error {
	to, err := local(h.Linkname)
	if err != nil {
		return err
	}
	dir, err := u.scope.Open(path.Join(u.base, path.Dir(to)), unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		return fmt.Errorf("link to %s: %w", h.Linkname, err)
	}
	defer dir.Close()
	if err := unix.Linkat(int(dir.Fd()), path.Base(to), at, name, 0); err != nil {
		return fmt.Errorf("link to %s: %w", h.Linkname, err)
	}
	return nil
}

func (u *unpacker) file(at int, name string, r io.Reader, h *tar.Header) error {
	fd, err := unix.Openat(at, name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return err
	}
	f := os.NewFile(uintptr(fd), h.Name)
	err = writeSparse(f, cancel.Reader(u.ctx, r), h.Size) // zeros come from no stream
	if err == nil {
		err = u.attributes(f, h)
	}
	return errors.Join(err, f.Close())
}

// finishDirs gives the directories their attributes, now that nothing is
// written in them any more: the deepest first, for their sake.
func (u *unpacker) finishDirs() error {
	for i := len(u.dirs) - 1; i >= 0; i-- {
		h := u.dirs[i]
		f, err := u.scope.Open(path.Join(u.base, h.Name), unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
		if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ELOOP) || errors.Is(err, unix.ENOTDIR) {
			continue // it was removed, or a later entry of the stream replaced it
		}
		if err == nil {
			err = u.attributes(f, h)
			f.Close()
		}
		if err != nil {
			return fmt.Errorf("%s: %w", h.Name, err)
		}
	}
	return nil
}

// attributes gives f, which may be open with O_PATH, what the stream says. The
// order counts: a change of the owner takes capabilities and set-id bits away,
// and attributes cannot be set on what may not be written.
func (u *unpacker) attributes(f *os.File, h *tar.Header) error {
	isLink := h.Typeflag == tar.TypeSymlink
	if u.Owners {
		err := ids.Chown(int(f.Fd()), "", h.Uid, h.Gid)
		var foreign *ids.ForeignError
		switch {
		case errors.Is(err, unix.EPERM) && u.Host && ids.Single():
		case errors.As(err, &foreign), errors.Is(err, unix.EPERM) && u.Host:
			u.left.add(h.Name, "its owner, who is not in the user namespace")
		case err != nil:
			return os.NewSyscallError("chown", err)
		}
	}
	refused, err := xattr.WriteFile(f, xattr.FromHeader(h))
	if err != nil {
		return err
	}
	for _, name := range refused {
		u.left.add(h.Name, "its attribute "+name)
	}
	if !isLink {
		if err := os.Chmod(inroot.Path(f), h.FileInfo().Mode()); err != nil {
			return err
		}
	}
	return setTime(f, h.ModTime)
}

// setTime sets when f, which may be a link, was changed.
func setTime(f *os.File, t time.Time) error {
	omit := unix.Timespec{Nsec: unix.UTIME_OMIT}
	when, err := unix.TimeToTimespec(t)
	if err != nil {
		return err
	}
	// An empty path is taken here since Linux 5.8.
	err = unix.UtimesNanoAt(int(f.Fd()), "", []unix.Timespec{omit, when}, unix.AT_EMPTY_PATH|unix.AT_SYMLINK_NOFOLLOW)
	return os.NewSyscallError("utimensat", err)
}

// hole is the least run of zeros that is left out of a file.
const hole = 64 << 10

// writeSparse copies size bytes of r to f, and leaves holes where there is
// nothing but zeros.
func writeSparse(f *os.File, r io.Reader, size int64) error {
	buf := make([]byte, min(size, hole))
	for at := int64(0); at < size; {
		n, err := io.ReadFull(r, buf[:min(size-at, hole)])
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return err
		}
		if n < hole || !isZero(buf) {
			if _, err := f.WriteAt(buf[:n], at); err != nil {
				return err
			}
		}
		at += int64(n)
	}
	return f.Truncate(size)
}

func isZero(b []byte) bool {
	return len(b) == 0 || b[0] == 0 && bytes.Equal(b[1:], b[:len(b)-1])
}
