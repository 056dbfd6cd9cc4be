// SPDX-License-Identifier: Apache-2.0

package container

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"syscall"
)

// Size is what a container's read-write layer holds: the bytes of its files,
// each counted once however many names it has.
//
// Preconditions: as for Diff.
func (s *Store) Size(c *Container) (int64, error) {
	sum, err := sizeOf(c.dir.Upper())
	if err != nil {
		return 0, fmt.Errorf("measure container %s: %w", short(c.ID), err)
	}
	return sum, nil
}

// VolumeSize is what a volume's own directory holds, counted like [Store.Size].
//
// Preconditions: as for Diff.
func (s *Store) VolumeSize(name string) (int64, error) {
	sum, err := sizeOf(s.DataDir(name))
	if err != nil {
		return 0, fmt.Errorf("measure volume %s: %w", name, err)
	}
	return sum, nil
}

// sizeOf sums up the files below dir, which somebody may be writing.
func sizeOf(dir string) (int64, error) {
	type inode struct{ dev, ino uint64 }
	seen := map[inode]bool{}
	var sum int64
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		if st, ok := info.Sys().(*syscall.Stat_t); ok && st.Nlink > 1 {
			key := inode{uint64(st.Dev), st.Ino}
			if seen[key] {
				return nil
			}
			seen[key] = true
		}
		sum += info.Size()
		return nil
	})
	return sum, err
}
