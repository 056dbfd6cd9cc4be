// SPDX-License-Identifier: Apache-2.0

package plain

import (
	"errors"
	"io/fs"
	"os"
	"path"

	"golang.org/x/sys/unix"
)

// dir is an open directory and its name in the tree, which errors say.
type dir struct {
	fd   int
	name string
}

func openDir(at int, base, name string) (*dir, error) {
	fd, err := unix.Openat(at, base, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, pathError("open", name, err)
	}
	return &dir{fd, name}, nil
}

// root opens the top of a tree.
func root(p string) (*dir, error) {
	fd, err := unix.Open(p, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, pathError("open", p, err)
	}
	return &dir{fd, ""}, nil
}

func (d *dir) close() { unix.Close(d.fd) }

func (d *dir) child(base string) (*dir, error) {
	return openDir(d.fd, base, path.Join(d.name, base))
}

// at is what is in the directory, without following a link.
func (d *dir) at(base string) (*unix.Stat_t, error) {
	var st unix.Stat_t
	if err := unix.Fstatat(d.fd, base, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return nil, pathError("lstat", path.Join(d.name, base), err)
	}
	return &st, nil
}

// names are what is in the directory, in any order.
func (d *dir) names() ([]string, error) {
	fd, err := unix.Openat(d.fd, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, pathError("open", d.name, err)
	}
	f := os.NewFile(uintptr(fd), d.name)
	defer f.Close()
	return f.Readdirnames(-1)
}

// remove makes a name free, with all that is below.
func (d *dir) remove(base string) error {
	err := unix.Unlinkat(d.fd, base, 0)
	if err == nil || errors.Is(err, unix.ENOENT) {
		return nil
	}
	if !errors.Is(err, unix.EISDIR) && !errors.Is(err, unix.EPERM) && !errors.Is(err, unix.ENOTEMPTY) {
		return pathError("remove", path.Join(d.name, base), err)
	}
	sub, err := d.child(base)
	if err != nil {
		return err
	}
	defer sub.close()
	if err := sub.clear(); err != nil {
		return err
	}
	return pathError("remove", sub.name, unix.Unlinkat(d.fd, base, unix.AT_REMOVEDIR))
}

// clear removes all that is in the directory.
func (d *dir) clear() error {
	names, err := d.names()
	if err != nil {
		return err
	}
	for _, n := range names {
		if err := d.remove(n); err != nil {
			return err
		}
	}
	return nil
}

func isDir(st *unix.Stat_t) bool { return st.Mode&unix.S_IFMT == unix.S_IFDIR }

func missing(err error) bool { return errors.Is(err, fs.ErrNotExist) }
