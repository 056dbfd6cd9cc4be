// SPDX-License-Identifier: Apache-2.0

package container

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"coracle/pkg/overlay"
	"coracle/pkg/state"
	"coracle/pkg/volume"
	"coracle/pkg/worker"
)

// FillVolumes does for a container that was created what its first start would
// do: its new volumes have their content from now on.
func FillVolumes(ctx context.Context, d state.Dirs, c *Container) error {
	if !c.needsFill(Volumes(d)) {
		return nil
	}
	w, err := c.With(ctx, d, worker.With{})
	if err == nil {
		_, err = fillOp.Call(ctx, d, c.ID, w)
	}
	return err
}

var fillOp = worker.Op[string, struct{}]{Name: "container.fill", Do: func(ctx context.Context, j *worker.Job, id string) (none struct{}, err error) {
	c, err := NewStore(j.Dirs).Load(id)
	if err != nil {
		return none, err
	}
	return none, c.fillVolumes(ctx, Volumes(j.Dirs))
}}

// fills reports whether m is a volume that takes what the image has in its place.
func (m Mount) fills() bool { return m.Type == MountVolume && !m.NoCopy && m.Subpath == "" }

// needsFill reports whether [FillVolumes] has something to do.
func (c *Container) needsFill(vs *volume.Store) bool {
	for _, m := range c.Mounts {
		if !m.fills() {
			continue
		}
		if need := vs.NeedsFill(m.Name); need == volume.Unfinished || need == volume.IfAny && c.mayHaveContent(m.Target) {
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

// fillVolumes is [Container.FillFrom] of a container that does not run.
//
// Preconditions: root in the user namespace.
func (c *Container) fillVolumes(ctx context.Context, vs *volume.Store) error {
	lock, err := state.Acquire(ctx, c.dir.Lock(), state.Exclusive)
	if err != nil {
		return fmt.Errorf("fill volumes: %w", err)
	}
	defer lock.Release()
	target := c.dir.Rootfs()
	if err := overlay.MountRootfs(overlay.Rootfs{Lowers: c.lowers(c.LayerDirs), Target: target}); err != nil {
		return err
	}
	defer func() { _ = unix.Unmount(target, unix.MNT_DETACH) }()
	return c.FillFrom(ctx, vs, target)
}

// FillFrom gives c's new volumes what its root file system, which is mounted at
// rootfs, has in their places.
//
// Preconditions: root in the user namespace; the container's lock is held.
func (c *Container) FillFrom(ctx context.Context, vs *volume.Store, rootfs string) error {
	root, err := os.OpenFile(rootfs, unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		return fmt.Errorf("fill volumes: %w", err)
	}
	defer root.Close()
	for _, m := range c.Mounts {
		if !m.fills() {
			continue
		}
		if err := vs.Fill(ctx, m.Name, m.Target, root); err != nil {
			return err
		}
	}
	return nil
}
