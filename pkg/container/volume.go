// SPDX-License-Identifier: Apache-2.0

package container

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
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
	Options   map[string]string `json:"options,omitempty"`   // type, device and o, as of mount(8)

	// Damaged is why the volume's record cannot be read, and then all there is
	// but its name.
	Damaged error `json:"-"`
}

// VolumeNotFoundError says that there is no such volume.
type VolumeNotFoundError struct{ Name string }

func (e *VolumeNotFoundError) Error() string { return "get " + e.Name + ": no such volume" }

// DamagedVolumeError says that what is on the disk of a volume cannot be read.
type DamagedVolumeError struct {
	Name string
	err  error
}

func (e *DamagedVolumeError) Error() string { return fmt.Sprintf("read volume %s: %v", e.Name, e.err) }
func (e *DamagedVolumeError) Unwrap() error { return e.err }

// Hint is the way out.
func (e *DamagedVolumeError) Hint() string {
	return "its files are in its directory still; remove the volume with: volume rm " + e.Name
}

// DataDir is where the files of volume name are, unless its options say
// otherwise.
func (s *Store) DataDir(name string) string { return s.dirs.Volume(name).Data() }

// HoldVolumes keeps volumes from being removed until the lock is released: from
// before they are made or found until the record that names them is in place.
func (s *Store) HoldVolumes(ctx context.Context) (*state.Lock, error) {
	l, err := state.Acquire(ctx, s.dirs.VolumesLock(), state.Shared)
	if err != nil {
		return nil, fmt.Errorf("hold volumes: %w", err)
	}
	return l, nil
}

// EnsureVolume makes the volume if there is none of its name, and says whether
// it did. An empty name makes an anonymous one.
//
// Preconditions: HoldVolumes.
func (s *Store) EnsureVolume(name string, labels, options map[string]string) (v Volume, made bool, err error) {
	v = Volume{Name: name, Created: time.Now().UTC(), Labels: labels, Options: options}
	if name == "" {
		v.Name, v.Anonymous = state.NewID(), true
	}
	if err := checkVolumeName(v.Name); err != nil {
		return Volume{}, false, fmt.Errorf("create %s: %w", v.Name, err)
	}
	have, err := s.LoadVolume(v.Name)
	var missing *VolumeNotFoundError
	if err == nil || !errors.As(err, &missing) {
		return have, false, err
	}
	if _, err := s.volumeSource(v); err != nil {
		return Volume{}, false, fmt.Errorf("create %s: %w", v.Name, err)
	}
	err = s.makeVolume(v)
	if errors.Is(err, fs.ErrExist) { // another command made it meanwhile
		have, err := s.LoadVolume(v.Name)
		return have, false, err
	}
	if err != nil {
		return Volume{}, false, fmt.Errorf("create volume %s: %w", v.Name, err)
	}
	s.volumeEvent(v.Name, "create")
	return v, true, state.SyncDir(s.dirs.Volumes())
}

func (s *Store) makeVolume(v Volume) error {
	staging, err := s.dirs.Tmp().Stage(context.Background())
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

func checkVolumeName(name string) error {
	switch {
	case len(name) < 2:
		return errors.New("volume name is too short, names should be at least two alphanumeric characters")
	case !namePattern().MatchString(name), len(name) > 255:
		return fmt.Errorf("%q includes invalid characters for a local volume name, only %q are allowed. "+
			"If you intended to pass a host directory, use absolute path", name, "[a-zA-Z0-9][a-zA-Z0-9_.-]")
	}
	return nil
}

// LoadVolume reads one volume. The error is a *VolumeNotFoundError or a
// *DamagedVolumeError.
func (s *Store) LoadVolume(name string) (Volume, error) {
	if !isEntry(name) {
		return Volume{}, &VolumeNotFoundError{Name: name}
	}
	if _, err := os.Lstat(string(s.dirs.Volume(name))); errors.Is(err, fs.ErrNotExist) {
		return Volume{}, &VolumeNotFoundError{Name: name}
	}
	var v Volume
	err := state.ReadJSON(s.dirs.Volume(name).Record(), &v)
	if err == nil && v.Name != name {
		err = errors.New("volume.json is not about this volume")
	}
	if err == nil {
		err = checkVolumeName(name)
	}
	if err == nil {
		_, err = s.volumeSource(v)
	}
	if err != nil {
		return Volume{}, &DamagedVolumeError{Name: name, err: err}
	}
	return v, nil
}

// isEntry reports whether name is one of the directory of volumes, and not one
// of its own files.
func isEntry(name string) bool {
	return name != "" && len(name) <= 255 && !strings.HasPrefix(name, ".") && !strings.ContainsAny(name, "/\x00")
}

// Volumes returns all volumes, by name, those with a damaged record among them.
func (s *Store) Volumes() ([]Volume, error) {
	entries, err := os.ReadDir(s.dirs.Volumes())
	if err != nil {
		return nil, fmt.Errorf("list volumes: %w", err)
	}
	var list []Volume
	for _, e := range entries {
		v, err := s.LoadVolume(e.Name())
		var damaged *DamagedVolumeError
		switch {
		case err == nil:
			list = append(list, v)
		case errors.As(err, &damaged):
			list = append(list, Volume{Name: e.Name(), Damaged: err})
		}
	}
	return list, nil
}

// VolumeUsers returns the IDs of the containers that mount volume name.
func (s *Store) VolumeUsers(name string) ([]string, error) {
	users, err := s.AllVolumeUsers()
	if err != nil {
		return nil, err
	}
	return users(name), nil
}

// AllVolumeUsers is VolumeUsers for any number of volumes. A container whose
// record is damaged counts as a user of what its record still names.
func (s *Store) AllVolumeUsers() (func(name string) []string, error) {
	ids, err := s.IDs()
	if err != nil {
		return nil, err
	}
	users := map[string][]string{}
	damaged := map[string]string{}
	for _, id := range ids {
		c, err := s.Load(id)
		var bad *DamagedError
		if errors.As(err, &bad) {
			text, _ := os.ReadFile(s.dirs.Container(id).Record())
			damaged[id] = string(text)
			continue
		}
		if err != nil {
			continue // it was removed meanwhile
		}
		for _, m := range c.Mounts {
			if u := users[m.Name]; m.Type == MountVolume && (len(u) == 0 || u[len(u)-1] != id) {
				users[m.Name] = append(u, id)
			}
		}
	}
	return func(name string) []string {
		list := users[name]
		for id, text := range damaged {
			if strings.Contains(text, `"`+name+`"`) {
				list = append(list, id)
			}
		}
		return list
	}, nil
}

// RemoveVolume deletes a volume that no container uses; one whose record is
// damaged, too. state.ErrNeedsUserNS: see [Store.Remove].
func (s *Store) RemoveVolume(name string) error {
	trash, err := s.discardVolume(name)
	if err != nil {
		return err
	}
	return state.RemoveTree(trash)
}

// discardVolume makes a volume disappear and returns where it is now.
func (s *Store) discardVolume(name string) (trash string, err error) {
	lock, err := state.Acquire(context.Background(), s.dirs.VolumesLock(), state.Exclusive)
	if err != nil {
		return "", fmt.Errorf("remove volume %s: %w", name, err)
	}
	defer lock.Release()
	var damaged *DamagedVolumeError
	if _, err := s.LoadVolume(name); err != nil && !errors.As(err, &damaged) {
		return "", err
	}
	users, err := s.VolumeUsers(name)
	if err != nil {
		return "", err
	}
	if len(users) > 0 {
		return "", fmt.Errorf("remove %s: volume is in use - %v", name, users)
	}
	if trash, err = s.dirs.Tmp().Discard(string(s.dirs.Volume(name))); err != nil {
		return "", fmt.Errorf("remove volume %s: %w", name, err)
	}
	s.volumeEvent(name, "destroy")
	return trash, nil
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
		var gone *VolumeNotFoundError // with another container that had it
		if err := s.RemoveVolume(m.Name); !errors.As(err, &gone) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
