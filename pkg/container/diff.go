// SPDX-License-Identifier: Apache-2.0

package container

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"coracle/pkg/oci/spec"

	"golang.org/x/sys/unix"
)

// Change is one path that differs between a container and its image.
type Change struct {
	Kind byte   // A added, C changed, D deleted
	Path string // absolute in the container
}

// Diff compares the container's read-write layer with its image, in the order
// of the paths. Nothing is read through the container's mounts, and links in
// the layer are not followed.
//
// Preconditions: runs inside the user namespace, else directories that the
// container closed to its owner are errors.
func (s *Store) Diff(c *Container) ([]Change, error) {
	upper := c.dir.Upper()
	var list []Change
	err := filepath.WalkDir(upper, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			// The container may be running, and what was there a moment ago
			// may be gone.
			if errors.Is(err, fs.ErrNotExist) && path != upper {
				return nil
			}
			return err
		}
		if path == upper {
			return nil
		}
		rel := strings.TrimPrefix(path, upper)
		change := Change{Kind: 'A', Path: rel}
		switch gone, err := isWhiteout(d); {
		case err != nil:
			return err
		case gone:
			change.Kind = 'D'
		case c.inImage(rel):
			change.Kind = 'C'
		}
		if change.Kind == 'A' && isMountStub(rel, d) {
			return nil
		}
		list = append(list, change)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("compare container %s with its image: %w", short(c.ID), err)
	}
	slices.SortFunc(list, func(a, b Change) int { return strings.Compare(a.Path, b.Path) })
	return list, nil
}

// isMountStub reports whether rel is an empty place that was only made to
// mount something of ours on: it is no change that the container made.
func isMountStub(rel string, d fs.DirEntry) bool {
	if !slices.Contains(spec.MountPoints(), rel) {
		return false
	}
	info, err := d.Info()
	return err == nil && (info.IsDir() || info.Mode().IsRegular() && info.Size() == 0)
}

// isWhiteout reports whether overlayfs marks a deleted file here: a character
// device 0:0, which no container can make itself.
func isWhiteout(d fs.DirEntry) (bool, error) {
	if d.Type()&fs.ModeCharDevice == 0 {
		return false, nil
	}
	info, err := d.Info()
	if err != nil {
		return false, err
	}
	return deviceNumber(info) == 0, nil
}

func deviceNumber(info fs.FileInfo) uint64 {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 1
	}
	return st.Rdev
}

// inImage reports whether the image shows something at rel: its topmost layer
// that says anything about rel, or about a directory above it, decides.
func (c *Container) inImage(rel string) bool {
	for i := len(c.LayerDirs) - 1; i >= 0; i-- {
		found, decided := lookInLayer(c.LayerDirs[i], rel)
		if decided {
			return found
		}
	}
	return false
}

// lookInLayer walks rel in one layer, element by element, without following
// links. decided is false when layers below may still have it.
func lookInLayer(layer, rel string) (found, decided bool) {
	path, opaque := layer, false
	elems := strings.Split(strings.Trim(rel, "/"), "/")
	for i, elem := range elems {
		path = filepath.Join(path, elem)
		info, err := os.Lstat(path)
		if err != nil {
			return false, opaque
		}
		if info.Mode()&fs.ModeCharDevice != 0 && deviceNumber(info) == 0 {
			return false, true
		}
		last := i == len(elems)-1
		if !info.IsDir() && !last {
			return false, true // a file hides the directories below it
		}
		if info.IsDir() && !last {
			opaque = opaque || isOpaque(path)
		}
	}
	return true, true
}

func isOpaque(dir string) bool {
	var val [1]byte
	n, err := unix.Lgetxattr(dir, "user.overlay.opaque", val[:])
	return err == nil && n == 1 && val[0] == 'y'
}
