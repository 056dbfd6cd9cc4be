// SPDX-License-Identifier: Apache-2.0

package container

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"

	"coracle/pkg/state"
)

// Edit changes the record of a container: change is given the record as it is
// now, under the record's lock, and what it leaves behind is written. The error
// of change is returned as it is, and then nothing is written. Nobody else
// writes the record of a container that exists.
//
// change asks no other process for anything: who waits for a supervisor holds
// no lock.
func (s *Store) Edit(ctx context.Context, id string, change func(*Record) error) (*Record, error) {
	lock, err := state.Acquire(ctx, s.dirs.Container(id).RecordLock(), state.Exclusive)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &NotFoundError{Arg: id}
	}
	if err != nil {
		return nil, fmt.Errorf("change container %s: %w", short(id), err)
	}
	defer lock.Release()
	c, err := s.Load(id)
	if err != nil {
		return nil, err
	}
	if err := change(&c.Record); err != nil {
		return nil, err
	}
	err = writeRecord(c.dir, &c.Record)
	if errors.Is(err, fs.ErrNotExist) { // it was removed meanwhile
		return nil, &NotFoundError{Arg: id}
	}
	if err != nil {
		return nil, fmt.Errorf("change container %s: %w", short(id), err)
	}
	return &c.Record, nil
}

func writeRecord(dir state.ContainerDir, r *Record) error {
	data, err := json.Marshal(r)
	if err != nil {
		return err
	}
	write := state.WriteFile
	if r.Life.AutoRemove {
		write = state.WriteVolatile
	}
	return write(dir.Record(), data, 0o600)
}
