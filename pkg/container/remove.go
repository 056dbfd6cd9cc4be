// SPDX-License-Identifier: Apache-2.0

package container

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"coracle/pkg/cgroup"
	"coracle/pkg/state"
)

// LockPath is the lock that a container's supervisor holds for its lifetime.
func (s *Store) LockPath(id string) string { return filepath.Join(s.dirs.Container(id), "lock") }

// Remove makes a stopped container disappear: by one rename, after which its
// name is free, and then from the disk. What belongs to subordinate ids can
// only be deleted inside the user namespace: ErrNeedsUserNS says that the
// container is gone for every other command and that [Store.SweepTrash], run
// there, finishes the work.
//
// Preconditions: the container does not run.
func (s *Store) Remove(ctx context.Context, c *Container) error {
	lock, err := state.Acquire(ctx, s.LockPath(c.ID), state.Exclusive)
	if errors.Is(err, fs.ErrNotExist) {
		return &NotFoundError{Arg: c.ID}
	}
	if err != nil {
		return fmt.Errorf("remove container %s: %w", short(c.ID), err)
	}
	defer lock.Release()
	return s.RemoveLocked(c.ID, c.Name)
}

// RemoveLocked is Remove for the process that holds the container's lock.
func (s *Store) RemoveLocked(id, name string) error {
	var last State
	c, unreadable := s.Load(id)
	if unreadable == nil {
		last = c.State
	} else { // what is damaged can be removed, too; its state may be whole
		_ = state.ReadJSON(filepath.Join(s.dirs.Container(id), stateName), &last)
	}
	if last.Cgroup != "" { // of a supervisor that was killed
		_ = cgroup.Remove(last.Cgroup)
	}
	trash := filepath.Join(s.dirs.Tmp(), trashPrefix+id)
	if err := os.Rename(s.dirs.Container(id), trash); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return &NotFoundError{Arg: id}
		}
		return fmt.Errorf("remove container %s: %w", short(id), err)
	}
	s.unlink(name, id)
	_ = os.RemoveAll(s.dirs.ContainerRun(id))
	if unreadable == nil {
		s.Event(&c.Record, "destroy", nil)
	}
	return removeTree(trash)
}

// ErrNeedsUserNS says that files are left which only the user namespace may
// delete.
var ErrNeedsUserNS = errors.New("files of subordinate ids are left")

func removeTree(dir string) error {
	// overlayfs leaves its work directory without any permission; the owner
	// may give it back.
	_ = os.Chmod(filepath.Join(dir, "work", "work"), 0o700)
	err := os.RemoveAll(dir)
	if errors.Is(err, fs.ErrPermission) {
		return ErrNeedsUserNS
	}
	return err
}

// SweepTrash deletes what removed containers left, and what commands that were
// killed while creating one did.
//
// Preconditions: runs inside the user namespace, else it deletes only what the
// caller owns.
func (s *Store) SweepTrash() error {
	s.condemn()
	entries, err := os.ReadDir(s.dirs.Tmp())
	if err != nil {
		return fmt.Errorf("sweep removed containers: %w", err)
	}
	var errs []error
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), trashPrefix) {
			errs = append(errs, removeTree(filepath.Join(s.dirs.Tmp(), e.Name())))
		}
	}
	return errors.Join(errs...)
}

// HasTrash reports whether SweepTrash has something to do.
func (s *Store) HasTrash() bool {
	s.tidy()
	entries, _ := os.ReadDir(s.dirs.Tmp())
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), trashPrefix) {
			return true
		}
	}
	return false
}
