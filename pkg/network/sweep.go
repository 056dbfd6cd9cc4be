// SPDX-License-Identifier: Apache-2.0

package network

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"coracle/pkg/state"
)

// Members returns the running members of a network, by address.
func (n Store) Members(ctx context.Context, w Network) ([]Member, error) {
	l, err := n.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer l.Release()
	list, _, err := n.sweep(w.Name)
	return list, err
}

// sweep removes records of the dead and returns those of the living, and the IDs
// of those whose records are damaged.
//
// Preconditions: the lock is held.
func (n Store) sweep(name string) (living []Member, damaged []string, err error) {
	list, unreadable, err := readMembers(n.members(name))
	if err != nil {
		return nil, nil, err
	}
	for _, m := range list {
		alive, err := n.sweepMember(name, m.Container)
		if err != nil {
			return nil, nil, err
		}
		if alive {
			living = append(living, m)
		}
	}
	for _, id := range unreadable {
		alive, err := n.sweepMember(name, id)
		if err != nil {
			return nil, nil, err
		}
		if alive {
			damaged = append(damaged, id)
		}
	}
	slices.SortFunc(living, func(a, b Member) int { return a.Addr.Compare(b.Addr) })
	return living, damaged, nil
}

// sweepMember removes the record of a container unless its supervisor lives.
func (n Store) sweepMember(network, container string) (alive bool, err error) {
	lock := n.dirs.Network(network).MemberLock(container)
	l, err := state.TryAcquire(lock, state.Exclusive)
	if errors.Is(err, state.ErrLocked) {
		return true, nil
	}
	if err == nil {
		err = errors.Join(n.removeMember(network, container), os.Remove(lock.Path))
		l.Release()
	}
	if err != nil {
		return false, fmt.Errorf("sweep network %s: %w", network, err)
	}
	return false, nil
}

// removeMember removes what somebody has left who is dead.
//
// Preconditions: the member's lock is held.
func (n Store) removeMember(network, key string) error {
	files := state.MemberFiles(filepath.Join(n.members(network), key))
	return errors.Join(os.RemoveAll(files.Record()), ignoreMissing(os.Remove(files.Socket())))
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
