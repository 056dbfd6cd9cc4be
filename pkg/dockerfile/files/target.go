// SPDX-License-Identifier: Apache-2.0

package files

import (
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"coracle/pkg/inroot"
)

// Target is a root file system that is written to. Links in it are followed as
// a process in it would follow them: they cannot lead out.
type Target struct {
	path string
	root *os.File // O_PATH
	done func()
}

// OpenTarget opens a directory. Close calls done, unless it is nil.
func OpenTarget(dir string, done func()) (*Target, error) {
	root, err := inroot.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	return &Target{path: dir, root: root, done: done}, nil
}

// Close closes the directory.
func (t *Target) Close() {
	_ = t.root.Close()
	if t.done != nil {
		t.done()
	}
}

// Path is the directory.
func (t *Target) Path() string { return t.path }

// within is the directory p as a root of its own: links below it that lead out
// end there.
func (t *Target) within(p string) (*Target, error) {
	fd, err := t.dir(p)
	if err != nil {
		return nil, err
	}
	return &Target{path: filepath.Join(t.path, t.followed(p)), root: os.NewFile(uintptr(fd), p)}, nil
}

// dir opens a directory.
func (t *Target) dir(p string) (int, error) {
	return inroot.Root(t.root).OpenFD(path.Join("/", p), unix.O_RDONLY|unix.O_DIRECTORY, 0)
}

// isDir reports whether p is a directory or a link to one.
func (t *Target) isDir(p string) bool {
	fd, err := t.dir(p)
	if err != nil {
		return false
	}
	_ = unix.Close(fd)
	return true
}

// in calls f with the directory that p is in, and its name there. The root is in
// itself.
func (t *Target) in(p string, f func(fd int, base string) error) error {
	fd, err := t.dir(path.Dir(p))
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	base := path.Base(p)
	if base == "/" {
		base = "." // not the root of the host
	}
	return f(fd, base)
}

// kind is what stands at p itself: the kind bits of its mode, or 0 for
// nothing.
func (t *Target) kind(p string) (uint32, error) {
	var st unix.Stat_t
	err := t.in(p, func(fd int, base string) error {
		return unix.Fstatat(fd, base, &st, unix.AT_SYMLINK_NOFOLLOW)
	})
	if errors.Is(err, unix.ENOENT) {
		return 0, nil
	}
	if err != nil {
		return 0, &os.PathError{Op: "stat", Path: p, Err: cause(err)}
	}
	return st.Mode & unix.S_IFMT, nil
}

// cause is the system's error without the path that it met it at.
func cause(err error) error {
	var pe *os.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

// MkdirAll makes a directory and those above it that do not exist, with a mode
// of permission bits, and returns what it has made, the outermost first. The
// zero time is now.
func (t *Target) MkdirAll(p string, mode uint32, own Owner, mtime time.Time) ([]string, error) {
	made, err := t.mkdirAll(p, about{mode: mode, own: own})
	if err != nil || mtime.IsZero() {
		return made, err
	}
	return made, t.date(made, mtime)
}

// date gives directories a time, the innermost first.
func (t *Target) date(dirs []string, mtime time.Time) error {
	for i := len(dirs) - 1; i >= 0; i-- {
		if err := t.in(dirs[i], func(fd int, base string) error { return setTime(fd, base, mtime) }); err != nil {
			return err
		}
	}
	return nil
}

func (t *Target) mkdirAll(p string, a about) ([]string, error) {
	fd, err := t.dir(p)
	if err == nil {
		return nil, unix.Close(fd)
	}
	if errors.Is(err, unix.ENOTDIR) {
		return nil, &os.PathError{Op: "mkdir", Path: t.fileOn(p), Err: unix.ENOTDIR}
	}
	if !errors.Is(err, unix.ENOENT) || path.Clean(p) == "/" {
		return nil, err
	}
	p = t.followed(p) // a link that leads nowhere yet
	made, err := t.mkdirAll(path.Dir(p), a)
	if err != nil {
		return nil, err
	}
	return append(made, p), t.mkdir(p, a)
}

// fileOn is the file that stands where p needs a directory.
func (t *Target) fileOn(p string) string {
	for d := path.Clean(p); d != "/"; d = path.Dir(d) {
		if t.isDir(path.Dir(d)) {
			return d
		}
	}
	return p
}

func (t *Target) mkdir(p string, a about) error {
	return t.in(p, func(fd int, base string) error {
		if err := unix.Mkdirat(fd, base, 0o755); err != nil {
			return &os.PathError{Op: "mkdir", Path: p, Err: err}
		}
		return a.set(fd, base)
	})
}

// followed is the path that p means after all links, whether it is there or
// not.
func (t *Target) followed(p string) string {
	real, err := inroot.Root(t.root).Follow(p)
	if err != nil {
		return p
	}
	return real
}

// newFile is a file, link or pipe to be made.
type newFile struct {
	about
	link string
	fill func(*os.File) error
}

// put makes a file in place of one that is there.
func (t *Target) put(p string, n newFile) error {
	return t.in(p, func(fd int, base string) error {
		if err := clearWay(fd, base, p); err != nil {
			return err
		}
		var err error
		switch n.mode & unix.S_IFMT {
		case unix.S_IFREG:
			err = create(fd, base, n.fill)
		case unix.S_IFLNK:
			err = unix.Symlinkat(n.link, fd, base)
		case unix.S_IFIFO:
			err = unix.Mknodat(fd, base, unix.S_IFIFO|0o600, 0)
		case unix.S_IFSOCK: // a stub of it: its server is not in the image
			err = create(fd, base, func(*os.File) error { return nil })
		default:
			return errNoDevices
		}
		if err != nil && !errors.Is(err, ErrChanged) {
			return fmt.Errorf("create %s: %w", p, err)
		}
		if aerr := n.set(fd, base); aerr != nil {
			return fmt.Errorf("create %s: %w", p, aerr)
		}
		return err
	})
}

// errNoDevices is said of a device, which nobody but the host's root can make.
var errNoDevices = errors.New("devices cannot be made without privileges")

// clearWay removes what is in the way of a new file.
func clearWay(fd int, base, p string) error {
	err := unix.Unlinkat(fd, base, 0)
	if errors.Is(err, unix.EISDIR) {
		return fmt.Errorf("cannot replace to directory %s with file", p)
	}
	if err != nil && !errors.Is(err, unix.ENOENT) {
		return &os.PathError{Op: "remove", Path: p, Err: err}
	}
	return nil
}

func create(dir int, base string, fill func(*os.File) error) error {
	fd, err := unix.Openat(dir, base, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return err
	}
	out := os.NewFile(uintptr(fd), base)
	err = fill(out)
	return errors.Join(err, out.Close())
}

// link makes a hard link; neither end is followed if it is a link itself.
func (t *Target) link(from, p string) error {
	return t.in(from, func(oldDir int, oldBase string) error {
		return t.in(p, func(fd int, base string) error {
			if err := clearWay(fd, base, p); err != nil {
				return err
			}
			if err := unix.Linkat(oldDir, oldBase, fd, base, 0); err != nil {
				return &os.LinkError{Op: "link", Old: from, New: p, Err: err}
			}
			return nil
		})
	})
}

// removeAll removes what is at base, with all that is in it.
func removeAll(dir int, base string) error {
	err := unix.Unlinkat(dir, base, 0)
	if err == nil || errors.Is(err, unix.ENOENT) {
		return nil
	}
	if !errors.Is(err, unix.EISDIR) {
		return &os.PathError{Op: "remove", Path: base, Err: err}
	}
	fd, err := unix.Openat(dir, base, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "remove", Path: base, Err: err}
	}
	d := os.NewFile(uintptr(fd), base)
	defer d.Close()
	names, err := d.Readdirnames(-1)
	if err != nil {
		return err
	}
	for _, n := range names {
		if err := removeAll(fd, n); err != nil {
			return err
		}
	}
	if err := unix.Unlinkat(dir, base, unix.AT_REMOVEDIR); err != nil {
		return &os.PathError{Op: "remove", Path: base, Err: err}
	}
	return nil
}

// reserved reports whether a name of a path has a meaning of its own in layers:
// a file of that name would remove another as soon as the image is pushed.
func reserved(p string) bool {
	return strings.HasPrefix(p, ".wh.") || strings.Contains(p, "/.wh.")
}
