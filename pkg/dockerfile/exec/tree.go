// SPDX-License-Identifier: Apache-2.0

package exec

import (
	"fmt"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"coracle/pkg/dockerfile/files"
	"coracle/pkg/overlay"
)

// Trees are the files of layers, as they are seen and written on during a
// build.
type Trees struct {
	st *overlay.Store

	mu     sync.Mutex
	open   []*files.Tree // until the build ends
	layers map[overlay.LayerID]*files.Tree
}

// NewTrees are those of a store.
func NewTrees(st *overlay.Store) *Trees {
	return &Trees{st: st, layers: map[overlay.LayerID]*files.Tree{}}
}

// Keep closes a tree when the build ends.
func (b *Trees) Keep(t *files.Tree) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.open = append(b.open, t)
}

// Close ends what is shown.
func (b *Trees) Close() {
	for _, t := range b.open {
		t.Close()
	}
}

// TempDir makes a directory that the caller removes.
func (b *Trees) TempDir(prefix string) (string, error) {
	scratch, err := b.st.Scratch()
	if err != nil {
		return "", err
	}
	return os.MkdirTemp(scratch, prefix)
}

// mount mounts a root file system at a directory of its own.
func (b *Trees) mount(r overlay.Rootfs) (dir string, unmount func(), err error) {
	if dir, err = b.TempDir("mnt-"); err != nil {
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
// Who does not only make new files says that he changes those that are there.
func (b *Trees) mountUpper(d *overlay.Dir, lowers []string, changes bool) (*files.Target, error) {
	if len(lowers) == 0 {
		return files.OpenTarget(d.Upper, nil)
	}
	dir, unmount, err := b.mount(overlay.Rootfs{Lowers: lowers, Upper: d.Upper, Work: d.Work, Volatile: true, Replaces: !changes})
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

// Of shows the files of layers, to be read.
func (b *Trees) Of(layers []overlay.LayerID) (*files.Tree, error) {
	var top overlay.LayerID
	if len(layers) > 0 {
		top = layers[len(layers)-1]
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if t, ok := b.layers[top]; ok {
		return t, nil
	}
	t, err := b.newTree(top)
	if err != nil {
		return nil, err
	}
	t.Owners = true
	b.layers[top], b.open = t, append(b.open, t)
	return t, nil
}

func (b *Trees) newTree(top overlay.LayerID) (*files.Tree, error) {
	if top == "" {
		dir, err := b.TempDir("mnt-")
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
