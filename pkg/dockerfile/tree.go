// SPDX-License-Identifier: Apache-2.0

package dockerfile

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"coracle/pkg/dockerfile/files"
	"coracle/pkg/overlay"
)

func (b *builder) tempDir(prefix string) (string, error) {
	scratch, err := b.st.Scratch()
	if err != nil {
		return "", err
	}
	return os.MkdirTemp(scratch, prefix)
}

// mount mounts a root file system at a directory of its own.
func (b *builder) mount(r overlay.Rootfs) (dir string, unmount func(), err error) {
	if dir, err = b.tempDir("mnt-"); err != nil {
		return "", nil, fmt.Errorf("mount layers: %w", err)
	}
	r.Target = dir
	if err := overlay.MountRootfs(r); err != nil {
		_ = os.Remove(dir)
		return "", nil, err
	}
	return dir, func() {
		_ = unix.Unmount(dir, unix.MNT_DETACH)
		_ = os.Remove(dir)
	}, nil
}

// mountUpper shows the layers with a new one on top, for this process only.
func (b *builder) mountUpper(d *overlay.Dir, lowers []string) (*files.Target, error) {
	if len(lowers) == 0 {
		return files.OpenTarget(d.Upper, nil)
	}
	dir, unmount, err := b.mount(overlay.Rootfs{Lowers: lowers, Upper: d.Upper, Work: d.Work, Volatile: true})
	if err != nil {
		return nil, err
	}
	t, err := files.OpenTarget(dir, unmount)
	if err != nil {
		unmount()
		return nil, err
	}
	return t, nil
}

// layersTree shows the files of layers, to be read.
func (b *builder) layersTree(layers []overlay.LayerID) (*files.Tree, error) {
	var top overlay.LayerID
	if len(layers) > 0 {
		top = layers[len(layers)-1]
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if t, ok := b.layerTrees[top]; ok {
		return t, nil
	}
	t, err := b.newLayersTree(top)
	if err != nil {
		return nil, err
	}
	t.Owners = true
	b.layerTrees[top], b.trees = t, append(b.trees, t)
	return t, nil
}

func (b *builder) newLayersTree(top overlay.LayerID) (*files.Tree, error) {
	if top == "" {
		dir, err := b.tempDir("mnt-")
		if err != nil {
			return nil, err
		}
		return files.OpenTree(dir, func() { _ = os.Remove(dir) })
	}
	lowers, err := b.st.Lowers(top)
	if err != nil {
		return nil, err
	}
	dir, unmount, err := b.mount(overlay.Rootfs{Lowers: lowers})
	if err != nil {
		return nil, err
	}
	t, err := files.OpenTree(dir, unmount)
	if err != nil {
		unmount()
		return nil, err
	}
	return t, nil
}
