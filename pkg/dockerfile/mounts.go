// SPDX-License-Identifier: Apache-2.0

package dockerfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	securejoin "github.com/cyphar/filepath-securejoin"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/opencontainers/go-digest"
	"golang.org/x/sys/unix"

	"coracle/pkg/overlay"
	"coracle/pkg/state"
)

// mounts are those of one RUN: planned before its key is known, opened when it
// runs.
type mounts struct {
	b    *builder
	s    *stage
	list []mount
	undo []func()
}

// mount is one --mount.
type mount struct {
	*instructions.Mount
	from    bool              // of a stage or an image
	layers  []overlay.LayerID // its
	context *plan             // files of the context
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
		x := mount{Mount: im, from: im.From != ""}
		fmt.Fprintf(&id, "%s %q %q %t\n", x.Type, x.Target, x.Source, x.ReadOnly)
		switch {
		case x.Type == instructions.MountTypeSSH:
			return "", errors.New("RUN --mount=type=ssh is not supported")
		case x.Type == instructions.MountTypeCache && x.from:
			return "", errors.New("RUN --mount=type=cache,from= is not supported")
		case x.from:
			var err error
			if x.layers, err = m.b.sourceLayers(m.s, x.From); err != nil {
				return "", err
			}
			fmt.Fprintf(&id, "from %s\n", x.layers)
		case x.Type == instructions.MountTypeBind:
			if m.b.context == nil {
				return "", errNoContext
			}
			x.context = &plan{}
			if err := x.context.addSource(m.b.context, x.Source, transfer{}); err != nil {
				return "", err
			}
			sum, err := x.context.digest(m.b.ctx, m.b.sums)
			if err != nil {
				return "", err
			}
			fmt.Fprintf(&id, "context %s\n", sum)
		}
		m.list = append(m.list, x)
	}
	return id.String(), nil
}

// open makes the mounts' sources, and the variables that show secrets.
func (m *mounts) open(cmd command) (list []StepMount, env []string, err error) {
	for _, x := range m.list {
		target := x.Target
		if target != "" {
			target = absolute(m.s.image.Config.WorkingDir, target)
		}
		sm := StepMount{Type: "bind", Target: target, ReadOnly: x.ReadOnly}
		switch x.Type {
		case instructions.MountTypeTmpfs:
			sm.Type, sm.Size = "tmpfs", x.SizeLimit
		case instructions.MountTypeCache:
			sm.Source, err = m.cache(x, target)
		case instructions.MountTypeSecret:
			var vars []string
			sm, vars, err = m.secret(x, target)
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
	if x.ReadOnly && (m.b.context.ignore == nil || len(m.b.context.ignore.Patterns()) == 0) {
		names, err := m.b.context.find(x.Source)
		if err != nil || len(names) != 1 {
			return "", errors.Join(err, fmt.Errorf("bind %s: no single source", x.Source))
		}
		return filepath.Join(m.b.context.path, names[0]), nil
	}
	// A copy: what the command may write is thrown away, and what
	// .dockerignore hides stays hidden.
	dir, err := m.b.tempDir("bind-")
	if err != nil {
		return "", err
	}
	m.undo = append(m.undo, func() { _ = os.RemoveAll(dir) })
	t, err := openTarget(dir)
	if err != nil {
		return "", err
	}
	defer t.close()
	p := *x.context
	p.dest = "/source"
	if len(p.items) > 0 && p.items[0].info.IsDir() {
		p.isDir = true
	}
	if err := t.mkdirAll("/", owner{}); err != nil {
		return "", err
	}
	return filepath.Join(dir, "source"), p.write(m.b.ctx, t)
}

// bindLayers mounts the files of a stage or an image, and with rw something
// above them that is thrown away.
func (m *mounts) bindLayers(x mount) (string, error) {
	root := ""
	if x.ReadOnly || len(x.layers) == 0 {
		t, err := m.b.layersTree(x.layers)
		if err != nil {
			return "", err
		}
		root = t.path
	} else {
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
		root = dir
	}
	full, err := securejoin.SecureJoin(root, x.Source)
	if err != nil {
		return "", err
	}
	if _, err := os.Lstat(full); errors.Is(err, fs.ErrNotExist) {
		return "", &notFoundError{name: inTree(x.Source)}
	}
	return full, nil
}

// cache is a directory that stays between builds.
func (m *mounts) cache(x mount, target string) (string, error) {
	id := x.CacheID
	if id == "" {
		id = path.Clean(target)
	}
	dir := filepath.Join(m.b.st.Dirs().CacheMounts(), digest.FromString(id).Encoded())
	if x.CacheSharing == instructions.MountSharingLocked || x.CacheSharing == instructions.MountSharingPrivate {
		lock, err := m.lock(dir + ".lock")
		if err != nil {
			return "", fmt.Errorf("lock cache %s: %w", id, err)
		}
		m.undo = append(m.undo, lock.Release)
	}
	err := os.Mkdir(dir, 0o755)
	if errors.Is(err, fs.ErrExist) {
		return dir, nil
	}
	mode := fs.FileMode(0o755)
	if x.Mode != nil {
		mode = permissions(*x.Mode)
	}
	if err == nil {
		err = errors.Join(give(dir, x), os.Chmod(dir, mode))
	}
	if err != nil {
		return "", fmt.Errorf("create cache %s: %w", id, err)
	}
	return dir, nil
}

// lock waits as long as the build is not canceled: the holder is a RUN.
func (m *mounts) lock(file string) (*state.Lock, error) {
	for {
		lock, err := state.Acquire(m.b.ctx, file, state.Exclusive)
		if !errors.Is(err, state.ErrLocked) {
			return lock, err
		}
		if err := m.b.ctx.Err(); err != nil {
			return nil, err
		}
	}
}

// give sets the owner that uid= and gid= ask for.
func give(file string, x mount) error {
	var own owner
	if x.UID != nil {
		own.uid = int(*x.UID)
	}
	if x.GID != nil {
		own.gid = int(*x.GID)
	}
	err := os.Chown(file, own.uid, own.gid)
	if errors.Is(err, unix.EINVAL) && singleID() {
		return nil
	}
	return err
}

func permissions(n uint64) fs.FileMode {
	m := fs.FileMode(n & 0o777)
	for bit, mode := range map[uint64]fs.FileMode{unix.S_ISUID: fs.ModeSetuid, unix.S_ISGID: fs.ModeSetgid, unix.S_ISVTX: fs.ModeSticky} {
		if n&bit != 0 {
			m |= mode
		}
	}
	return m
}

// secret shows a secret as a file, a variable, or both. The file is in memory.
func (m *mounts) secret(x mount, target string) (sm StepMount, env []string, err error) {
	id := x.CacheID
	if id == "" {
		id = path.Base(target)
	}
	value, ok := m.b.o.Secrets[id]
	if !ok {
		if x.Required {
			err = fmt.Errorf("secret %s: not found", id)
		}
		return sm, nil, err
	}
	if x.Env != nil {
		name := *x.Env
		if name == "" {
			name = id
		}
		env = []string{name + "=" + string(value)}
		if target == "" {
			return sm, env, nil
		}
	}
	if target == "" {
		target = "/run/secrets/" + path.Base(id)
	}
	dir, err := m.b.tempDir("mnt-")
	if err != nil {
		return sm, nil, err
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "mode=0755,size=4m"); err != nil {
		return sm, nil, &os.PathError{Op: "mount tmpfs", Path: dir, Err: err}
	}
	m.undo = append(m.undo, func() {
		_ = unix.Unmount(dir, unix.MNT_DETACH)
		_ = os.Remove(dir)
	})
	mode := fs.FileMode(0o400)
	if x.Mode != nil {
		mode = permissions(*x.Mode)
	}
	file := filepath.Join(dir, "secret")
	err = errors.Join(os.WriteFile(file, value, 0o600), give(file, x), os.Chmod(file, mode))
	return StepMount{Type: "bind", Source: file, Target: target, ReadOnly: true}, env, err
}
