// SPDX-License-Identifier: Apache-2.0

package inroot

import (
	"errors"
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// Size sums up the bytes of the files below a directory, which somebody may be
// writing: each counted once however many names it has, and no link followed. Of
// what is no directory it is 0. The first that cannot be read ends it.
func Size(dir string) (int64, error) {
	f, err := os.OpenFile(dir, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if vanished(err) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer f.Close()
	m := measure{seen: map[inode]bool{}}
	err = m.dir(f)
	return m.sum, err
}

type inode struct{ dev, ino uint64 }

type measure struct {
	seen map[inode]bool // of the files with several names
	sum  int64
}

func (m *measure) dir(f *os.File) error {
	for {
		names, err := f.Readdirnames(512)
		if err == io.EOF || errors.Is(err, unix.ENOENT) { // it was deleted
			return nil
		}
		if err != nil {
			return err
		}
		for _, name := range names {
			if err := m.entry(f, name); err != nil && !vanished(err) {
				return &fs.PathError{Op: "measure", Path: f.Name() + "/" + name, Err: err}
			}
		}
	}
}

// vanished reports whether there is no directory, or no file, where there was one.
func vanished(err error) bool {
	return errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP)
}

func (m *measure) entry(parent *os.File, name string) error {
	var st unix.Stat_t
	if err := unix.Fstatat(int(parent.Fd()), name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT == unix.S_IFDIR {
		fd, err := unix.Openat(int(parent.Fd()), name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		f := os.NewFile(uintptr(fd), parent.Name()+"/"+name)
		defer f.Close()
		return m.dir(f)
	}
	if st.Nlink > 1 {
		key := inode{st.Dev, st.Ino}
		if m.seen[key] {
			return nil
		}
		m.seen[key] = true
	}
	m.sum += st.Size
	return nil
}
