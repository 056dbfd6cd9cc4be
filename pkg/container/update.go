// SPDX-License-Identifier: Apache-2.0

package container

import (
	"context"
	"errors"

	"coracle/pkg/cgroup"
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
	var before Record
	r, err := s.Edit(ctx, c.ID, func(r *Record) error {
		before = *r
		r.Limits.Cgroup, r.Life.Restart = l, p
		return nil
	})
	if err != nil {
		return err
	}
	now, err := s.Load(c.ID)
	if err != nil {
		return err
	}
	if now.State.IsRunning() {
		if _, err := s.call(now, Request{Op: OpUpdate}); err != nil {
			// What the running container refuses, the next start would too.
			_, undo := s.Edit(ctx, c.ID, func(r *Record) error {
				r.Limits.Cgroup, r.Life.Restart = before.Limits.Cgroup, before.Life.Restart
				return nil
			})
			return errors.Join(err, undo)
		}
	}
	s.Event(r, "update", nil)
	return nil
}
