// SPDX-License-Identifier: Apache-2.0

package container

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"

	"coracle/pkg/cgroup"
	"coracle/pkg/state"
)

// Remove makes a stopped container disappear: by one rename, after which its
// name is free, and then from the disk. What belongs to subordinate ids can
// only be deleted inside the user namespace: state.ErrNeedsUserNS says that the
// container is gone for every other command and that [state.TmpDir.Sweep], run
// there, finishes the work.
//
// Preconditions: the container does not run.
func (s *Store) Remove(ctx context.Context, c *Container) error {
	lock, err := state.Acquire(ctx, s.dirs.Container(c.ID).Lock(), state.Exclusive)
	if errors.Is(err, fs.ErrNotExist) {
		return &NotFoundError{Arg: c.ID}
	}
	if err != nil {
		return fmt.Errorf("remove container %s: %w", short(c.ID), err)
	}
	defer lock.Release()
	err = s.RemoveLocked(c.ID, c.Name)
	// What is reported as removed is not there again after a power cut; one with
	// --rm would be removed then.
	if !c.Life.AutoRemove {
		err = errors.Join(err, state.SyncDir(s.dirs.Containers()))
	}
	return err
}

// RemoveLocked is Remove for the process that holds the container's lock.
func (s *Store) RemoveLocked(id, name string) error {
	trash, err := s.DiscardLocked(id, name)
	if err != nil {
		return err
	}
	return state.RemoveTree(trash)
}

// DiscardLocked is the first half of RemoveLocked: the container is gone for
// every other command and its name, which the record knows better than the
// caller, is free. The caller gives trash to [state.RemoveTree]; when it is
// killed before, [state.TmpDir.Sweep] does.
func (s *Store) DiscardLocked(id, name string) (trash string, err error) {
	var last State
	c, unreadable := s.Load(id)
	if unreadable == nil {
		last, name = c.State, c.Name
	} else { // what is damaged can be removed, too; its state may be whole
		_ = state.ReadJSON(s.dirs.Container(id).State(), &last)
	}
	if last.Cgroup != "" { // of a supervisor that was killed
		_ = cgroup.Remove(last.Cgroup)
	}
	trash, err = s.dirs.Tmp().Discard(string(s.dirs.Container(id)))
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return "", &NotFoundError{Arg: id}
		}
		return "", fmt.Errorf("remove container %s: %w", short(id), err)
	}
	s.names().unlink(name, id)
	_ = os.RemoveAll(s.dirs.ContainerRun(id))
	if unreadable == nil {
		s.Event(&c.Record, "destroy", parting(c))
	}
	return trash, nil
}

// parting is what the journal keeps of a container with --rm for those who come to
// wait for it when it is gone.
func parting(c *Container) map[string]string {
	if !c.Life.AutoRemove || c.State.Status != Exited {
		return nil
	}
	return map[string]string{"exitCode": strconv.Itoa(c.State.ExitCode)}
}
