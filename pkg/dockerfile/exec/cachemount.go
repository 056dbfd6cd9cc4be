// SPDX-License-Identifier: Apache-2.0

package exec

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/opencontainers/go-digest"
	"golang.org/x/sys/unix"

	"coracle/pkg/dockerfile/files"
	"coracle/pkg/ids"
	"coracle/pkg/state"
)

// cacheName names the directory of a cache mount. As for BuildKit caches of one
// id that begin with other files, or as another user's, are not the same.
func cacheName(x mount) string {
	id := x.CacheID
	if id == "" {
		id = path.Clean(x.Target)
	}
	if x.Layers != nil {
		id = fmt.Sprintf("%s\nfrom %s %q", id, x.layers, files.InTree(x.Source))
	}
	if files.InTree(x.Source) == "." && (x.UID != nil || x.GID != nil || x.Mode != nil) {
		id = fmt.Sprintf("%s\nowner %d:%d %o", id, number(x.UID, 0), number(x.GID, 0), number(x.Mode, 0o755))
	}
	return digest.FromString(id).Encoded()
}

func number(n *uint64, without uint64) uint64 {
	if n == nil {
		return without
	}
	return *n
}

// cachePlace is a cache that a RUN holds.
type cachePlace struct {
	dir  string
	lock *state.Lock
}

// lockCaches takes the caches of a RUN, in the order of their names: two that
// want the same ones do not wait for each other. One cache that is mounted
// twice is taken once, in the strictest way.
func (m *mounts) lockCaches() error {
	modes := map[string]instructions.ShareMode{}
	strict := []instructions.ShareMode{"", instructions.MountSharingShared, instructions.MountSharingLocked, instructions.MountSharingPrivate}
	for _, x := range m.list {
		if x.cache != "" {
			old := modes[x.cache]
			modes[x.cache] = strict[max(slices.Index(strict, old), slices.Index(strict, x.CacheSharing))]
		}
	}
	m.caches = map[string]cachePlace{}
	for _, name := range slices.Sorted(maps.Keys(modes)) {
		place, err := m.lockCache(filepath.Join(m.Store.Dirs().CacheMounts(), name), modes[name])
		if err != nil {
			return fmt.Errorf("lock cache: %w", err)
		}
		m.caches[name] = place
		m.undo = append(m.undo, place.lock.Release)
	}
	return nil
}

// lockCache waits for a cache; a private one that is in use is another one.
func (m *mounts) lockCache(dir string, sharing instructions.ShareMode) (cachePlace, error) {
	switch sharing {
	case instructions.MountSharingLocked:
		lock, err := m.lock(dir, state.Exclusive)
		return cachePlace{dir, lock}, err
	case instructions.MountSharingPrivate:
		place := dir
		for n := 2; ; n++ {
			lock, err := state.TryAcquire(state.CacheMountLock(place), state.Exclusive)
			if !errors.Is(err, state.ErrLocked) {
				return cachePlace{place, lock}, err
			}
			place = dir + "-" + strconv.Itoa(n)
		}
	}
	lock, err := m.lock(dir, state.Shared)
	return cachePlace{dir, lock}, err
}

// lock waits as long as the build is not canceled: the holder is a RUN.
func (m *mounts) lock(dir string, mode state.Mode) (*state.Lock, error) {
	for {
		lock, err := state.Acquire(m.Ctx, state.CacheMountLock(dir), mode)
		if !errors.Is(err, state.ErrLocked) {
			return lock, err
		}
		if err := m.Ctx.Err(); err != nil {
			return nil, err
		}
	}
}

// cache is a directory that stays between builds, or one in it.
func (m *mounts) cache(x mount) (string, error) {
	dir := m.caches[x.cache].dir
	err := m.newCache(x, dir)
	if err != nil {
		return "", fmt.Errorf("create cache: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return "", fmt.Errorf("open cache: %w", err)
	}
	defer root.Close()
	source := x.Source
	if x.Layers != nil {
		source = "" // it begins there
	}
	return m.attach(root, source, x.ReadOnly)
}

// newCache makes a cache that is not there, under another name until it is
// complete.
func (m *mounts) newCache(x mount, dir string) error {
	if info, err := os.Lstat(dir); err == nil && info.IsDir() {
		return nil
	} else if err == nil { // not ours
		if err := os.Remove(dir); err != nil {
			return err
		}
	}
	temp, err := m.Trees.TempDir("cache-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp)
	made := filepath.Join(temp, "source")
	if err := m.seed(x, temp, made); err != nil {
		return err
	}
	if x.UID != nil || x.GID != nil || x.Mode != nil || x.Layers == nil {
		mode := fs.FileMode(0o755)
		if x.Mode != nil {
			mode = permissions(*x.Mode)
		}
		if err := errors.Join(give(made, x), os.Chmod(made, mode)); err != nil {
			return err
		}
	}
	err = unix.Renameat2(unix.AT_FDCWD, made, unix.AT_FDCWD, dir, unix.RENAME_NOREPLACE)
	if errors.Is(err, unix.EEXIST) { // another RUN was faster
		return nil
	}
	return err
}

// seed makes what a cache begins with: nothing, or a directory of a stage or an
// image.
func (m *mounts) seed(x mount, temp, made string) error {
	if x.Layers == nil {
		return os.Mkdir(made, 0o755)
	}
	t, err := m.Trees.Of(x.layers)
	if err != nil {
		return err
	}
	p := &files.Copy{}
	if err := p.Add(t, x.Source, files.Options{}); err != nil {
		return err
	}
	if !p.IsDir() {
		return fmt.Errorf("%s is not a directory", files.InTree(x.Source))
	}
	return m.copyOut(p, temp)
}

// give sets the owner that uid= and gid= ask for.
func give(file string, x mount) error {
	var own files.Owner
	if x.UID != nil {
		own.UID = int(*x.UID)
	}
	if x.GID != nil {
		own.GID = int(*x.GID)
	}
	return ids.Chown(unix.AT_FDCWD, file, own.UID, own.GID)
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
