// SPDX-License-Identifier: Apache-2.0

package quadlet

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"coracle/pkg/systemd"
)

// Source is one file with its drop-ins merged.
type Source struct {
	Path string // absolute
	Unit *systemd.Unit
}

// name is the file's name, kind its ending without the dot.
func (s Source) name() string { return filepath.Base(s.Path) }
func (s Source) kind() string { return strings.TrimPrefix(filepath.Ext(s.Path), ".") }
func (s Source) stem() string { return strings.TrimSuffix(s.name(), filepath.Ext(s.Path)) }

// UserDir is where a user's files are.
func UserDir() (string, error) {
	config, err := os.UserConfigDir()
	if err != nil {
		return "", fmt.Errorf("find own quadlets: %w", err)
	}
	return filepath.Join(config, "containers", "systemd"), nil
}

// Load reads files, and all files of the known kinds below directories. The first
// of a name counts. What cannot be read is among the errors; the rest is there.
func Load(paths []string) ([]Source, []error) {
	var files []string
	var bad []error
	for _, path := range paths {
		abs, err := filepath.Abs(path)
		if err == nil {
			var found []string
			found, err = below(abs)
			files = append(files, found...)
		}
		if err != nil {
			bad = append(bad, fmt.Errorf("read quadlets: %w", err))
		}
	}
	var all []Source
	seen := map[string]bool{}
	for _, f := range files {
		name := filepath.Base(f)
		if seen[name] {
			continue
		}
		seen[name] = true
		u, err := read(f)
		if err != nil {
			bad = append(bad, err)
			continue
		}
		all = append(all, Source{f, u})
	}
	return all, bad
}

// below lists a file, or the files of the known kinds in a directory's tree.
func below(path string) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		if _, known := kinds()[strings.TrimPrefix(filepath.Ext(path), ".")]; !known {
			return nil, fmt.Errorf("%s is no quadlet: it ends in none of %s", path, strings.Join(slices.Sorted(maps.Keys(kinds())), ", "))
		}
		return []string{path}, nil
	}
	var files []string
	err = filepath.WalkDir(path, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		_, known := kinds()[strings.TrimPrefix(filepath.Ext(p), ".")]
		if known && !d.IsDir() {
			files = append(files, p)
		}
		return nil
	})
	return files, err
}

// read reads a file and its drop-ins.
func read(path string) (*systemd.Unit, error) {
	u, err := parse(path)
	if err != nil {
		return nil, err
	}
	for _, dropIn := range dropIns(path) {
		more, err := parse(dropIn)
		if err != nil {
			return nil, err
		}
		u.Merge(more)
	}
	return u, nil
}

func parse(path string) (*systemd.Unit, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read quadlet: %w", err)
	}
	u, err := systemd.ParseUnit(string(data))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return u, nil
}

// dropIns are the files of a unit's drop-in directories (systemd.unit(5)), in the
// order of their names; of two of one name that in the more special directory.
// For a-b@c.container these are a-b@c.container.d, a-b@.container.d,
// a-.container.d and container.d.
func dropIns(path string) []string {
	ext := filepath.Ext(path)
	stem := strings.TrimSuffix(filepath.Base(path), ext)
	dirs := []string{stem + ext + ".d"}
	if prefix, instance, template := strings.Cut(stem, "@"); template {
		if instance != "" {
			dirs = append(dirs, prefix+"@"+ext+".d")
		}
		stem = prefix
	}
	for i := len(stem) - 1; i > 0; i-- {
		if stem[i-1] == '-' && i < len(stem) {
			dirs = append(dirs, stem[:i]+ext+".d")
		}
	}
	dirs = append(dirs, strings.TrimPrefix(ext, ".")+".d")
	byName := map[string]string{}
	for _, d := range dirs {
		entries, err := os.ReadDir(filepath.Join(filepath.Dir(path), d))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		for _, e := range entries {
			if _, there := byName[e.Name()]; !there && filepath.Ext(e.Name()) == ".conf" {
				byName[e.Name()] = filepath.Join(filepath.Dir(path), d, e.Name())
			}
		}
	}
	var list []string
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		list = append(list, byName[name])
	}
	return list
}
