// SPDX-License-Identifier: Apache-2.0

package exec

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"

	"coracle/pkg/dockerfile/files"
	"coracle/pkg/dockerfile/plan"
	"coracle/pkg/overlay"
)

// mounts are those of one RUN: looked at before its key is known, opened when
// it runs.
type mounts struct {
	*Solver
	list []mount
	undo []func()

	changed bool                  // the context changed while it was copied
	caches  map[string]cachePlace // that are locked, by name
}

// mount is one --mount.
type mount struct {
	plan.Mount
	layers  []overlay.LayerID // of a stage or an image
	context *files.Copy       // files of the context
	cache   string            // the name of a cache's directory
}

func (m *mounts) close() {
	for _, f := range slices.Backward(m.undo) {
		f()
	}
}

// find looks at what the mounts show of the context, and returns a digest for
// each, or nothing for what shows no such files.
func (m *mounts) find(list []plan.Mount) (digests []string, err error) {
	digests = make([]string, len(list))
	for i, pm := range list {
		x := mount{Mount: pm}
		if pm.Layers != nil {
			x.layers = m.Layers(pm.Layers)
		}
		if pm.Context {
			x.context = &files.Copy{}
			if err := x.context.Add(m.Context, x.Source, files.Options{}); err != nil {
				return nil, err
			}
			if digests[i], err = x.context.Digest(m.Ctx, m.Sums); err != nil {
				return nil, err
			}
		}
		if x.Type == instructions.MountTypeCache {
			x.cache = cacheName(x)
		}
		m.list = append(m.list, x)
	}
	// What lies in another mount comes after it.
	slices.SortStableFunc(m.list, func(a, b mount) int { return strings.Compare(a.At, b.At) })
	return digests, nil
}

// open makes the mounts' sources, and the variables that show secrets.
func (m *mounts) open(op plan.Run) (list []StepMount, env []string, err error) {
	if err := m.lockCaches(); err != nil {
		return nil, nil, err
	}
	for _, x := range m.list {
		sm := StepMount{Type: "bind", Target: x.At, ReadOnly: x.ReadOnly}
		switch x.Type {
		case instructions.MountTypeTmpfs:
			sm.Type, sm.Size = "tmpfs", x.SizeLimit
		case instructions.MountTypeCache:
			sm.Source, err = m.cache(x)
		case instructions.MountTypeSecret:
			var vars []string
			sm, vars, err = m.secret(x, x.At)
			env = append(env, vars...)
		default:
			sm.Source, err = m.bind(x)
		}
		if err != nil {
			return nil, nil, err
		}
		if sm.Target != "" {
			list = append(list, sm)
		}
	}
	if op.Script != "" {
		dir, err := m.Trees.TempDir("script-")
		if err != nil {
			return nil, nil, fmt.Errorf("write here-document: %w", err)
		}
		m.undo = append(m.undo, func() { _ = os.RemoveAll(dir) })
		file := filepath.Join(dir, "script")
		if err := os.WriteFile(file, []byte(op.Script), 0o755); err != nil {
			return nil, nil, fmt.Errorf("write here-document: %w", err)
		}
		list = append(list, StepMount{Type: "bind", Source: file, Target: op.Args[0], ReadOnly: true})
	}
	return list, env, nil
}

// bind shows files of the context, a stage or an image.
func (m *mounts) bind(x mount) (string, error) {
	if x.Layers != nil {
		return m.bindLayers(x)
	}
	if x.ReadOnly && (m.Context.Ignore == nil || len(m.Context.Ignore.Patterns()) == 0) {
		return m.attach(m.Context.Root(), x.Source, true)
	}
	// A copy: what the command may write is thrown away, and what
	// .dockerignore hides stays hidden.
	dir, err := m.Trees.TempDir("bind-")
	if err != nil {
		return "", err
	}
	m.undo = append(m.undo, func() { _ = os.RemoveAll(dir) })
	return filepath.Join(dir, "source"), m.copyOut(x.context, dir)
}

// copyOut copies a single source to the name "source" in dir.
func (m *mounts) copyOut(p *files.Copy, dir string) error {
	t, err := files.OpenTarget(dir, nil)
	if err != nil {
		return err
	}
	defer t.Close()
	copied := *p
	copied.Dest, copied.Itself = "/source", true
	err = copied.Write(m.Ctx, t)
	if errors.Is(err, files.ErrChanged) {
		m.changed, err = true, nil
	}
	return err
}

// bindLayers mounts the files of a stage or an image, and with rw something
// above them that is thrown away.
func (m *mounts) bindLayers(x mount) (string, error) {
	if x.ReadOnly || len(x.layers) == 0 {
		t, err := m.Trees.Of(x.layers)
		if err != nil {
			return "", err
		}
		return m.attach(t.Root(), x.Source, x.ReadOnly)
	}
	d, err := m.Store.NewDir()
	if err != nil {
		return "", err
	}
	m.undo = append(m.undo, func() { _ = d.Discard() })
	lowers, err := m.Store.Lowers(x.layers[len(x.layers)-1])
	if err != nil {
		return "", err
	}
	dir, unmount, err := m.Trees.mount(overlay.Rootfs{Lowers: lowers, Upper: d.Upper, Work: d.Work, Volatile: true})
	if err != nil {
		return "", err
	}
	m.undo = append(m.undo, unmount)
	root, err := os.OpenRoot(dir)
	if err != nil {
		return "", err
	}
	defer root.Close()
	return m.attach(root, x.Source, false)
}
