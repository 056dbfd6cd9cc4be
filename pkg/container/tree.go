// SPDX-License-Identifier: Apache-2.0

package container

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"

	"coracle/pkg/inroot"
	"coracle/pkg/mount"
	"coracle/pkg/overlay"
	"coracle/pkg/volume"
)

// OpenTree returns what m, which is no tmpfs, shows, as a detached mount: what
// its source and its subpath lead to is looked up here and never again, so that
// nobody who can write there has a say in it any more.
//
// Preconditions: root in the user namespace; m is of [Mount.Resolve].
func (c *Container) OpenTree(m Mount) (*os.File, error) {
	switch m.Type {
	case MountBind:
		return m.openBind()
	case MountVolume:
		dir, err := os.OpenFile(m.Source, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
		if err != nil {
			return nil, fmt.Errorf("open volume %s: %w", m.Name, err)
		}
		defer dir.Close()
		return m.cloneFrom(dir)
	case MountImage:
		return c.openImage(m)
	}
	return nil, fmt.Errorf("mount %s: a mount of type %s has no source", m.Target, m.Type)
}

func (m Mount) openBind() (*os.File, error) {
	f, err := os.OpenFile(m.Source, unix.O_PATH, 0)
	if errors.Is(err, fs.ErrNotExist) && m.CreateSource {
		if err := makeSource(m.Source); err != nil {
			return nil, fmt.Errorf("error while creating mount source path '%s': %w", m.Source, err)
		}
		f, err = os.OpenFile(m.Source, unix.O_PATH, 0)
	}
	switch {
	case err != nil && m.volume != "":
		return nil, fmt.Errorf("error while mounting volume '%s': failed to mount local volume: %w", m.volume, err)
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("invalid mount config for type \"bind\": bind source path does not exist: %s", m.Source)
	case err != nil:
		return nil, err
	}
	defer f.Close()
	return m.cloneFrom(f)
}

// makeSource makes a missing source of a bind mount: a directory that others
// may read, whatever the caller's umask.
func makeSource(dir string) error {
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return nil
		}
		return err
	}
	return os.Chmod(dir, 0o755)
}

// cloneFrom takes what m's subpath is in dir, whose links lead nowhere else.
func (m Mount) cloneFrom(dir *os.File) (*os.File, error) {
	if m.Subpath != "" {
		sub, err := inroot.Root(dir).Open(m.Subpath, unix.O_PATH, 0)
		if err != nil {
			return nil, fmt.Errorf("cannot access path %s: %w", m.Subpath, errors.Unwrap(err))
		}
		defer sub.Close()
		dir = sub
	}
	return mount.Clone(dir, m.Recursive != "disabled")
}

// openImage mounts an image for as long as it takes to have it as a tree.
func (c *Container) openImage(m Mount) (*os.File, error) {
	fail := func(err error) (*os.File, error) { return nil, fmt.Errorf("mount image %s: %w", m.Source, err) }
	dir := c.dir.ImageMount(m.Target)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fail(err)
	}
	if err := overlay.MountRootfs(overlay.Rootfs{Lowers: c.lowers(m.LayerDirs), Target: dir}); err != nil {
		return fail(err)
	}
	defer func() { _ = unix.Unmount(dir, unix.MNT_DETACH) }()
	root, err := os.OpenFile(dir, unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		return fail(err)
	}
	defer root.Close()
	tree, err := m.cloneFrom(root)
	if err != nil {
		return fail(err)
	}
	return tree, nil
}

func topmostFirst(dirs []string) []string {
	out := slices.Clone(dirs)
	slices.Reverse(out)
	return out
}

// BindOptions are the options of m, which is no tmpfs, as a runtime
// specification has them.
func (m Mount) BindOptions() []string {
	propagation := m.Propagation
	if propagation == "" {
		propagation = "rprivate"
	}
	options := []string{"rbind", propagation}
	if m.Recursive == "disabled" {
		options[0] = "bind"
	}
	switch {
	case m.ReadOnly && m.Recursive == "writable":
		options = append(options, "ro-top")
	case m.ReadOnly:
		options = append(options, "ro")
	}
	return append(options, m.flags...)
}

// attachAll mounts what c asks for over its root file system, for who looks
// into it while it does not run. A tmpfs is empty then, and takes nothing that
// the container would never see.
func (c *Container) attachAll(vs *volume.Store, root *os.File) error {
	for _, asked := range slices.Concat(c.Mounts, c.netFiles()) {
		if asked.API {
			continue // served while the container runs
		}
		m, err := asked.Resolve(vs)
		if err == nil {
			err = c.attach(m, root)
		}
		if err != nil {
			return fmt.Errorf("mount %s: %w", asked.Target, err)
		}
	}
	if c.Safety.ReadOnlyRootfs {
		return mount.Set(root, []string{"ro"})
	}
	return nil
}

// netFiles are the files of c's names and addresses, as its last run left them.
func (c *Container) netFiles() []Mount {
	var list []Mount
	for _, name := range []string{"resolv.conf", "hosts", "hostname"} {
		m := Mount{Type: MountBind, Source: filepath.Join(c.dir.Files(), name), Target: "/etc/" + name}
		taken := func(asked Mount) bool { return asked.Target == m.Target }
		if _, err := os.Lstat(m.Source); err == nil && !slices.ContainsFunc(c.Mounts, taken) {
			list = append(list, m)
		}
	}
	return list
}

func (c *Container) attach(m Mount, root *os.File) error {
	open := func() (*os.File, error) { return c.OpenTree(m) }
	if m.Type == MountTmpfs {
		open, m = mount.Nothing, Mount{Target: m.Target, ReadOnly: true}
	}
	tree, err := open()
	if err != nil {
		return err
	}
	defer tree.Close()
	info, err := tree.Stat()
	if err != nil {
		return err
	}
	place := inroot.Root(root).MakeFile
	if info.IsDir() {
		place = inroot.Root(root).MkdirAll
	}
	to, err := place(m.Target)
	if err != nil {
		return err
	}
	defer to.Close()
	m.Propagation = "" // nobody else is to see what is mounted here
	if err := mount.Set(tree, m.BindOptions()); err != nil {
		return err
	}
	return mount.Attach(tree, to)
}
