// SPDX-License-Identifier: Apache-2.0

package cdi

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	cdispec "tags.cncf.io/container-device-interface/specs-go"
)

// Dirs are the directories of specification files, the one that counts most last:
// the administrator's, and, as in rootless Docker, the user's own.
func Dirs() []string {
	dirs := []string{"/etc/cdi", "/var/run/cdi"}
	if d, err := os.UserConfigDir(); err == nil {
		dirs = append(dirs, filepath.Join(d, "cdi"))
	}
	if d := os.Getenv("XDG_RUNTIME_DIR"); filepath.IsAbs(d) {
		dirs = append(dirs, filepath.Join(d, "cdi"))
	}
	return dirs
}

// Registry is what the files of some directories describe.
type Registry struct {
	dirs     []string
	devices  map[string]device // by qualified name
	problems []error
}

type device struct {
	*cdispec.Device
	from *file
	rank int // of the directory
}

// Load reads the files of directories, of which the last counts most. A directory
// need not be there.
func Load(dirs []string) *Registry {
	r := &Registry{dirs: dirs, devices: map[string]device{}}
	contradicted := map[string]bool{}
	for rank, dir := range dirs {
		for _, path := range r.list(dir) {
			f, err := readFile(path)
			if err != nil {
				r.problems = append(r.problems, err)
				continue
			}
			for i := range f.spec.Devices {
				d := device{&f.spec.Devices[i], f, rank}
				name := f.spec.Kind + "=" + d.Name
				other, ok := r.devices[name]
				if ok && other.rank == rank {
					r.problems = append(r.problems, fmt.Errorf("%s: described by both %s and %s", name, other.from.path, path))
					contradicted[name] = true
					continue
				}
				delete(contradicted, name) // by what counts more than both
				r.devices[name] = d
			}
		}
	}
	for name := range contradicted {
		delete(r.devices, name)
	}
	return r
}

// list are the specification files of a directory; those of directories in it are
// not.
func (r *Registry) list(dir string) []string {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		r.problems = append(r.problems, err)
	}
	var paths []string
	for _, e := range entries {
		if ext := filepath.Ext(e.Name()); !e.IsDir() && (ext == ".json" || ext == ".yaml") {
			paths = append(paths, filepath.Join(dir, e.Name()))
		}
	}
	return paths
}

// Dirs are the directories that were read, the one that counts most last.
func (r *Registry) Dirs() []string { return r.dirs }

// Names are the qualified names of all devices, in order.
func (r *Registry) Names() []string { return slices.Sorted(maps.Keys(r.devices)) }

// Of are the names of the devices of a kind, without the kind, in order.
func (r *Registry) Of(kind string) []string {
	var names []string
	for _, n := range r.Names() {
		if device, ok := strings.CutPrefix(n, kind+"="); ok {
			names = append(names, device)
		}
	}
	return names
}

// Problems are the files and names that do not count, and why.
func (r *Registry) Problems() []error { return r.problems }

// Resolve returns what a container with some devices gets. The error is an
// [UnresolvedError], or says what of a file cannot be given.
func (r *Registry) Resolve(names []string) (*Edits, error) {
	var missing []string
	for _, n := range names {
		if _, ok := r.devices[n]; !ok {
			missing = append(missing, n)
		}
	}
	if len(missing) > 0 {
		return nil, &UnresolvedError{missing, r.dirs, r.problems}
	}
	edits := &Edits{}
	done, once := map[*file]bool{}, map[string]bool{}
	for _, n := range names {
		if once[n] {
			continue
		}
		once[n] = true
		d := r.devices[n]
		var err error
		if !done[d.from] { // what all devices of a file need comes once, and first
			done[d.from], err = true, edits.add(&d.from.spec.ContainerEdits)
		}
		if err = errors.Join(err, edits.add(&d.ContainerEdits)); err != nil {
			return nil, fmt.Errorf("%s: %s: %w", d.from.path, n, err)
		}
	}
	return edits, nil
}

// UnresolvedError is about names that no specification file describes.
type UnresolvedError struct {
	Names    []string
	dirs     []string
	problems []error
}

func (e *UnresolvedError) Error() string {
	return "unresolvable CDI devices " + strings.Join(e.Names, ", ")
}

// Hint says where the names should be described, and which files do not count.
func (e *UnresolvedError) Hint() string {
	text := "no specification file describes that; looked for in " + strings.Join(e.dirs, ", ")
	if len(e.problems) > 0 {
		text += "; not used: " + errors.Join(e.problems...).Error()
	}
	return strings.ReplaceAll(text, "\n", "; ")
}
