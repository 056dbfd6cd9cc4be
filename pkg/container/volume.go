// SPDX-License-Identifier: Apache-2.0

package container

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"coracle/pkg/state"
)

// Volume is a directory that outlives containers: volumes/<name>/ with
// volume.json and data/.
type Volume struct {
	Name      string            `json:"name"`
	Created   time.Time         `json:"created"`
	Labels    map[string]string `json:"labels,omitempty"`
	Anonymous bool              `json:"anonymous,omitempty"` // removed with the container that asked for it
}

// DataDir is where the files of volume name are.
func (s *Store) DataDir(name string) string {
	return filepath.Join(s.dirs.Volumes(), name, "data")
}

// EnsureVolume makes the volume if there is none of its name. An empty name
// makes an anonymous one.
func (s *Store) EnsureVolume(ctx context.Context, name string, labels map[string]string) (Volume, error) {
	v := Volume{Name: name, Created: time.Now().UTC(), Labels: labels}
	if name == "" {
		v.Name, v.Anonymous = NewID(), true
	}
	if !namePattern().MatchString(v.Name) || len(v.Name) > 255 {
		return Volume{}, fmt.Errorf("create %s: %q includes invalid characters for a local volume name, only %q are allowed. "+
			"If you intended to pass a host directory, use absolute path", v.Name, v.Name, "[a-zA-Z0-9][a-zA-Z0-9_.-]")
	}
	have, err := s.LoadVolume(v.Name)
	var missing *VolumeNotFoundError
	if err == nil || !errors.As(err, &missing) {
		return have, err
	}
	staging, err := s.stage(context.Background())
	if err != nil {
		return Volume{}, fmt.Errorf("create volume %s: %w", v.Name, err)
	}
	defer staging.Release()
	tmp, err := os.MkdirTemp(s.dirs.Tmp(), volumePrefix)
	if err != nil {
		return Volume{}, fmt.Errorf("create volume %s: %w", v.Name, err)
	}
	defer os.RemoveAll(tmp)
	if err := os.Mkdir(filepath.Join(tmp, "data"), 0o755); err != nil {
		return Volume{}, fmt.Errorf("create volume %s: %w", v.Name, err)
	}
	if err := state.WriteJSON(filepath.Join(tmp, "volume.json"), v, 0o600); err != nil {
		return Volume{}, fmt.Errorf("create volume %s: %w", v.Name, err)
	}
	err = os.Rename(tmp, filepath.Join(s.dirs.Volumes(), v.Name))
	if errors.Is(err, fs.ErrExist) { // another command made it meanwhile
		return s.LoadVolume(v.Name)
	}
	if err != nil {
		return Volume{}, fmt.Errorf("create volume %s: %w", v.Name, err)
	}
	s.volumeEvent(v.Name, "create")
	return v, state.SyncDir(s.dirs.Volumes())
}

// VolumeNotFoundError says that there is no such volume.
type VolumeNotFoundError struct{ Name string }

func (e *VolumeNotFoundError) Error() string { return "get " + e.Name + ": no such volume" }

// LoadVolume reads one volume.
func (s *Store) LoadVolume(name string) (Volume, error) {
	if !namePattern().MatchString(name) {
		return Volume{}, &VolumeNotFoundError{Name: name}
	}
	var v Volume
	err := state.ReadJSON(filepath.Join(s.dirs.Volumes(), name, "volume.json"), &v)
	if errors.Is(err, fs.ErrNotExist) {
		return Volume{}, &VolumeNotFoundError{Name: name}
	}
	if err != nil {
		return Volume{}, fmt.Errorf("read volume %s: %w", name, err)
	}
	return v, nil
}

// Volumes returns all volumes, by name.
func (s *Store) Volumes() ([]Volume, error) {
	entries, err := os.ReadDir(s.dirs.Volumes())
	if err != nil {
		return nil, fmt.Errorf("list volumes: %w", err)
	}
	var list []Volume
	for _, e := range entries {
		if v, err := s.LoadVolume(e.Name()); err == nil {
			list = append(list, v)
		}
	}
	return list, nil
}

// VolumeUsers returns the IDs of the containers that mount volume name.
func (s *Store) VolumeUsers(name string) ([]string, error) {
	list, err := s.List() // who cannot be read may be one
	if err != nil {
		return nil, err
	}
	var users []string
	for _, c := range list {
		for _, m := range c.Mounts {
			if m.Type == MountVolume && m.Name == name {
				users = append(users, c.ID)
				break
			}
		}
	}
	return users, nil
}

// RemoveVolume deletes a volume that no container uses. ErrNeedsUserNS: see
// [Store.Remove].
func (s *Store) RemoveVolume(name string) error {
	if _, err := s.LoadVolume(name); err != nil {
		return err
	}
	users, err := s.VolumeUsers(name)
	if err != nil {
		return err
	}
	if len(users) > 0 {
		return fmt.Errorf("remove %s: volume is in use - %v", name, users)
	}
	trash := filepath.Join(s.dirs.Tmp(), trashPrefix+NewID())
	if err := os.Rename(filepath.Join(s.dirs.Volumes(), name), trash); err != nil {
		return fmt.Errorf("remove volume %s: %w", name, err)
	}
	s.volumeEvent(name, "destroy")
	return removeTree(trash)
}

// RemoveAnonymousVolumes deletes the volumes that were made for c alone.
func (s *Store) RemoveAnonymousVolumes(c *Container) error {
	var errs []error
	for _, m := range c.Mounts {
		if m.Type != MountVolume {
			continue
		}
		v, err := s.LoadVolume(m.Name)
		if err != nil || !v.Anonymous {
			continue
		}
		if users, err := s.VolumeUsers(m.Name); err != nil || len(users) > 0 {
			continue
		}
		errs = append(errs, s.RemoveVolume(m.Name))
	}
	return errors.Join(errs...)
}
