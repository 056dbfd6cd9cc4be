// SPDX-License-Identifier: Apache-2.0

package container

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"coracle/pkg/state"
)

// What is made in tmp/ and renamed into its place.
const (
	containerPrefix = "container-"
	volumePrefix    = "volume-"
	trashPrefix     = "trash-"
)

// volatileName is an empty file in the directory of a container with --rm. Its
// record is not synced: after a power cut the name of this file may be all that
// is left of it.
const volatileName = "volatile"

func markVolatile(dir string) error {
	f, err := os.OpenFile(filepath.Join(dir, volatileName), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

// stage is held, shared, by who has something unfinished in tmp/: what is there
// while nobody holds it was left by a process that was killed.
func (s *Store) stage(ctx context.Context) (*state.Lock, error) {
	return state.Acquire(ctx, s.dirs.StagingLock(), state.Shared)
}

// condemn makes trash of what killed commands left in tmp/, and returns that
// trash. While another command is at work there it leaves all of it.
func (s *Store) condemn() []string {
	entries, err := os.ReadDir(s.dirs.Tmp())
	if err != nil {
		return nil
	}
	var lock *state.Lock
	defer func() { lock.Release() }()
	var trash []string
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), containerPrefix) && !strings.HasPrefix(e.Name(), volumePrefix) {
			continue
		}
		if lock == nil {
			if lock, err = state.TryAcquire(s.dirs.StagingLock(), state.Exclusive); err != nil {
				return nil
			}
		}
		to := filepath.Join(s.dirs.Tmp(), trashPrefix+NewID())
		if os.Rename(filepath.Join(s.dirs.Tmp(), e.Name()), to) == nil {
			trash = append(trash, to)
		}
	}
	return trash
}

// tidy deletes what killed commands left unfinished, as far as it is the
// caller's own.
func (s *Store) tidy() {
	for _, dir := range s.condemn() {
		_ = removeTree(dir) // what is left is for SweepTrash
	}
}

// orphaned reports whether a container with --rm has lost the supervisor that
// was to remove it.
func (c *Container) orphaned() bool {
	return c.Life.AutoRemove && c.State.Status == Exited
}

// lostInPowerCut reports whether a container that cannot be read had --rm, and
// nobody is at work on it.
func (s *Store) lostInPowerCut(id string) bool {
	_, err := os.Lstat(filepath.Join(s.dirs.Container(id), volatileName))
	return err == nil && s.unlocked(id)
}

// Reclaim removes orphans, as their supervisors would have.
//
// Preconditions: the caller holds no lock.
func (s *Store) Reclaim(orphans []*Container) {
	for _, c := range orphans {
		s.reclaim(c)
	}
}

// ReclaimName is Reclaim of the container that has a name, if it is an orphan.
//
// Preconditions: as for Reclaim.
func (s *Store) ReclaimName(name string) {
	c, err := s.nameOwner(name)
	var damaged *DamagedError
	switch {
	case err == nil && c.orphaned():
		s.reclaim(c)
	case errors.As(err, &damaged) && s.lostInPowerCut(damaged.ID):
		s.reclaim(s.dead(damaged.ID, err))
	}
}

func (s *Store) reclaim(c *Container) {
	lock, err := state.TryAcquire(s.LockPath(c.ID), state.Exclusive)
	if err != nil {
		return // its supervisor has not quite ended
	}
	defer lock.Release()
	err = s.RemoveLocked(c.ID, c.Name)
	if err == nil || errors.Is(err, ErrNeedsUserNS) {
		_ = s.RemoveAnonymousVolumes(c)
	}
}
