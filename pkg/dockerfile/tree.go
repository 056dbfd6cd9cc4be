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
	top    overlay.LayerID                // what it shows, or empty
	sums   *sums                          // of the context
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

// inTree makes a path of the user's relative to the root, and keeps it there.
func inTree(p string) string {
	if p = strings.TrimPrefix(path.Clean("/"+p), "/"); p == "" {
		return "."
	}
	return p
}

func hasWildcard(p string) bool { return strings.ContainsAny(p, `*?[\`) }

// find resolves a source to the paths it stands for; with wildcards that may
// be none. Links on the way are followed inside the tree.
func (t *tree) find(source string) ([]string, error) {
	name := inTree(source)
	if name == "." {
		return []string{"."}, nil
	}
	if hasWildcard(name) {
		found, err := fs.Glob(t.root.FS(), name)
		if err != nil {
			return nil, fmt.Errorf("match %s: %w", source, err)
		}
		var list []string
		for _, f := range found {
			if info, err := t.root.Lstat(f); err == nil && !t.hidden(f, info) {
				list = append(list, f)
			}
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
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) {
		return nil, &notFoundError{name: name}
	}
	if err != nil {
		return nil, err
	}
	if t.hidden(rel, info) {
		return nil, &notFoundError{name: name, ignored: true}
	}
	return []string{rel}, nil
}

// hidden reports whether a path is ignored, and nothing in it is not.
func (t *tree) hidden(name string, info fs.FileInfo) bool {
	if !t.ignored(name) {
		return false
	}
	if !info.IsDir() || !t.ignore.Exclusions() {
		return true
	}
	empty := true
	err := t.walk(name, nil, func(string, fs.FileInfo) { empty = false })
	return err == nil && empty
}

// walk calls f for start and everything below it that is not ignored, parents
// first, in the order of names. skip hides more, by names below start. An
// ignored directory is told of if something in it is not.
func (t *tree) walk(start string, skip *patternmatcher.PatternMatcher, f func(name string, info fs.FileInfo)) error {
	type dir struct {
		name string
		info fs.FileInfo
	}
	var above []dir // ignored directories that we are in, not told of yet
	return fs.WalkDir(t.root.FS(), start, func(name string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) && name != start {
			return nil // gone meanwhile
		}
		if err != nil {
			return err
		}
		hidden, final := t.ignored(name), t.ignore != nil && !t.ignore.Exclusions()
		if !hidden && skip != nil && name != start {
			out, err := skip.MatchesOrParentMatches(below(start, name))
			if err != nil {
				return err
			}
			hidden, final = out, !skip.Exclusions()
		}
		if hidden && d.IsDir() && final {
			return fs.SkipDir
		}
		if hidden && !d.IsDir() {
			return nil
		}
		info, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		for len(above) > 0 && !strings.HasPrefix(name, above[len(above)-1].name+"/") && above[len(above)-1].name != "." {
			above = above[:len(above)-1]
		}
		if hidden {
			above = append(above, dir{name, info})
			return nil
		}
		for _, a := range above {
			f(a.name, a.info)
		}
		above = nil
		f(name, info)
		return nil
	})
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
	var top overlay.LayerID
	if len(layers) > 0 {
		top = layers[len(layers)-1]
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, t := range b.mounts {
		if t.owners && t.top == top {
			return t, nil
		}
	}
	t, err := b.newLayersTree(top)
	if err != nil {
		return nil, err
	}
	t.owners, t.top = true, top
	b.mounts = append(b.mounts, t)
	return t, nil
}

func (b *builder) newLayersTree(top overlay.LayerID) (*tree, error) {
	if top == "" {
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
	t.after = unmount
	return t, nil
}
