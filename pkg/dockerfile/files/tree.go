// SPDX-License-Identifier: Apache-2.0

package files

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
)

// Tree is a directory that files are taken from: the context, or the files of
// an image or a stage. Nothing outside of it can be reached.
type Tree struct {
	Ignore *patternmatcher.PatternMatcher // nil: everything is there
	Owners bool                           // files keep their owners
	Sums   *Sums                          // of the context

	path  string
	root  *os.Root
	after func()
}

// OpenTree opens a directory. Close calls after, unless it is nil.
func OpenTree(dir string, after func()) (*Tree, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	return &Tree{path: dir, root: root, after: after}, nil
}

// Close closes the directory.
func (t *Tree) Close() {
	t.root.Close()
	if t.after != nil {
		t.after()
	}
}

// Path is the directory.
func (t *Tree) Path() string { return t.path }

// Root reaches what is in the directory, ignored or not.
func (t *Tree) Root() *os.Root { return t.root }

// ignored reports whether a path does not exist for COPY.
func (t *Tree) ignored(name string) bool {
	if t.Ignore == nil || name == "." {
		return false
	}
	hidden, err := t.Ignore.MatchesOrParentMatches(name)
	return err == nil && hidden
}

// hidden reports whether a path is ignored, and nothing in it is not.
func (t *Tree) hidden(name string, info fs.FileInfo) bool {
	if !t.ignored(name) {
		return false
	}
	if !info.IsDir() || !t.Ignore.Exclusions() {
		return true
	}
	list, err := t.walk(name, filter{})
	return err == nil && len(list) == 0
}

// NotFoundError is a source that is not there, in BuildKit's words.
type NotFoundError struct {
	Name    string // in the tree
	Ignored bool   // it is there, but .dockerignore hides it
}

func (e *NotFoundError) Error() string {
	return fmt.Sprintf("failed to compute cache key: failed to calculate checksum of ref: %q: not found", path.Join("/", e.Name))
}

// Hint says what can be done.
func (e *NotFoundError) Hint() string {
	if e.Ignored {
		return "the file is there, but .dockerignore excludes it"
	}
	return ""
}

// InTree makes a path of the user's relative to the root, and keeps it there.
func InTree(p string) string {
	if p = strings.TrimPrefix(path.Clean("/"+p), "/"); p == "" {
		return "."
	}
	return p
}

// resolve follows the links of a path inside of the tree, at its end too.
func (t *Tree) resolve(name string) (string, error) {
	if name == "." {
		return name, nil
	}
	full, err := securejoin.SecureJoin(t.path, name)
	if err != nil {
		return "", fmt.Errorf("resolve %s: %w", name, err)
	}
	return filepath.Rel(t.path, full)
}

// Find is the one path that a source without wildcards stands for, after all
// links.
func (t *Tree) Find(source string) (string, fs.FileInfo, error) {
	name := InTree(source)
	real, err := t.resolve(name)
	if err != nil {
		return "", nil, err
	}
	info, err := t.root.Lstat(real)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) {
		return "", nil, &NotFoundError{Name: name}
	}
	if err != nil {
		return "", nil, err
	}
	if t.hidden(real, info) {
		return "", nil, &NotFoundError{Name: name, Ignored: true}
	}
	return real, info, nil
}
