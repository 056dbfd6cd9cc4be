// SPDX-License-Identifier: Apache-2.0

package supervise

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	securejoin "github.com/cyphar/filepath-securejoin"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"coracle/pkg/container"
	"coracle/pkg/overlay"
)

// mounts turns the record's mounts into those of the spec, and fills new
// volumes from the image.
func (s *supervisor) mounts() ([]specs.Mount, error) {
	var list []specs.Mount
	for _, m := range s.c.Mounts {
		sm, err := s.mount(m)
		if err != nil {
			return nil, err
		}
		list = append(list, sm)
	}
	return append(list, s.deviceMounts()...), nil
}

func (s *supervisor) mount(m container.Mount) (specs.Mount, error) {
	sm := specs.Mount{Destination: m.Target, Type: "bind"}
	switch m.Type {
	case container.MountTmpfs:
		sm.Type, sm.Source = "tmpfs", "tmpfs"
		sm.Options = tmpfsOptions(m.TmpfsOptions)
		if m.ReadOnly {
			sm.Options = append(sm.Options, "ro")
		}
		return sm, nil
	case container.MountBind:
		sm.Source = m.Source
		if _, err := os.Stat(m.Source); errors.Is(err, fs.ErrNotExist) && m.CreateSource {
			if err := os.MkdirAll(m.Source, 0o755); err != nil {
				return sm, fmt.Errorf("error while creating mount source path '%s': %w", m.Source, err)
			}
		}
	case container.MountVolume:
		src, err := s.volume(m)
		if err != nil {
			return sm, err
		}
		sm.Source = src
	case container.MountImage:
		src, err := s.imageMount(m)
		if err != nil {
			return sm, err
		}
		sm.Source = src
	}
	if _, err := os.Stat(sm.Source); err != nil {
		return sm, fmt.Errorf("invalid mount config for type %q: bind source path does not exist: %s", m.Type, sm.Source)
	}
	propagation := m.Propagation
	if propagation == "" {
		propagation = "rprivate"
	}
	sm.Options = []string{"rbind", propagation}
	if m.Recursive == "disabled" {
		sm.Options[0] = "bind"
	}
	switch {
	case m.ReadOnly && m.Recursive == "writable":
		sm.Options = append(sm.Options, "ro-top")
	case m.ReadOnly:
		sm.Options = append(sm.Options, "ro")
	}
	return sm, nil
}

// tmpfsOptions puts the options asked for over Docker's: exec takes noexec
// away.
func tmpfsOptions(asked []string) []string {
	all := []string{"nosuid", "nodev", "noexec"}
	for _, o := range asked {
		all = slices.DeleteFunc(all, func(have string) bool { return have == "no"+o })
		if o != "atime" && o != "diratime" && o != "norelatime" && o != "nostrictatime" && o != "async" {
			all = append(all, o)
		}
	}
	return all
}

// deviceMounts bind nodes of the host. No node that is bound is made: the
// file system of /dev allows what its own owner may do.
func (s *supervisor) deviceMounts() []specs.Mount {
	var list []specs.Mount
	for _, d := range s.c.Safety.Devices {
		list = append(list, specs.Mount{Destination: d.Target, Type: "bind", Source: d.Source, Options: []string{"bind", "rprivate"}})
	}
	return list
}

// imageMount mounts an image read-only where the supervisor's namespace ends
// with it, and returns the directory that is asked for of it.
func (s *supervisor) imageMount(m container.Mount) (string, error) {
	dir := filepath.Join(s.c.Dir(), "images", strings.ReplaceAll(strings.Trim(m.Target, "/"), "/", "-"))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("mount image %s: %w", m.Source, err)
	}
	_ = unix.Unmount(dir, unix.MNT_DETACH) // of the start before
	if err := overlay.MountRootfs(overlay.Rootfs{Lowers: topmostFirst(m.LayerDirs), Target: dir}); err != nil {
		return "", fmt.Errorf("mount image %s: %w", m.Source, err)
	}
	s.imageDirs = append(s.imageDirs, dir)
	if m.Subpath != "" {
		return securejoin.SecureJoin(dir, m.Subpath)
	}
	return dir, nil
}

// volume returns the directory to mount for a volume, filled from the image
// when it is empty.
func (s *supervisor) volume(m container.Mount) (string, error) {
	if _, err := s.store.LoadVolume(m.Name); err != nil {
		return "", err
	}
	dir := s.store.DataDir(m.Name)
	if m.Subpath != "" {
		return securejoin.SecureJoin(dir, m.Subpath)
	}
	if m.NoCopy {
		return dir, nil
	}
	to, err := os.OpenRoot(dir)
	if err != nil {
		return "", fmt.Errorf("open volume %s: %w", m.Name, err)
	}
	defer to.Close()
	if names, err := to.FS().(fs.ReadDirFS).ReadDir("."); err != nil || len(names) > 0 {
		return dir, err
	}
	if err := fillVolume(to, s.box.Rootfs(), m.Target); err != nil {
		return "", fmt.Errorf("fill volume %s: %w", m.Name, err)
	}
	return dir, nil
}

// fillVolume copies what the image has at target into an empty volume, owners
// and modes with it. The image is hostile: target is resolved inside its root
// file system, and from there on nothing leaves the two directories.
func fillVolume(to *os.Root, rootfs, target string) error {
	inside, err := securejoin.SecureJoin(rootfs, target)
	if err != nil {
		return err
	}
	from, err := os.OpenRoot(inside)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) {
		return nil
	}
	if err != nil {
		return err
	}
	defer from.Close()
	return fs.WalkDir(from.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return copyEntry(to, from, name)
	})
}

func copyEntry(to, from *os.Root, name string) error {
	info, err := from.Lstat(name)
	if err != nil {
		return err
	}
	switch mode := info.Mode(); {
	case mode.IsDir():
		if name != "." {
			err = to.Mkdir(name, 0o700)
		}
	case mode.IsRegular():
		err = copyFile(to, from, name)
	case mode.Type() == fs.ModeSymlink:
		var link string
		if link, err = from.Readlink(name); err == nil {
			err = to.Symlink(link, name)
		}
	default:
		return nil // devices, sockets and pipes are not content
	}
	if err != nil {
		return err
	}
	return copyAttributes(to, name, info)
}

func copyAttributes(to *os.Root, name string, info fs.FileInfo) error {
	st, ok := info.Sys().(*syscall.Stat_t)
	if ok {
		// With a single id every owner is the same.
		if err := to.Lchown(name, int(st.Uid), int(st.Gid)); err != nil && !errors.Is(err, unix.EINVAL) {
			return err
		}
	}
	if info.Mode().Type() == fs.ModeSymlink {
		return nil
	}
	if err := to.Chmod(name, info.Mode()&(fs.ModePerm|fs.ModeSetuid|fs.ModeSetgid|fs.ModeSticky)); err != nil {
		return err
	}
	return to.Chtimes(name, info.ModTime(), info.ModTime())
}

func copyFile(to, from *os.Root, name string) error {
	src, err := from.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	defer src.Close()
	dst, err := to.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(dst, src)
	return errors.Join(err, dst.Close())
}
