// SPDX-License-Identifier: Apache-2.0

package dockerfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	securejoin "github.com/cyphar/filepath-securejoin"
	pathrs "github.com/cyphar/filepath-securejoin/pathrs-lite"
	"github.com/moby/patternmatcher"
	"golang.org/x/sys/unix"

	"coracle/pkg/overlay"
)

// tree is a directory that files are taken from: the context, or the files of
// an image or a stage. Nothing outside of it can be reached.
type tree struct {
	path   string
	root   *os.Root
	ignore *patternmatcher.PatternMatcher // nil: everything is there
	owners bool                           // files keep their owners
	id     string                         // what decides the content, or empty
	after  func()                         // called by close
}

func openTree(dir string) (*tree, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	return &tree{path: dir, root: root}, nil
}

func (t *tree) close() {
	t.root.Close()
	if t.after != nil {
		t.after()
	}
}

// ignored reports whether a path does not exist for COPY.
func (t *tree) ignored(name string) bool {
	if t.ignore == nil || name == "." {
		return false
	}
	hidden, err := t.ignore.MatchesOrParentMatches(name)
	return err == nil && hidden
}

// notFoundError is a source that is not there, in BuildKit's words.
type notFoundError struct {
	name    string
	ignored bool
}

func (e *notFoundError) Error() string {
	return fmt.Sprintf("failed to compute cache key: failed to calculate checksum of ref: %q: not found", "/"+e.name)
}

func (e *notFoundError) Hint() string {
	if e.ignored {
		return "the file is there, but .dockerignore excludes it"
	}
	return ""
}

// find resolves a source, which may have wildcards, to the paths it stands
// for. Links on the way are followed inside the tree.
func (t *tree) find(source string) ([]string, error) {
	name := strings.TrimPrefix(path.Clean("/"+source), "/")
	if name == "" {
		return []string{"."}, nil
	}
	if strings.ContainsAny(name, `*?[`) {
		found, err := fs.Glob(t.root.FS(), name)
		if err != nil {
			return nil, fmt.Errorf("match %s: %w", source, err)
		}
		var list []string
		for _, f := range found {
			if !t.ignored(f) {
				list = append(list, f)
			}
		}
		if len(list) == 0 {
			return nil, &notFoundError{name: name, ignored: len(found) > 0}
		}
		return list, nil
	}
	full, err := securejoin.SecureJoin(t.path, name)
	if err != nil {
		return nil, fmt.Errorf("resolve %s: %w", source, err)
	}
	rel, err := filepath.Rel(t.path, full)
	if err != nil {
		return nil, err
	}
	info, err := t.root.Lstat(rel)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &notFoundError{name: name}
	}
	if err != nil {
		return nil, err
	}
	if t.ignored(rel) && !(info.IsDir() && t.ignore.Exclusions()) {
		return nil, &notFoundError{name: name, ignored: true}
	}
	return []string{rel}, nil
}

// walk calls f for start and everything below it that is not ignored, parents
// first, in the order of names.
func (t *tree) walk(start string, f func(name string, info fs.FileInfo) error) error {
	return fs.WalkDir(t.root.FS(), start, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		hidden := t.ignored(name)
		if d.IsDir() && hidden && !t.ignore.Exclusions() {
			return fs.SkipDir
		}
		if hidden {
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		return f(name, info)
	})
}

// target is a root file system that is written to.
type target struct {
	path string
	root *os.File
	done func()
}

func (t *target) close() {
	t.root.Close()
	t.done()
}

// mountUpper shows the layers with a new one on top, for this process only.
func (b *builder) mountUpper(d *overlay.Dir, lowers []string) (*target, error) {
	if len(lowers) == 0 {
		root, err := os.Open(d.Upper)
		if err != nil {
			return nil, err
		}
		return &target{path: d.Upper, root: root, done: func() {}}, nil
	}
	dir, unmount, err := b.mount(overlay.Rootfs{Lowers: lowers, Upper: d.Upper, Work: d.Work, Volatile: true})
	if err != nil {
		return nil, err
	}
	root, err := os.Open(dir)
	if err != nil {
		unmount()
		return nil, err
	}
	return &target{path: dir, root: root, done: unmount}, nil
}

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

// layersTree shows the files of layers, to be read.
func (b *builder) layersTree(layers []overlay.LayerID) (*tree, error) {
	if len(layers) == 0 {
		dir, err := b.tempDir("mnt-")
		if err != nil {
			return nil, err
		}
		t, err := openTree(dir)
		if err != nil {
			return nil, err
		}
		t.after = func() { _ = os.Remove(dir) }
		return t, nil
	}
	top := layers[len(layers)-1]
	lowers, err := b.st.Lowers(top)
	if err != nil {
		return nil, err
	}
	dir, unmount, err := b.mount(overlay.Rootfs{Lowers: lowers})
	if err != nil {
		return nil, err
	}
	t, err := openTree(dir)
	if err != nil {
		unmount()
		return nil, err
	}
	t.owners, t.id, t.after = true, string(top), unmount
	return t, nil
}

// owner is who new files belong to.
type owner struct{ uid, gid int }

// mkdirAll makes a directory with its parents and returns it open. Links on
// the way are followed inside the root. New directories belong to own.
func (t *target) mkdirAll(dir string, mode os.FileMode, own *owner) (*os.File, error) {
	if own == nil {
		return pathrs.MkdirAllHandle(t.root, dir, mode)
	}
	var f *os.File
	for i, part := 0, strings.Split(strings.Trim(path.Clean("/"+dir), "/"), "/"); i < len(part); i++ {
		name := strings.Join(part[:i+1], "/")
		known, err := pathrs.OpenatInRoot(t.root, name)
		if err == nil {
			known.Close()
		}
		if f != nil {
			f.Close()
		}
		made := err != nil
		if f, err = pathrs.MkdirAllHandle(t.root, name, mode); err != nil {
			return nil, err
		}
		if made {
			if err := f.Chown(own.uid, own.gid); err != nil && !errors.Is(err, unix.EINVAL) {
				f.Close()
				return nil, err
			}
		}
	}
	return f, nil
}

// isDir reports whether a path is a directory, behind links or not.
func (t *target) isDir(name string) bool {
	f, err := pathrs.OpenatInRoot(t.root, name)
	if err != nil {
		return false
	}
	defer f.Close()
	info, err := f.Stat()
	return err == nil && info.IsDir()
}

func emptyMatcher() *patternmatcher.PatternMatcher {
	m, _ := patternmatcher.New(nil) // no pattern is no error
	return m
}

func ignoreInvalid(err error) error {
	if errors.Is(err, unix.EINVAL) {
		return nil
	}
	return err
}
