// SPDX-License-Identifier: Apache-2.0

package container

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"coracle/pkg/container/transfer"
	"coracle/pkg/inroot"
	"coracle/pkg/overlay"
	"coracle/pkg/state"
)

// FillVolume gives an empty volume what root, a container's root file system,
// has where the volume is mounted. It is all there or not at all: the content
// is prepared beside the volume's directory, and moved in when it is complete;
// a move that was cut off is finished by the next container that mounts the
// volume.
//
//	volumes/NAME/fill.tmp/   being prepared
//	volumes/NAME/fill/       complete, on its way to data/
//
// Preconditions: root in the user namespace; the volume has a user.
func (s *Store) FillVolume(ctx context.Context, m Mount, root *os.File) error {
	if m.Type != MountVolume || m.NoCopy || m.Subpath != "" {
		return nil
	}
	real, err := s.MountOf(m)
	if err != nil || real.Type == MountTmpfs {
		return err
	}
	dir := s.dirs.Volume(m.Name)
	place := s.DataDir(m.Name)
	if real.Type == MountBind {
		place = real.Source
	}
	data, err := os.OpenFile(place, os.O_RDONLY|unix.O_DIRECTORY, 0) // whatever it is called from now on
	if err != nil {
		return nil // nothing that could be filled: the mount says what is wrong
	}
	defer data.Close()
	if !isEmpty(data) && !exists(dir.Fill()) {
		return nil
	}
	lock, err := state.Acquire(ctx, s.dirs.Volume(m.Name).FillLock(), state.Exclusive)
	if err == nil {
		defer lock.Release()
		err = s.fillLocked(data, dir, real.Type == MountBind, m.Target, root)
	}
	if err != nil {
		return fmt.Errorf("fill volume %s: %w", m.Name, err)
	}
	return nil
}

func (s *Store) fillLocked(data *os.File, dir state.VolumeDir, elsewhere bool, target string, root *os.File) error {
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

// isEmptyDir reports whether dir can be read and has nothing in it.
func isEmptyDir(dir string) bool {
	f, err := os.OpenFile(dir, os.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return false
	}
	defer f.Close()
	return isEmpty(f)
}

func isEmpty(dir *os.File) bool {
	if _, err := dir.Seek(0, io.SeekStart); err != nil {
		return false
	}
	_, err := dir.Readdirnames(1)
	return err == io.EOF
}

// needsFill reports whether [Store.FillVolumes] has something to do.
func (s *Store) needsFill(c *Container) bool {
	for _, m := range c.Mounts {
		if m.Type != MountVolume || m.NoCopy || m.Subpath != "" {
			continue
		}
		real, err := s.MountOf(m)
		if err != nil || real.Type == MountTmpfs {
			continue
		}
		data := s.DataDir(m.Name)
		if real.Type == MountBind {
			data = real.Source
		}
		if exists(s.dirs.Volume(m.Name).Fill()) || isEmptyDir(data) && c.mayHaveContent(m.Target) {
			return true
		}
	}
	return false
}

// mayHaveContent is false where the image surely has nothing at target: links
// on the way may lead anywhere.
func (c *Container) mayHaveContent(target string) bool {
	elems := strings.Split(strings.Trim(target, "/"), "/")
	for _, layer := range c.LayerDirs {
		path := layer
		for i, elem := range elems {
			path = filepath.Join(path, elem)
			info, err := os.Lstat(path)
			if err != nil {
				if errors.Is(err, fs.ErrPermission) {
					return true
				}
				break
			}
			if !info.IsDir() && info.Mode()&fs.ModeSymlink == 0 {
				break
			}
			if info.Mode()&fs.ModeSymlink != 0 || i == len(elems)-1 {
				return true
			}
		}
	}
	return false
}

// fillVolumes is [Store.FillVolumes].
//
// Preconditions: root in the user namespace.
func (s *Store) fillVolumes(ctx context.Context, c *Container) error {
	lock, err := state.Acquire(ctx, s.dirs.Container(c.ID).Lock(), state.Exclusive)
	if err != nil {
		return fmt.Errorf("fill volumes: %w", err)
	}
	defer lock.Release()
	target := c.dir.Rootfs()
	if err := overlay.MountRootfs(overlay.Rootfs{Lowers: topmostFirst(c.LayerDirs), Target: target}); err != nil {
		return err
	}
	defer func() { _ = unix.Unmount(target, unix.MNT_DETACH) }()
	root, err := os.OpenFile(target, unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	defer root.Close()
	for _, m := range c.Mounts {
		if err := s.FillVolume(ctx, m, root); err != nil {
			return err
		}
	}
	return nil
}
