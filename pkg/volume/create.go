// SPDX-License-Identifier: Apache-2.0

package volume

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"coracle/pkg/state"
)

// Hold keeps volumes from being removed until the lock is released: from before
// they are made or found until the record that names them is in place.
func (s *Store) Hold(ctx context.Context) (*state.Lock, error) {
	l, err := state.Acquire(ctx, s.dirs.VolumesLock(), state.Shared)
	if err != nil {
		return nil, fmt.Errorf("hold volumes: %w", err)
	}
	return l, nil
}

// Create makes the volume if there is none of its name, for nobody yet. An empty
// name makes an anonymous one.
func (s *Store) Create(ctx context.Context, name string, labels, options map[string]string) (Volume, error) {
	lock, err := s.Hold(ctx)
	if err != nil {
		return Volume{}, err
	}
	defer lock.Release()
	v, _, err := s.Ensure(ctx, name, labels, options)
	return v, err
}

// Ensure is Create for who needs the volume further, and says whether it was made.
//
// Preconditions: Hold.
func (s *Store) Ensure(ctx context.Context, name string, labels, options map[string]string) (v Volume, made bool, err error) {
	v = Volume{Name: name, Created: time.Now().UTC(), Labels: labels, Options: options}
	if name == "" {
		v.Name, v.Anonymous = state.NewID(), true
	}
	if err := checkName(v.Name); err != nil {
		return Volume{}, false, fmt.Errorf("create %s: %w", v.Name, err)
	}
	have, err := s.Load(v.Name)
	var missing *NotFoundError
	if err == nil || !errors.As(err, &missing) {
		return have, false, err
	}
	if _, err := v.source(s.dirs); err != nil {
		return Volume{}, false, fmt.Errorf("create %s: %w", v.Name, err)
	}
	err = s.make(ctx, v)
	if errors.Is(err, fs.ErrExist) { // another command made it meanwhile
		have, err := s.Load(v.Name)
		return have, false, err
	}
	if err != nil {
		return Volume{}, false, fmt.Errorf("create volume %s: %w", v.Name, err)
	}
	s.event(v.Name, "create")
	return v, true, state.SyncDir(s.dirs.Volumes())
}

// make makes the directory of a volume, which appears complete.
func (s *Store) make(ctx context.Context, v Volume) error {
	staging, err := s.dirs.Tmp().Stage(ctx)
	if err != nil {
		return err
	}
	defer staging.Release()
	tmp, err := s.dirs.Tmp().NewVolume()
	if err != nil {
		return err
	}
	defer os.RemoveAll(string(tmp))
	data := tmp.Data()
	if err := os.Mkdir(data, 0o755); err != nil {
		return err
	}
	if err := os.Chmod(data, 0o755); err != nil { // the caller's umask is none of the volume's
		return err
	}
	if err := state.WriteJSON(tmp.Record(), v, 0o600); err != nil {
		return err
	}
	return os.Rename(string(tmp), string(s.dirs.Volume(v.Name)))
}
