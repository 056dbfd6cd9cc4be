// SPDX-License-Identifier: Apache-2.0

package dockerfile

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"time"

	securejoin "github.com/cyphar/filepath-securejoin"
	"golang.org/x/sys/unix"

	"coracle/pkg/overlay"
)

// target is a root file system that is written to. Links in it are followed as
// a process in it would follow them: they cannot lead out.
type target struct {
	path string
	fd   int
	done func()
}

// owner is who a new file belongs to; the zero value is root.
type owner struct{ uid, gid int }

func openTarget(dir string) (*target, error) {
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: dir, Err: err}
	}
	return &target{path: dir, fd: fd, done: func() {}}, nil
}

func (t *target) close() {
	_ = unix.Close(t.fd)
	t.done()
}

// mountUpper shows the layers with a new one on top, for this process only.
func (b *builder) mountUpper(d *overlay.Dir, lowers []string) (*target, error) {
	if len(lowers) == 0 {
		return openTarget(d.Upper)
	}
	dir, unmount, err := b.mount(overlay.Rootfs{Lowers: lowers, Upper: d.Upper, Work: d.Work, Volatile: true})
	if err != nil {
		return nil, err
	}
	t, err := openTarget(dir)
	if err != nil {
		unmount()
		return nil, err
	}
	t.done = unmount
	return t, nil
}

// dir opens a directory.
func (t *target) dir(p string) (int, error) {
	how := unix.OpenHow{Flags: unix.O_RDONLY | unix.O_DIRECTORY | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS}
	for {
		fd, err := unix.Openat2(t.fd, path.Join("/", p), &how)
		if err == nil {
			return fd, nil
		}
		if !errors.Is(err, unix.EINTR) {
			return -1, &os.PathError{Op: "open", Path: p, Err: err}
		}
	}
}

// isDir reports whether p is a directory or a link to one.
func (t *target) isDir(p string) bool {
	fd, err := t.dir(p)
	if err != nil {
		return false
	}
	_ = unix.Close(fd)
	return true
}

// in calls f with the directory that p is in.
func (t *target) in(p string, f func(fd int, base string) error) error {
	fd, err := t.dir(path.Dir(p))
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return f(fd, path.Base(p))
}

// mkdirAll makes a directory and those above it that do not exist.
func (t *target) mkdirAll(p string, own owner) error {
	fd, err := t.dir(p)
	if err == nil {
		return unix.Close(fd)
	}
	if errors.Is(err, unix.ENOTDIR) {
		return fmt.Errorf("cannot copy to non-directory: %s", p)
	}
	if !errors.Is(err, unix.ENOENT) || p == "/" {
		return err
	}
	p = t.followed(p) // a link that leads nowhere yet
	if err := t.mkdirAll(path.Dir(p), own); err != nil {
		return err
	}
	return t.mkdir(p, 0o755, own)
}

func (t *target) mkdir(p string, mode uint32, own owner) error {
	return t.in(p, func(fd int, base string) error {
		if err := unix.Mkdirat(fd, base, 0o755); err != nil {
			if errors.Is(err, unix.EEXIST) { // a dangling link, or a file
				return fmt.Errorf("cannot copy to non-directory: %s", p)
			}
			return &os.PathError{Op: "mkdir", Path: p, Err: err}
		}
		return attributes(fd, base, mode|unix.S_IFDIR, own)
	})
}

// attributes sets owner and mode of a new file, in this order: a change of
// owner takes the set-id bits away.
func attributes(fd int, base string, mode uint32, own owner) error {
	err := unix.Fchownat(fd, base, own.uid, own.gid, unix.AT_SYMLINK_NOFOLLOW)
	// In a namespace with one id there is nobody else to give a file to.
	if err != nil && !(errors.Is(err, unix.EINVAL) && singleID()) {
		return &os.PathError{Op: "chown", Path: base, Err: err}
	}
	if mode&unix.S_IFMT == unix.S_IFLNK {
		return nil
	}
	if err := unix.Fchmodat(fd, base, mode&0o7777, 0); err != nil {
		return &os.PathError{Op: "chmod", Path: base, Err: err}
	}
	return nil
}

// singleID reports whether the user namespace has one id.
var singleID = sync.OnceValue(func() bool {
	data, err := os.ReadFile("/proc/self/uid_map")
	f := strings.Fields(string(data))
	return err == nil && len(f) == 3 && f[2] == "1"
})

// setTime sets the time of change, of the link itself if it is one.
func setTime(fd int, base string, mtime time.Time) error {
	ts, err := unix.TimeToTimespec(mtime)
	if err != nil {
		return err
	}
	if err := unix.UtimesNanoAt(fd, base, []unix.Timespec{ts, ts}, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return &os.PathError{Op: "utimensat", Path: base, Err: err}
	}
	return nil
}

// followed is the path that p means if it is a link to a file.
func (t *target) followed(p string) string {
	full, err := securejoin.SecureJoin(t.path, p)
	if err != nil {
		return p
	}
	rel, err := filepath.Rel(t.path, full)
	if err != nil {
		return p
	}
	return path.Join("/", rel)
}

// newFile is a file, link or pipe to be made.
type newFile struct {
	mode  uint32 // with the kind
	own   owner
	mtime time.Time
	link  string
	fill  func(*os.File) error
}

// put makes a file in place of what is there.
func (t *target) put(p string, n newFile) error {
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
		default:
			return nil // devices and sockets have no place in an image
		}
		if err != nil && !errors.Is(err, errNotTheSame) {
			return fmt.Errorf("create %s: %w", p, err)
		}
		if aerr := attributes(fd, base, n.mode, n.own); aerr != nil {
			return aerr
		}
		return errors.Join(err, setTime(fd, base, n.mtime))
	})
}

// clearWay removes what is in the way of a new file.
func clearWay(fd int, base, p string) error {
	err := unix.Unlinkat(fd, base, 0)
	if errors.Is(err, unix.EISDIR) {
		return fmt.Errorf("cannot copy to directory: %s", p)
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

// copyFrom is a fill that copies r.
func copyFrom(r io.Reader) func(*os.File) error {
	return func(f *os.File) error {
		_, err := io.Copy(f, r)
		return err
	}
}
