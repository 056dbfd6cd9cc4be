// SPDX-License-Identifier: Apache-2.0

package volume

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"coracle/pkg/events"
	"coracle/pkg/state"
	"coracle/pkg/trash"
)

// Remove deletes a volume that no container uses; one whose record is damaged,
// too. The error is a *NotFoundError, an *InUseError, or state.ErrNeedsUserNS: the
// volume is gone, and what is left of its files is for [trash.Empty].
func (s *Store) Remove(ctx context.Context, name string) error {
	dir, err := s.discard(ctx, name)
	if err != nil {
		return err
	}
	// What is reported as removed is not there again after a power cut.
	return errors.Join(state.RemoveTree(dir), state.SyncDir(s.dirs.Volumes()))
}

// Delete is Remove to the end: a worker takes what is left.
func (s *Store) Delete(ctx context.Context, name string) error {
	err := s.Remove(ctx, name)
	if errors.Is(err, state.ErrNeedsUserNS) {
		return trash.Empty(ctx, s.dirs)
	}
	return err
}

func (s *Store) discard(ctx context.Context, name string) (trash string, err error) {
	r, err := s.alone(ctx)
	if err != nil {
		return "", fmt.Errorf("remove volume %s: %w", name, err)
	}
	defer r.end()
	var damaged *DamagedError
	if _, err := s.Load(name); err != nil && !errors.As(err, &damaged) {
		return "", err
	}
	return r.discard(name)
}

// RemoveAnonymous deletes those of the volumes that were made for one container,
// and that none has any more. state.ErrNeedsUserNS is as of [Store.Remove].
func (s *Store) RemoveAnonymous(ctx context.Context, names []string) error {
	list := func() (l []Volume, _ error) {
		for _, name := range names {
			if v, err := s.Load(name); err == nil && v.Anonymous {
				l = append(l, v)
			}
		}
		return l, nil
	}
	if l, _ := list(); len(l) == 0 {
		return nil
	}
	p, discarded, err := s.discardUnused(ctx, list)
	errs := append(p.Failed, err)
	for _, dir := range discarded {
		errs = append(errs, state.RemoveTree(dir))
	}
	return errors.Join(errs...)
}

// Pruned is what a prune has done.
type Pruned struct {
	Names  []string // of the volumes that are gone
	Freed  int64    // bytes
	Failed []error  // why others are not
}

// Prune deletes the volumes that are chosen and that no container uses. One with
// a damaged record stays.
func (s *Store) Prune(ctx context.Context, choose func(Volume) bool) (Pruned, error) {
	p, discarded, err := s.discardUnused(ctx, func() (l []Volume, _ error) {
		all, err := s.List()
		for _, v := range all {
			if v.Damaged == nil && choose(v) {
				l = append(l, v)
			}
		}
		return l, err
	})
	if err != nil {
		return p, fmt.Errorf("prune volumes: %w", err)
	}
	p.Freed, err = s.clear(ctx, discarded)
	_ = events.Append(s.dirs.Root, events.New(events.Volume, "prune", "", map[string]string{"reclaimed": strconv.FormatInt(p.Freed, 10)}))
	return p, err
}

// discardUnused makes those of a list disappear that no container uses.
func (s *Store) discardUnused(ctx context.Context, list func() ([]Volume, error)) (p Pruned, trash []string, err error) {
	r, err := s.alone(ctx)
	if err != nil {
		return p, nil, err
	}
	defer r.end()
	volumes, err := list()
	if err != nil {
		return p, nil, err
	}
	for _, v := range volumes {
		dir, err := r.discard(v.Name)
		var used *InUseError
		switch {
		case errors.As(err, &used):
		case err != nil:
			p.Failed = append(p.Failed, err)
		default:
			p.Names, trash = append(p.Names, v.Name), append(trash, dir)
		}
	}
	return p, trash, nil
}

// removal is the right to make volumes disappear: as long as it lasts no
// container appears that has one.
type removal struct {
	s     *Store
	lock  *state.Lock
	users func(name string) []string
}

// alone waits until nobody else holds the volumes, and asks who has them.
func (s *Store) alone(ctx context.Context) (*removal, error) {
	lock, err := state.Acquire(ctx, s.dirs.VolumesLock(), state.Exclusive)
	if err != nil {
		return nil, err
	}
	users, err := s.users(s.dirs)
	if err != nil {
		lock.Release()
		return nil, err
	}
	return &removal{s, lock, users}, nil
}

func (r *removal) end() { r.lock.Release() }

// discard makes a volume disappear, by one rename, and returns where it is now.
func (r *removal) discard(name string) (trash string, err error) {
	if users := r.users(name); len(users) > 0 {
		return "", &InUseError{name, users}
	}
	if trash, err = r.s.dirs.Tmp().Discard(string(r.s.dirs.Volume(name))); err != nil {
		return "", fmt.Errorf("remove volume %s: %w", name, err)
	}
	r.s.event(name, "destroy")
	return trash, nil
}
