// SPDX-License-Identifier: Apache-2.0

package files

import (
	"fmt"
	"io/fs"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// hasWildcard reports whether a part of a path is a pattern. What is escaped
// is none.
func hasWildcard(p string) bool {
	for i := 0; i < len(p); i++ {
		switch p[i] {
		case '\\':
			i++
		case '*', '?', '[':
			return true
		}
	}
	return false
}

// splitWildcards cuts a path before its first part that is a pattern.
func splitWildcards(name string) (dir string, pattern []string) {
	parts := strings.Split(name, "/")
	for i, p := range parts {
		if hasWildcard(p) {
			return path.Join(append([]string{"."}, parts[:i]...)...), parts[i:]
		}
	}
	return name, nil
}

// match is the paths that a source stands for: one, or with wildcards any
// number. Links are followed before the first pattern, not behind it. A path
// may be a link.
func (t *Tree) match(source string) ([]string, error) {
	name := InTree(source)
	dir, pattern := splitWildcards(name)
	if pattern == nil {
		return []string{name}, nil
	}
	if _, err := path.Match(path.Join(pattern...), ""); err != nil {
		return nil, fmt.Errorf("failed to compute cache key: failed to calculate checksum of ref: %w", err)
	}
	real, err := t.resolve(dir)
	if err != nil {
		return nil, err
	}
	info, err := t.root.Lstat(real)
	if err != nil || t.hidden(real, info) {
		return nil, &fs.PathError{Op: "lstat", Path: path.Join("/", dir), Err: unix.ENOENT}
	}
	if !info.IsDir() {
		return nil, nil
	}
	return t.glob(real, pattern)
}

// glob finds what the parts of a pattern match below dir.
func (t *Tree) glob(dir string, pattern []string) ([]string, error) {
	entries, err := fs.ReadDir(t.root.FS(), dir)
	if err != nil {
		return nil, err
	}
	var list []string
	for _, e := range entries {
		if ok, _ := path.Match(pattern[0], e.Name()); !ok {
			continue
		}
		name := path.Join(dir, e.Name())
		if len(pattern) > 1 {
			if e.IsDir() {
				more, err := t.glob(name, pattern[1:])
				if err != nil {
					return nil, err
				}
				list = append(list, more...)
			}
			continue
		}
		if info, err := t.root.Lstat(name); err == nil && !t.hidden(name, info) {
			list = append(list, name)
		}
	}
	return list, nil
}
