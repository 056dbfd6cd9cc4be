// SPDX-License-Identifier: Apache-2.0

package container

import (
	"errors"
	"os"
	"slices"

	"coracle/pkg/state"
)

// Listing is what there is of containers.
type Listing struct {
	Containers []*Container // newest first
	// Dead cannot be read, which Bad says, too: there is no more of them than ID,
	// name and error.
	Dead []*Container
	Bad  error
	// Orphans have --rm and lost the supervisor that was to remove them. They
	// are for [Store.Reclaim].
	Orphans []*Container
}

// ListAll reads all containers. One that disappears meanwhile is left out.
func (s *Store) ListAll() (Listing, error) {
	ids, err := s.IDs()
	if err != nil {
		return Listing{}, err
	}
	var l Listing
	var bad []error
	for _, id := range ids {
		c, err := s.Load(id)
		var gone *NotFoundError
		switch {
		case errors.As(err, &gone):
		case err != nil && s.lostInPowerCut(id):
			l.Orphans = append(l.Orphans, s.dead(id, err))
		case err != nil:
			bad = append(bad, err)
			l.Dead = append(l.Dead, s.dead(id, err))
		case c.orphaned() && s.unlocked(id):
			l.Orphans = append(l.Orphans, c)
		default:
			l.Containers = append(l.Containers, c)
		}
	}
	slices.SortFunc(l.Containers, func(a, b *Container) int { return b.Created.Compare(a.Created) })
	l.Bad = errors.Join(bad...)
	return l, nil
}

// List returns the containers, newest first, and an error about those that cannot
// be read.
func (s *Store) List() ([]*Container, error) {
	l, err := s.ListAll()
	return l.Containers, errors.Join(err, l.Bad)
}

// Readable is List for whom a damaged container is of no concern.
func (s *Store) Readable() ([]*Container, error) {
	l, err := s.ListAll()
	return l.Containers, err
}

// dead is what can be shown of a container that cannot be read.
func (s *Store) dead(id string, err error) *Container {
	c := &Container{Record: Record{ID: id, Name: s.names().of(id)}, State: State{Status: Dead, Error: err.Error()}, dir: s.dirs.Container(id)}
	if st, err := os.Lstat(string(c.dir)); err == nil {
		c.Created = st.ModTime().UTC()
	}
	return c
}

// unlocked reports whether no supervisor is, or is just ending, with a container.
func (s *Store) unlocked(id string) bool {
	lock, err := state.TryAcquire(s.dirs.Container(id).Lock(), state.Exclusive)
	if err != nil {
		return false
	}
	lock.Release()
	return true
}
