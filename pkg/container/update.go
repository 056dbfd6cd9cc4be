// SPDX-License-Identifier: Apache-2.0

package container

import (
	"context"
	"fmt"

	"coracle/pkg/cgroup"
	"coracle/pkg/state"
)

// Pause freezes a running container.
func (s *Store) Pause(c *Container) error {
	_, err := s.call(c, Request{Op: OpPause})
	return err
}

// Unpause lets a paused container go on.
func (s *Store) Unpause(c *Container) error {
	_, err := s.call(c, Request{Op: OpUnpause})
	return err
}

// Update changes the limits and the restart policy of a container, at once
// when it runs.
func (s *Store) Update(ctx context.Context, c *Container, l cgroup.Limits, p Restart) error {
	lock, err := state.Acquire(ctx, s.namesLock(), state.Exclusive) // as for a new name: the record has one writer
	if err != nil {
		return fmt.Errorf("update container: %w", err)
	}
	defer lock.Release()
	now, err := s.Load(c.ID)
	if err != nil {
		return err
	}
	before := now.Record
	r := now.Record
	r.Limits.Cgroup, r.Life.Restart = l, p
	if err := s.writeRecord(c.dir, &r); err != nil {
		return fmt.Errorf("update container: %w", err)
	}
	if now.State.IsRunning() {
		if _, err := s.call(now, Request{Op: OpUpdate}); err != nil {
			_ = s.writeRecord(c.dir, &before) // what the running container refuses, the next start would too
			return err
		}
	}
	s.Event(&r, "update", nil)
	return nil
}
