// SPDX-License-Identifier: Apache-2.0

package transfer

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Info is what a path leads to.
type Info struct {
	Name  string      `json:"name"` // the last part of the path
	Mode  fs.FileMode `json:"mode"`
	Size  int64       `json:"size"`
	Mtime time.Time   `json:"mtime"`
	Link  string      `json:"linkTarget"` // of a symbolic link
}

// NotFoundError says that there is nothing at a path.
type NotFoundError struct{ Path string }

func (e *NotFoundError) Error() string {
	return fmt.Sprintf("Could not find the file %s in container", e.Path)
}

// resolve opens what a path means inside root, without the right to read it.
func resolve(root *os.File, name string, follow bool) (*os.File, error) {
	how := unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS}
	if !follow {
		how.Flags |= unix.O_NOFOLLOW
	}
	for {
		fd, err := unix.Openat2(int(root.Fd()), name, &how)
		switch {
		case err == nil:
			return os.NewFile(uintptr(fd), name), nil
		case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINTR): // something was renamed on the way
		case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENOTDIR):
			return nil, &NotFoundError{name}
		default:
			return nil, &os.PathError{Op: "open", Path: name, Err: err}
		}
	}
}

// again opens what f was resolved to; it is the same file, whatever its name
// leads to by now.
func again(f *os.File) string { return fmt.Sprintf("/proc/self/fd/%d", f.Fd()) }

// Stat tells what is at a path inside root.
func Stat(root *os.File, name string, follow bool) (Info, error) {
	f, err := resolve(root, name, follow)
	if err != nil {
		return Info{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return Info{}, err
	}
	i := Info{Name: path.Base(path.Clean("/" + name)), Mode: info.Mode(), Size: info.Size(), Mtime: info.ModTime()}
	if info.Mode()&fs.ModeSymlink != 0 {
		i.Link, err = readlink(f)
	}
	return i, err
}

func readlink(f *os.File) (string, error) {
	buf := make([]byte, 4096) // PATH_MAX
	n, err := unix.Readlinkat(int(f.Fd()), "", buf)
	if err != nil {
		return "", os.NewSyscallError("readlinkat", err)
	}
	return string(buf[:n]), nil
}

// Out writes a file, or a directory with all that is in it, as a tar stream.
// as is the name of the first entry; when it is empty the content of a
// directory is written without the directory.
func Out(w io.Writer, root *os.File, name, as string, follow bool) error {
	f, err := resolve(root, name, follow)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	tw := tar.NewWriter(w)
	switch {
	case info.IsDir():
		err = outDir(tw, f, as)
	case info.Mode()&fs.ModeSymlink != 0:
		var link string
		if link, err = readlink(f); err == nil {
			err = header(tw, as, link, info)
		}
	case info.Mode().IsRegular():
		var in *os.File
		if in, err = os.Open(again(f)); err == nil {
			err = outFile(tw, in, as, info)
			in.Close()
		}
	default:
		err = header(tw, as, "", info)
	}
	if err != nil {
		return fmt.Errorf("copy %s: %w", name, err)
	}
	return tw.Close()
}

func outDir(tw *tar.Writer, dir *os.File, as string) error {
	root, err := os.OpenRoot(again(dir))
	if err != nil {
		return err
	}
	defer root.Close()
	return fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil // it was there a moment ago
		}
		if err != nil {
			return err
		}
		to := path.Join(as, name)
		if to == "." || info.Mode()&fs.ModeSocket != 0 {
			return nil
		}
		switch {
		case info.Mode()&fs.ModeSymlink != 0:
			link, err := root.Readlink(name)
			if err != nil {
				return err
			}
			return header(tw, to, link, info)
		case info.Mode().IsRegular():
			in, err := root.Open(name)
			if err != nil {
				return err
			}
			defer in.Close()
			if info, err = in.Stat(); err != nil || !info.Mode().IsRegular() {
				return err // it is something else by now
			}
			return outFile(tw, in, to, info)
		}
		return header(tw, to, "", info)
	})
}

func header(tw *tar.Writer, as, link string, info fs.FileInfo) error {
	h, err := tar.FileInfoHeader(info, link)
	if err != nil {
		return err
	}
	h.Name, h.Uname, h.Gname = as, "", ""
	if info.IsDir() {
		h.Name += "/"
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		h.Uid, h.Gid = int(st.Uid), int(st.Gid)
	}
	return tw.WriteHeader(h)
}

// outFile writes as much as the header says: a file that grows is cut, one
// that shrinks is an error.
func outFile(tw *tar.Writer, in *os.File, as string, info fs.FileInfo) error {
	if err := header(tw, as, "", info); err != nil {
		return err
	}
	_, err := io.CopyN(tw, in, info.Size())
	return err
}

// In unpacks a tar stream into an existing directory inside root. Names and
// links of the stream stay in that directory. With owners files are given to
// whom the stream says.
func In(r io.Reader, root *os.File, dir string, owners bool) error {
	f, err := resolve(root, dir, true)
	if err != nil {
		return err
	}
	defer f.Close()
	to, err := os.OpenRoot(again(f))
	if err != nil {
		return fmt.Errorf("copy to %s: %w", dir, err)
	}
	defer to.Close()
	tr := tar.NewReader(r)
	for {
		h, err := tr.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("copy to %s: %w", dir, err)
		}
		name := path.Clean(h.Name)
		if name == "." {
			continue
		}
		if !filepath.IsLocal(name) {
			return fmt.Errorf("copy to %s: %q is outside of it", dir, h.Name)
		}
		if err := inEntry(to, tr, h, name, owners); err != nil {
			return fmt.Errorf("copy to %s: %w", path.Join(dir, name), err)
		}
	}
}

func inEntry(to *os.Root, tr *tar.Reader, h *tar.Header, name string, owners bool) error {
	old, err := to.Lstat(name)
	if err == nil && old.IsDir() != (h.Typeflag == tar.TypeDir) {
		if old.IsDir() {
			return errors.New("cannot overwrite directory with non-directory")
		}
		return errors.New("cannot overwrite non-directory with directory")
	}
	if err == nil && !old.IsDir() {
		if err := to.Remove(name); err != nil {
			return err
		}
	}
	mode := h.FileInfo().Mode()
	switch h.Typeflag {
	case tar.TypeDir:
		if old == nil {
			err = to.Mkdir(name, 0o755)
		} else {
			err = nil
		}
	case tar.TypeReg:
		err = inFile(to, tr, name)
	case tar.TypeSymlink:
		err = to.Symlink(h.Linkname, name)
	default:
		return nil // devices and pipes are not copied
	}
	if err != nil {
		return err
	}
	if owners {
		if err := to.Lchown(name, h.Uid, h.Gid); err != nil && !errors.Is(err, unix.EINVAL) {
			return err
		}
	}
	if h.Typeflag == tar.TypeSymlink {
		return nil
	}
	if err := to.Chmod(name, mode); err != nil {
		return err
	}
	return to.Chtimes(name, time.Time{}, h.ModTime)
}

func inFile(to *os.Root, r io.Reader, name string) error {
	f, err := to.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	return errors.Join(err, f.Close())
}
