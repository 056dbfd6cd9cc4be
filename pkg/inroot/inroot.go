// SPDX-License-Identifier: Apache-2.0

package inroot

import (
	"errors"
	"fmt"
	"os"
	"path"
	"strings"

	securejoin "github.com/cyphar/filepath-securejoin"
	"golang.org/x/sys/unix"
)

// Dir is a directory that no path leads out of.
type Dir struct {
	file    *os.File
	resolve uint64
}

// Root takes f as the root that links and ".." mean, as after chroot(2).
func Root(f *os.File) Dir { return Dir{f, unix.RESOLVE_IN_ROOT} }

// Beneath takes f as a directory of this system: links in it that lead out of
// it are an error, EXDEV.
func Beneath(f *os.File) Dir { return Dir{f, unix.RESOLVE_BENEATH} }

// NoLinks is the directory in which a path with a link is an error, ELOOP: for
// where a link, though it stays inside, would lead to another kind of file
// system than the one that is meant (CVE-2019-16884, CVE-2023-28642).
func (d Dir) NoLinks() Dir { return Dir{d.file, d.resolve | unix.RESOLVE_NO_SYMLINKS} }

// NoMounts is the directory in which a path onto another mount is an error,
// EXDEV.
func (d Dir) NoMounts() Dir { return Dir{d.file, d.resolve | unix.RESOLVE_NO_XDEV} }

// OpenRoot opens a directory to be taken as a root: path is the caller's own,
// and trusted. O_PATH.
func OpenRoot(path string) (*os.File, error) {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	return os.NewFile(uintptr(fd), path), nil
}

// Plain opens a path of this process's own root, with the flags of open(2), and
// follows no link on the way to it nor at its end.
func Plain(name string, flags int) (*os.File, error) {
	fd, err := Openat2(unix.AT_FDCWD, path.Clean(name), unix.OpenHow{Flags: uint64(flags) | unix.O_CLOEXEC, Resolve: unix.RESOLVE_NO_SYMLINKS})
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: name, Err: err}
	}
	return os.NewFile(uintptr(fd), name), nil
}

// Open opens name, with the flags and the mode of open(2). O_CREAT follows no
// link at the end of the name that leads to nothing: see MakeFile.
func (d Dir) Open(name string, flags int, mode uint32) (*os.File, error) {
	fd, err := d.OpenFD(name, flags, mode)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), name), nil
}

// OpenFD is Open for who wants no more than the descriptor, which is the
// caller's to close.
func (d Dir) OpenFD(name string, flags int, mode uint32) (int, error) {
	if name == "" || d.resolve&unix.RESOLVE_BENEATH != 0 && name == "/" {
		name = "."
	}
	how := unix.OpenHow{Flags: uint64(flags) | unix.O_CLOEXEC, Mode: uint64(mode), Resolve: d.resolve | unix.RESOLVE_NO_MAGICLINKS}
	fd, err := Openat2(int(d.file.Fd()), name, how)
	if err != nil {
		return -1, &os.PathError{Op: "open", Path: name, Err: err}
	}
	return fd, nil
}

// attempts is how often a path is tried while something is renamed anywhere on
// the host: the kernel then cannot tell where ".." leads (openat2(2), EAGAIN).
// Who renames without end gets an error, not a process that never ends.
const attempts = 128

// Openat2 is openat2(2), again where a signal or somebody's rename came between.
func Openat2(dir int, name string, how unix.OpenHow) (int, error) {
	for try := 1; ; try++ {
		fd, err := unix.Openat2(dir, name, &how)
		if errors.Is(err, unix.EINTR) || errors.Is(err, unix.EAGAIN) && try < attempts {
			continue
		}
		return fd, err
	}
}

// Follow is the path that name means after all links, absolute from the
// directory on, whether there is something or not. It says where things were: to
// use them, open the path again in the same Dir, which may lead elsewhere by
// then, and yet not out of it.
func (d Dir) Follow(name string) (string, error) {
	top := Path(d.file)
	full, err := securejoin.SecureJoin(top, name)
	if err != nil {
		return "", &os.PathError{Op: "resolve", Path: name, Err: err}
	}
	return path.Join("/", strings.TrimPrefix(full, top)), nil
}

// Path is another name of what f was opened as: it stays the same file,
// whatever its first name leads to by now.
func Path(f *os.File) string { return fmt.Sprintf("/proc/self/fd/%d", f.Fd()) }

// MkdirAll opens a directory and makes what is missing of it, 0755 whatever
// the umask, O_PATH.
func (d Dir) MkdirAll(name string) (*os.File, error) { return d.make(name, true, 0) }

// MakeFile opens a file, or makes an empty one, O_PATH.
func (d Dir) MakeFile(name string) (*os.File, error) { return d.make(name, false, 0) }

// maxLinks is how many links to nothing are followed one after the other.
const maxLinks = 8

// make opens name and makes it where it is missing. Links that lead to nothing
// are followed, as /etc/resolv.conf is one in images of systemd.
func (d Dir) make(name string, dir bool, links int) (*os.File, error) {
	flags := unix.O_PATH
	if dir {
		flags |= unix.O_DIRECTORY
	}
	f, err := d.Open(name, flags, 0)
	if !errors.Is(err, unix.ENOENT) || name == "/" || name == "." {
		return f, err
	}
	parent, err := d.make(path.Dir(name), true, links)
	if err != nil {
		return nil, err
	}
	defer parent.Close()
	err = makeAt(parent, path.Base(name), dir)
	if errors.Is(err, unix.EEXIST) && links < maxLinks && d.resolve&unix.RESOLVE_IN_ROOT != 0 {
		if link, lerr := readlinkAt(parent, path.Base(name)); lerr == nil {
			if !path.IsAbs(link) {
				link = path.Join(path.Dir(name), link)
			}
			return d.make(path.Clean("/"+link), dir, links+1)
		}
	}
	if err != nil && !errors.Is(err, unix.EEXIST) {
		return nil, &os.PathError{Op: "create", Path: name, Err: err}
	}
	return d.Open(name, flags, 0)
}

func makeAt(parent *os.File, name string, dir bool) error {
	if dir {
		if err := unix.Mkdirat(int(parent.Fd()), name, 0o755); err != nil {
			return err
		}
		return chmodNew(parent, name, unix.O_DIRECTORY, 0o755)
	}
	fd, err := unix.Openat(int(parent.Fd()), name, unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o644)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Fchmod(fd, 0o644)
}

// chmodNew takes the umask back out of what was just made.
func chmodNew(parent *os.File, name string, flags int, mode uint32) error {
	fd, err := unix.Openat(int(parent.Fd()), name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC|flags, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Fchmod(fd, mode)
}

func readlinkAt(parent *os.File, name string) (string, error) {
	buf := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(int(parent.Fd()), name, buf)
	if err != nil {
		return "", os.NewSyscallError("readlinkat", err)
	}
	return string(buf[:n]), nil
}

// Readlink returns where the link f, opened with O_PATH and O_NOFOLLOW, leads.
func Readlink(f *os.File) (string, error) { return readlinkAt(f, "") }
