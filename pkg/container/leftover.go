// SPDX-License-Identifier: Apache-2.0

package container

import (
	"context"
	"errors"
	"os"

	"coracle/pkg/state"
)

// markVolatile makes an empty file in the directory of a container with --rm. Its
// record is not synced: after a power cut the name of this file may be all that
// is left of it.
func markVolatile(dir state.ContainerDir) error {
	f, err := os.OpenFile(dir.Volatile(), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

// orphaned reports whether a container with --rm has lost the supervisor that
// was to remove it.
func (c *Container) orphaned() bool {
	return c.Life.AutoRemove && c.State.Status == Exited
}

// lostInPowerCut reports whether a container that cannot be read had --rm, and
// nobody is at work on it.
func (s *Store) lostInPowerCut(id string) bool {
	_, err := os.Lstat(s.dirs.Container(id).Volatile())
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
	lock, err := state.TryAcquire(s.dirs.Container(c.ID).Lock(), state.Exclusive)
	if err != nil {
		return // its supervisor has not quite ended
	}
	defer lock.Release()
	err = s.RemoveLocked(c.ID, c.Name)
	if err == nil || errors.Is(err, state.ErrNeedsUserNS) {
		_ = Volumes(s.dirs).RemoveAnonymous(context.Background(), c.VolumeNames())
	}
}
