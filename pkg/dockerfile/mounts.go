// SPDX-License-Identifier: Apache-2.0

package dockerfile

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"

	"coracle/pkg/dockerfile/files"
	"coracle/pkg/overlay"
)

// mounts are those of one RUN: planned before its key is known, opened when it
// runs.
type mounts struct {
	b    *builder
	s    *stage
	list []mount
	undo []func()

	changed bool                  // the context changed while it was copied
	caches  map[string]cachePlace // that are locked, by name
}

// mount is one --mount.
type mount struct {
	*instructions.Mount
	target  string            // absolute
	from    bool              // of a stage or an image
	layers  []overlay.LayerID // its
	context *files.Copy       // files of the context
	cache   string            // the name of a cache's directory
}

func (m *mounts) close() {
	for _, f := range slices.Backward(m.undo) {
		f()
	}
}

// plan returns what decides with the command on the result: what the mounts
// show, but not what is in a cache or a secret.
func (m *mounts) plan(list []*instructions.Mount) (string, error) {
	var id strings.Builder
	for _, im := range list {
		if skipped, err := m.refused(im); err != nil {
			return "", err
		} else if skipped {
			continue
		}
		x := mount{Mount: im, from: im.From != "", target: absolute(m.s.image.Config.WorkingDir, im.Target)}
		fmt.Fprintf(&id, "%s %q %q %t\n", x.Type, x.target, x.Source, x.ReadOnly)
		switch {
		case x.target == "/" && x.Type != instructions.MountTypeSecret:
			return "", fmt.Errorf("invalid mount target %q", x.target)
		case x.from:
			var err error
			if x.layers, err = m.b.sourceLayers(m.s, x.From); err != nil {
				return "", err
			}
			fmt.Fprintf(&id, "from %s\n", x.layers)
		case x.Type == instructions.MountTypeBind:
			if m.b.context == nil { // an empty one
				x.from = true
				break
			}
			x.context = &files.Copy{}
			if err := x.context.Add(m.b.context, x.Source, files.Options{}); err != nil {
				return "", err
			}
			sum, err := x.context.Digest(m.b.ctx, m.b.sums)
			if err != nil {
				return "", err
			}
			fmt.Fprintf(&id, "context %s\n", sum)
		}
		if x.Type == instructions.MountTypeCache {
			x.cache = cacheName(x)
		}
		m.list = append(m.list, x)
	}
	// What lies in another mount comes after it.
	slices.SortStableFunc(m.list, func(a, b mount) int { return strings.Compare(a.target, b.target) })
	return id.String(), nil
}

// refused reports whether a mount is left out: an SSH agent that need not be
// there is not.
func (m *mounts) refused(x *instructions.Mount) (skipped bool, err error) {
	if x.Type != instructions.MountTypeSSH {
		return false, nil
	}
	if x.Required {
		return false, errors.New("RUN --mount=type=ssh,required is not supported: there is no SSH agent in a build")
	}
	m.b.warn("RUN --mount=type=ssh has no effect: there is no SSH agent in a build")
	return true, nil
}

// open makes the mounts' sources, and the variables that show secrets.
func (m *mounts) open(cmd command) (list []StepMount, env []string, err error) {
	if err := m.lockCaches(); err != nil {
		return nil, nil, err
	}
	for _, x := range m.list {
		sm := StepMount{Type: "bind", Target: x.target, ReadOnly: x.ReadOnly}
		switch x.Type {
		case instructions.MountTypeTmpfs:
			sm.Type, sm.Size = "tmpfs", x.SizeLimit
		case instructions.MountTypeCache:
			sm.Source, err = m.cache(x)
		case instructions.MountTypeSecret:
			var vars []string
			sm, vars, err = m.secret(x, x.target)
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
	if cmd.script != "" {
		dir, err := m.b.tempDir("script-")
		if err != nil {
			return nil, nil, fmt.Errorf("write here-document: %w", err)
		}
		m.undo = append(m.undo, func() { _ = os.RemoveAll(dir) })
		file := filepath.Join(dir, "script")
		if err := os.WriteFile(file, []byte(cmd.script), 0o755); err != nil {
			return nil, nil, fmt.Errorf("write here-document: %w", err)
		}
		list = append(list, StepMount{Type: "bind", Source: file, Target: cmd.args[0], ReadOnly: true})
	}
	return list, env, nil
}

// bind shows files of the context, a stage or an image.
func (m *mounts) bind(x mount) (string, error) {
	if x.from {
		return m.bindLayers(x)
	}
	if x.ReadOnly && (m.b.context.Ignore == nil || len(m.b.context.Ignore.Patterns()) == 0) {
		return m.attach(m.b.context.Root(), x.Source, true)
	}
	// A copy: what the command may write is thrown away, and what
	// .dockerignore hides stays hidden.
	dir, err := m.b.tempDir("bind-")
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
	err = copied.Write(m.b.ctx, t)
	if errors.Is(err, files.ErrChanged) {
		m.changed, err = true, nil
	}
	return err
}

// bindLayers mounts the files of a stage or an image, and with rw something
// above them that is thrown away.
func (m *mounts) bindLayers(x mount) (string, error) {
	if x.ReadOnly || len(x.layers) == 0 {
		t, err := m.b.layersTree(x.layers)
		if err != nil {
			return "", err
		}
		return m.attach(t.Root(), x.Source, x.ReadOnly)
	}
	d, err := m.b.st.NewDir()
	if err != nil {
		return "", err
	}
	m.undo = append(m.undo, func() { _ = d.Discard() })
	lowers, err := m.b.st.Lowers(x.layers[len(x.layers)-1])
	if err != nil {
		return "", err
	}
	dir, unmount, err := m.b.mount(overlay.Rootfs{Lowers: lowers, Upper: d.Upper, Work: d.Work, Volatile: true})
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
