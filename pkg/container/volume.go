// SPDX-License-Identifier: Apache-2.0

package container

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"coracle/pkg/state"
	"coracle/pkg/volume"
)

// Volumes are the volumes of d, which the containers of d use.
func Volumes(d state.Dirs) *volume.Store { return volume.NewStore(d, VolumeUsers) }

// VolumeUsers are the containers that mount a volume, by its name. One whose
// record is damaged counts as a user of what the record still names.
func VolumeUsers(d state.Dirs) (func(name string) []string, error) {
	s := NewStore(d)
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
			text, _ := os.ReadFile(d.Container(id).Record())
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
		list := slices.Clone(users[name])
		for id, text := range damaged {
			if strings.Contains(text, `"`+name+`"`) {
				list = append(list, id)
			}
		}
		return list
	}, nil
}

// VolumeNames are the volumes of a container.
func (r *Record) VolumeNames() (names []string) {
	for _, m := range r.Mounts {
		if m.Type == MountVolume {
			names = append(names, m.Name)
		}
	}
	return names
}

// Resolve is what is mounted for a mount of a record: of a volume its directory,
// or what its options say.
func (m Mount) Resolve(vs *volume.Store) (Mount, error) {
	if m.Type != MountVolume {
		return m, nil
	}
	src, err := vs.Source(m.Name)
	if err != nil {
		return m, err
	}
	readOnly := m.ReadOnly || src.ReadOnly
	switch src.Kind {
	case volume.Bind:
		real := Mount{Type: MountBind, Source: src.Dir, Target: m.Target, Subpath: m.Subpath, ReadOnly: readOnly, Propagation: src.Propagation}
		if !src.Recursive {
			real.Recursive = "disabled"
		}
		real.volume, real.flags = m.Name, src.Options
		return real, nil
	case volume.Tmpfs:
		if m.Subpath != "" {
			return m, fmt.Errorf("mount volume %s: a tmpfs has no subpath", m.Name)
		}
		return Mount{Type: MountTmpfs, Target: m.Target, ReadOnly: readOnly, TmpfsOptions: src.Options}, nil
	}
	m.Source = src.Dir
	return m, nil
}
