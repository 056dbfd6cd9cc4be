// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"

	"coracle/pkg/container"
	"coracle/pkg/container/control"
	"coracle/pkg/state"
)

// StartAlone starts a container that does not run, with nobody attached. Of several who
// do so at once one starts it, and the others return when it runs.
func StartAlone(ctx context.Context, s *container.Store, c *container.Container, sockets []*os.File, copies func()) error {
	if c.State.IsRunning() {
		return nil
	}
	ses, err := Launch(ctx, s, c, Start{Sockets: sockets, Copies: copies})
	if err != nil {
		if now, lerr := s.Load(c.ID); lerr == nil && now.State.IsRunning() {
			return nil
		}
		return err
	}
	return ses.Close()
}

// Restart ends a container as [Stop] does, and starts it by start.
func Restart(ctx context.Context, s *container.Store, c *container.Container, sig syscall.Signal, timeout *int, start func(*container.Container) error) error {
	if err := Stop(ctx, c, sig, timeout); err != nil {
		return err
	}
	again, err := s.Load(c.ID)
	if err != nil {
		return err
	}
	if err := start(again); err != nil {
		return err
	}
	s.Event(&again.Record, "restart", nil)
	return nil
}

// Remove makes a container disappear, one that runs by force only, and with volumes
// those that nobody has named. What of its files is subordinate ids' is left for
// [coracle/pkg/trash.Empty].
func Remove(ctx context.Context, s *container.Store, c *container.Container, force, volumes bool) error {
	if c.State.IsRunning() {
		if !force {
			why := fmt.Sprintf("container is %s: stop the container before removing or force remove", c.State.Status)
			if c.State.Status == container.Paused {
				why = "container is paused and must be unpaused first"
			}
			return &container.StateError{Message: fmt.Sprintf("cannot remove container %q: %s", c.Name, why)}
		}
		if err := Kill(ctx, c); err != nil && !errors.Is(err, container.ErrNotRunning) {
			return err
		}
	}
	err := s.Remove(ctx, c)
	var gone *container.NotFoundError
	if errors.As(err, &gone) && (force || c.Life.AutoRemove) || errors.Is(err, state.ErrNeedsUserNS) {
		err = nil
	}
	if err == nil && volumes {
		if err = container.Volumes(s.Dirs()).RemoveAnonymous(ctx, c.VolumeNames()); errors.Is(err, state.ErrNeedsUserNS) {
			err = nil
		}
	}
	return err
}

// Resize gives a terminal a size: that of the first process of a container, or of
// another one that has a record ([container.Exec]).
func Resize(ctx context.Context, c *container.Container, r control.Resize) error {
	_, err := call(ctx, c, control.Request{Op: control.OpResize, Resize: &r})
	return err
}
