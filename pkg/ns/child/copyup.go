// SPDX-License-Identifier: Apache-2.0

package child

import (
	"io"
	"io/fs"
	"os"
	"strconv"
	"syscall"
)

// copyUp fills a new file system with what its mount point holds, for the
// option tmpcopyup. Nothing runs in the container yet, and no link is followed.
func copyUp(mnt int, dir *os.File) error {
	from, err := os.OpenRoot("/proc/self/fd/" + strconv.Itoa(int(dir.Fd())))
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := os.OpenRoot("/proc/self/fd/" + strconv.Itoa(mnt))
	if err != nil {
		return err
	}
	defer to.Close()
	return fs.WalkDir(from.FS(), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		return copyEntry(to, from, path, info)
	})
}

func copyEntry(to, from *os.Root, path string, info fs.FileInfo) error {
	var err error
	switch info.Mode().Type() {
	case fs.ModeDir:
		if path != "." {
			err = to.Mkdir(path, 0o700)
		}
	case fs.ModeSymlink:
		var target string
		if target, err = from.Readlink(path); err == nil {
			err = to.Symlink(target, path)
		}
	case 0:
		err = copyFile(to, from, path)
	default:
		return nil // devices are none of the image's
	}
	if err != nil {
		return err
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		if err := to.Lchown(path, int(st.Uid), int(st.Gid)); err != nil {
			return err
		}
	}
	if info.Mode()&fs.ModeSymlink != 0 {
		return nil
	}
	return to.Chmod(path, info.Mode())
}

func copyFile(to, from *os.Root, path string) error {
	r, err := from.Open(path)
	if err != nil {
		return err
	}
	defer r.Close()
	w, err := to.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if _, err := io.Copy(w, r); err != nil {
		w.Close()
		return err
	}
	return w.Close()
}
