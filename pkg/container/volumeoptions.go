// SPDX-License-Identifier: Apache-2.0

package container

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"coracle/pkg/mount"
)

// VolumeOptionError says that a volume's options cannot be met.
type VolumeOptionError struct {
	message string
	hint    string
}

func (e *VolumeOptionError) Error() string { return e.message }

// Hint says what is possible, or is empty.
func (e *VolumeOptionError) Hint() string { return e.hint }

// volumeSource is what the options of a volume make of a mount of it: a bind
// mount of a directory of the host, a tmpfs of each container's own, or what
// it is without options, a directory of the store's. The options are those of
// Docker's driver local, its texts too.
func (s *Store) volumeSource(v Volume) (Mount, error) {
	plain := Mount{Type: MountVolume, Name: v.Name}
	for _, name := range sortedKeys(v.Options) {
		if !slices.Contains([]string{"type", "device", "o", "size"}, name) {
			return plain, &VolumeOptionError{message: fmt.Sprintf("invalid option: %q", name)}
		}
	}
	kind, device, words := v.Options["type"], v.Options["device"], v.Options["o"]
	switch {
	case v.Options["size"] != "":
		return plain, &VolumeOptionError{"quota size requested but no quota support", "a volume of a limited size is a tmpfs: --opt type=tmpfs --opt device=tmpfs --opt o=size=100m"}
	case kind == "" && device == "" && words == "":
		return plain, nil
	case kind == "":
		return plain, &VolumeOptionError{message: `missing required option: "type"`}
	case device == "":
		return plain, &VolumeOptionError{message: `missing required option: "device"`}
	}
	list := strings.Split(words, ",")
	switch {
	case slices.Contains(list, "bind"), slices.Contains(list, "rbind"), kind == "bind":
		return bindVolume(device, list)
	case kind == "tmpfs":
		m, err := ParseTmpfs("/volume:" + words)
		m.Target = ""
		return m, err
	}
	where := fmt.Sprintf("mount %s:%s", device, s.DataDir(v.Name))
	if words != "" {
		where += ", data: " + words
	}
	return plain, &VolumeOptionError{"failed to mount local volume: " + where + ": operation not permitted",
		"mounting a file system of type " + kind + " takes root of the host; have it mounted there, and use --opt type=none --opt o=bind --opt device=DIRECTORY"}
}

func bindVolume(device string, words []string) (Mount, error) {
	m := Mount{Type: MountBind, Source: device, Recursive: "disabled"}
	if !filepath.IsAbs(device) {
		return m, &VolumeOptionError{message: fmt.Sprintf("failed to mount local volume: mount %s: the device is not an absolute path", device)}
	}
	for _, o := range words {
		_, attribute := mount.Attribute(o)
		_, propagation := mount.Propagation(o)
		switch {
		case o == "rbind":
			m.Recursive = ""
		case o == "", o == "bind":
		case o == "ro":
			m.ReadOnly = true
		case propagation:
			m.Propagation = o
		case attribute:
			m.flags = append(m.flags, o)
		default:
			return m, &VolumeOptionError{message: fmt.Sprintf("failed to mount local volume: mount %s, data: %s: invalid argument", device, o)}
		}
	}
	return m, nil
}

// MountOf is what is mounted for a mount of the record: with a volume's
// options followed.
func (s *Store) MountOf(m Mount) (Mount, error) {
	if m.Type != MountVolume {
		return m, nil
	}
	v, err := s.LoadVolume(m.Name)
	if err != nil {
		return m, err
	}
	real, err := s.volumeSource(v)
	if err != nil || real.Type == MountVolume {
		return m, err
	}
	if real.Type == MountTmpfs && m.Subpath != "" {
		return m, fmt.Errorf("mount volume %s: %w", m.Name, errors.New("a tmpfs has no subpath"))
	}
	real.volume = m.Name
	real.Target, real.Subpath, real.ReadOnly = m.Target, m.Subpath, real.ReadOnly || m.ReadOnly
	return real, nil
}

func sortedKeys(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
