// SPDX-License-Identifier: Apache-2.0

package container

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"coracle/pkg/state"
)

// Create commits a record: the container exists, with its name, from the
// moment Create returns nil, and does not exist at all after an error. With
// an empty Name a free one is chosen. Everything but ID, Name, Version and
// Created is the caller's.
func (s *Store) Create(ctx context.Context, r *Record) error {
	r.Version, r.Created = recordVersion, time.Now().UTC()
	if r.ID == "" {
		r.ID = state.NewID()
	}
	if r.Name != "" {
		if err := CheckName(r.Name); err != nil {
			return err
		}
	}
	s.dirs.Tmp().Tidy()
	staging, err := s.dirs.Tmp().Stage(ctx)
	if err != nil {
		return fmt.Errorf("create container: %w", err)
	}
	defer staging.Release()
	tmp := s.dirs.Tmp().Container(r.ID)
	if err = s.createIn(ctx, tmp, r); err != nil {
		_ = os.RemoveAll(string(tmp))
		return err
	}
	s.Event(r, "create", nil)
	return nil
}

func (s *Store) createIn(ctx context.Context, tmp state.ContainerDir, r *Record) error {
	for _, dir := range []string{string(tmp), tmp.Upper(), tmp.Work(), tmp.Rootfs(), tmp.Files()} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			return fmt.Errorf("create container: %w", err)
		}
	}
	// The upper directory is the container's "/": everybody in it may enter.
	if err := os.Chmod(tmp.Upper(), 0o755); err != nil {
		return fmt.Errorf("create container: %w", err)
	}
	if r.Life.AutoRemove {
		if err := markVolatile(tmp); err != nil {
			return fmt.Errorf("create container: %w", err)
		}
	}
	if r.Name != "" {
		return s.appear(ctx, tmp, r)
	}
	for try := 0; ; try++ {
		r.Name = randomName(try)
		err := s.appear(ctx, tmp, r)
		if taken := (*NameTakenError)(nil); !errors.As(err, &taken) {
			return err
		}
	}
}

// appear makes a container of its directory, unless its name is taken. Whoever makes
// another one waits for the names alone: the disk has the record before, and the
// container after that.
func (s *Store) appear(ctx context.Context, tmp state.ContainerDir, r *Record) error {
	if err := writeRecord(tmp, r); err != nil {
		return fmt.Errorf("create container: %w", err)
	}
	lock, err := state.Acquire(ctx, s.dirs.NamesLock(), state.Exclusive)
	if err != nil {
		return fmt.Errorf("create container: %w", err)
	}
	defer lock.Release()
	if err := s.checkFreeLocked(r.Name); err != nil {
		return err
	}
	if err := s.commitLocked(tmp, r); err != nil || r.Life.AutoRemove {
		return err
	}
	lock.Release()
	if err := state.SyncDir(s.dirs.Containers()); err != nil {
		return errors.Join(fmt.Errorf("commit container: %w", err), s.RemoveLocked(r.ID, r.Name))
	}
	return nil
}

// commitLocked makes the container appear. The name goes first, also to the
// disk: a name that leads nowhere is free, a container without its name could
// only be found by its ID.
//
// Preconditions: the names lock is held.
func (s *Store) commitLocked(tmp state.ContainerDir, r *Record) error {
	if err := s.names().link(r.Name, r.ID); err != nil {
		return err
	}
	var err error
	if !r.Life.AutoRemove { // that would not survive a power cut in any case
		err = s.names().sync()
	}
	if err == nil {
		err = os.Rename(string(tmp), string(s.dirs.Container(r.ID)))
	}
	if err != nil {
		s.names().unlink(r.Name, r.ID)
		return fmt.Errorf("commit container: %w", err)
	}
	return nil
}
