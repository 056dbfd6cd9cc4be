// SPDX-License-Identifier: Apache-2.0

package exec

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"golang.org/x/sys/unix"

	"coracle/pkg/ns"
)

// secret shows a secret as a file, a variable, or both. The file is in memory.
func (m *mounts) secret(x mount, target string) (sm StepMount, env []string, err error) {
	id := x.SecretID()
	value, err := m.readSecret(id)
	if errors.Is(err, fs.ErrNotExist) {
		if err = nil; x.Required {
			err = fmt.Errorf("secret %s: not found", id)
		}
		return sm, nil, err
	}
	if err != nil {
		return sm, nil, fmt.Errorf("secret %s: %w", id, err)
	}
	if x.Env != nil {
		name := *x.Env
		if name == "" {
			name = id
		}
		env = []string{name + "=" + string(value)}
		if x.Target == "" {
			return sm, env, nil
		}
	}
	if x.Target == "" {
		target = "/run/secrets/" + path.Base(id)
	}
	dir, err := m.Trees.TempDir("mnt-")
	if err != nil {
		return sm, nil, err
	}
	if err := inMemory(dir); err != nil {
		return sm, nil, err
	}
	m.undo = append(m.undo, func() {
		_ = unix.Unmount(dir, unix.MNT_DETACH)
		_ = os.RemoveAll(dir)
	})
	mode := fs.FileMode(0o400)
	if x.Mode != nil {
		mode = permissions(*x.Mode)
	}
	file := filepath.Join(dir, "secret")
	err = errors.Join(os.WriteFile(file, value, 0o600), give(file, x), os.Chmod(file, mode))
	return StepMount{Type: "bind", Source: file, Target: target, ReadOnly: true}, env, err
}

// readSecret is a secret that the request has, or whoever has sent it;
// fs.ErrNotExist where nobody has it.
func (m *mounts) readSecret(id string) ([]byte, error) {
	if read, ok := m.Secrets[id]; ok {
		value, err := read(m.Ctx)
		if errors.Is(err, fs.ErrNotExist) { // its file: it is one of the request's
			err = fmt.Errorf("%v", err)
		}
		return value, err
	}
	if m.AskSecret != nil {
		return m.AskSecret(m.Ctx, id)
	}
	return nil, fs.ErrNotExist
}

// inMemory makes a directory one whose files are on no disk, where anything can be
// mounted.
func inMemory(dir string) error {
	if ns.Confined() {
		return nil
	}
	err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "mode=0755,size=4m")
	if err != nil {
		return &os.PathError{Op: "mount tmpfs", Path: dir, Err: err}
	}
	return nil
}
