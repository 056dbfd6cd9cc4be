// SPDX-License-Identifier: Apache-2.0

package container

import (
	"context"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"coracle/pkg/overlay"
	"coracle/pkg/state"
)

// MountFiles mounts the files of a container that does not run, with what is
// mounted in it unless bare is set. The container does not start until release is
// called, which closes root.
//
// Preconditions: root in the user namespace.
func (s *Store) MountFiles(ctx context.Context, c *Container, bare bool) (root *os.File, release func(), err error) {
	lock, err := state.Acquire(ctx, s.dirs.Container(c.ID).Lock(), state.Exclusive)
	if err != nil {
		return nil, nil, fmt.Errorf("open files: %w", err)
	}
	target := c.dir.Rootfs()
	release = func() {
		if root != nil {
			root.Close()
		}
		_ = unix.Unmount(target, unix.MNT_DETACH)
		lock.Release()
	}
	if err = c.OwnRoot(); err == nil {
		err = overlay.MountRootfs(c.Rootfs())
	}
	if err == nil {
		root, err = os.Open(target)
	}
	if err == nil && !bare {
		err = c.attachAll(Volumes(s.dirs), root)
	}
	if err != nil {
		release()
		return nil, nil, err
	}
	return root, release, nil
}

// Rootfs is the container's root file system.
func (c *Container) Rootfs() overlay.Rootfs {
	return overlay.Rootfs{
		Lowers: c.lowers(c.LayerDirs), Upper: c.dir.Upper(), Work: c.dir.Work(), Target: c.dir.Rootfs(),
		// Nothing of a container that is removed at its end needs to survive a
		// power cut.
		Volatile: c.Life.AutoRemove,
	}
}
