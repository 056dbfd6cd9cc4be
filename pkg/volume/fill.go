// SPDX-License-Identifier: Apache-2.0

package volume

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"

	"coracle/pkg/container/transfer"
	"coracle/pkg/inroot"
	"coracle/pkg/state"
)

// Fill gives an empty volume what root, a container's root file system, has where
// the volume is mounted. It is all there or not at all: the content is prepared
// beside the volume's directory, and moved in when it is complete; a move that was
// cut off is finished by the next container that mounts the volume.
//
// Preconditions: root in the user namespace; the volume has a user.
func (s *Store) Fill(ctx context.Context, name, target string, root *os.File) error {
	src, err := s.Source(name)
	if err != nil || src.Kind == Tmpfs {
		return err
	}
	dir := s.dirs.Volume(name)
	data, err := os.OpenFile(src.Dir, os.O_RDONLY|unix.O_DIRECTORY, 0) // whatever it is called from now on
	if err != nil {
		return nil // nothing that could be filled: the mount says what is wrong
	}
	defer data.Close()
	if !isEmpty(data) && !exists(dir.Fill()) {
		return nil
	}
	lock, err := state.Acquire(ctx, dir.FillLock(), state.Exclusive)
	if err == nil {
		defer lock.Release()
		err = fillLocked(data, dir, src.Kind == Bind, target, root)
	}
	if err != nil {
		return fmt.Errorf("fill volume %s: %w", name, err)
	}
	return nil
}

func fillLocked(data *os.File, dir state.VolumeDir, elsewhere bool, target string, root *os.File) error {
	full := dir.Fill()
	if exists(full) {
		return moveContent(data, full)
	}
	if !isEmpty(data) {
		return nil
	}
	// The image is hostile: target is resolved inside its root file system.
	from, err := inroot.Root(root).Open(target, unix.O_PATH|unix.O_DIRECTORY, 0)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP) {
		return nil
	}
	if err != nil {
		return err
	}
	defer from.Close()
	if elsewhere { // on another file system, perhaps
		_, err = transfer.Copy(data, from)
		return err
	}
	tmp := dir.NewFill()
	if err := os.RemoveAll(tmp); err != nil {
		return err
	}
	if err := os.Mkdir(tmp, 0o700); err != nil {
		return err
	}
	if err := copyContent(tmp, from); err != nil {
		return errors.Join(err, os.RemoveAll(tmp))
	}
	if err := os.Rename(tmp, full); err != nil {
		return err
	}
	return moveContent(data, full)
}

func copyContent(dir string, from *os.File) error {
	to, err := os.OpenFile(dir, unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	defer to.Close()
	_, err = transfer.Copy(to, from)
	return err
}

// moveContent ends a fill. What is in the volume already stays as it is.
func moveContent(data *os.File, full string) error {
	info, err := os.Lstat(full) // before a move changes its times
	if err != nil {
		return err
	}
	entries, err := os.ReadDir(full)
	if err != nil {
		return err
	}
	for _, e := range entries {
		err := unix.Renameat2(unix.AT_FDCWD, filepath.Join(full, e.Name()), int(data.Fd()), e.Name(), unix.RENAME_NOREPLACE)
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return &os.PathError{Op: "move", Path: e.Name(), Err: err}
		}
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		if err := data.Chown(int(st.Uid), int(st.Gid)); err != nil {
			return err
		}
	}
	err = errors.Join(data.Chmod(info.Mode()), os.Chtimes(inroot.Path(data), info.ModTime(), info.ModTime()))
	return errors.Join(err, os.RemoveAll(full))
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

func isEmpty(dir *os.File) bool {
	if _, err := dir.Seek(0, io.SeekStart); err != nil {
		return false
	}
	_, err := dir.Readdirnames(1)
	return err == io.EOF
}

// Need is what [Store.Fill] would find.
type Need int

const (
	// NoFill is a volume with something in it, or one that takes nothing.
	NoFill Need = iota
	// IfAny is one that takes what the image has for it.
	IfAny
	// Unfinished is one whose content is on its way.
	Unfinished
)

// NeedsFill looks at a volume without any right to fill it.
func (s *Store) NeedsFill(name string) Need {
	src, err := s.Source(name)
	if err != nil || src.Kind == Tmpfs {
		return NoFill
	}
	if exists(s.dirs.Volume(name).Fill()) {
		return Unfinished
	}
	data, err := os.OpenFile(src.Dir, os.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return NoFill
	}
	defer data.Close()
	if isEmpty(data) {
		return IfAny
	}
	return NoFill
}
