// SPDX-License-Identifier: Apache-2.0

package container

import (
	"context"
	"errors"
	"fmt"
	"time"

	"coracle/pkg/state"
)

// DamagedError says that what is on the disk of a container cannot be read.
type DamagedError struct {
	ID   string
	part string // record or state
	err  error
}

func (e *DamagedError) Error() string {
	return fmt.Sprintf("read %s of container %s: %v", e.part, short(e.ID), e.err)
}

func (e *DamagedError) Unwrap() error { return e.err }

// Hint is the way out.
func (e *DamagedError) Hint() string {
	return "the container is lost, its files are in its directory still; remove it with: rm -f " + short(e.ID)
}

// damagedWait is how long the supervisor of a damaged container is waited for.
const damagedWait = 2 * time.Second

// RemoveDamaged removes a container whose record or state cannot be read. What
// can be found out about a supervisor is used to end it; one that cannot be
// found still holds the container's lock, and is an error.
func (s *Store) RemoveDamaged(ctx context.Context, id string) error {
	c := &Container{Record: Record{ID: id}, dir: s.dirs.Container(id)}
	if state.ReadJSON(c.dir.State(), &c.State) == nil {
		if err := c.State.Supervisor.Kill(ctx); err != nil {
			return fmt.Errorf("kill supervisor: %w", err)
		}
	}
	short, cancel := context.WithTimeout(ctx, damagedWait)
	defer cancel()
	lock, err := state.Acquire(short, s.dirs.Container(id).Lock(), state.Exclusive)
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("remove container %.12s: its supervisor is running, and its state does not say which process that is", id)
	}
	if err != nil {
		return fmt.Errorf("remove container %.12s: %w", id, err)
	}
	defer lock.Release()
	return s.RemoveLocked(id, s.names().of(id))
}
