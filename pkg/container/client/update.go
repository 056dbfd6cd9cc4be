// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"errors"
	"fmt"

	"coracle/pkg/cgroup"
	"coracle/pkg/container"
	"coracle/pkg/container/control"
)

// Pause freezes a running container.
func Pause(ctx context.Context, c *container.Container) error {
	if c.State.Status == container.Paused {
		return &container.StateError{Message: fmt.Sprintf("Container %s is already paused", c.ID)}
	}
	_, err := call(ctx, c, control.Request{Op: control.OpPause})
	return err
}

// Unpause lets a paused container go on.
func Unpause(ctx context.Context, c *container.Container) error {
	_, err := call(ctx, c, control.Request{Op: control.OpUnpause})
	return err
}

// Update changes the limits and the restart policy of a container, at once
// when it runs.
func Update(ctx context.Context, s *container.Store, c *container.Container, l cgroup.Limits, p container.Restart) error {
	var limits cgroup.Limits
	var policy container.Restart
	r, err := s.Edit(ctx, c.ID, func(r *container.Record) error {
		limits, policy = r.Limits.Cgroup, r.Life.Restart
		r.Limits.Cgroup, r.Life.Restart = l, p
		return nil
	})
	if err != nil {
		return err
	}
	_, err = tell(ctx, s, c, control.Request{Op: control.OpUpdate}, func(r *container.Record) {
		r.Limits.Cgroup, r.Life.Restart = limits, policy
	}, nil)
	if err != nil {
		return err
	}
	s.Event(r, "update", nil)
	return nil
}

// tell lets the supervisor of a container that runs by now know of a change that
// the record has. What the running container refuses, the next start would too, and
// so undo takes it out of the record again. A container that has just ended refuses
// nothing; one that was started since c was read may have read the change, which
// known, if not nil, finds in its state.
func tell(ctx context.Context, s *container.Store, c *container.Container, req control.Request, undo func(*container.Record), known func(container.State) bool) (told bool, err error) {
	now, err := s.Load(c.ID)
	if err != nil {
		return false, err
	}
	if !now.State.IsRunning() || !c.State.IsRunning() && known != nil && known(now.State) {
		return false, nil
	}
	_, err = call(ctx, now, req)
	if err == nil {
		return true, nil
	}
	if errors.Is(err, container.ErrNotRunning) {
		return false, nil
	}
	_, undone := s.Edit(context.WithoutCancel(ctx), c.ID, func(r *container.Record) error {
		undo(r)
		return nil
	})
	return false, errors.Join(err, undone)
}
