// SPDX-License-Identifier: Apache-2.0

package docker

import (
	"path/filepath"
	"slices"
	"strings"

	"coracle/pkg/container"
)

// ParseBind reads one of HostConfig.Binds: SOURCE:TARGET[:OPTIONS]. A source that
// begins with / is a path, anything else names a volume. A target alone is a
// volume without a name, which requests have in Config.Volumes.
func ParseBind(spec string) (container.Mount, error) {
	if spec == "" {
		return container.Mount{}, invalid("invalid empty volume spec")
	}
	bad := invalid("invalid volume specification: '%s'", spec)
	parts := strings.Split(spec, ":")
	m := container.Mount{Type: container.MountVolume}
	switch len(parts) {
	case 1:
		m.Target = parts[0]
		return m, checkTarget(&m)
	case 2:
		if validMode(parts[1]) {
			return container.Mount{}, bad
		}
	case 3:
		m.Given = parts[2]
	default:
		return container.Mount{}, bad
	}
	m.Name, m.Target = parts[0], parts[1]
	if m.Name == "" || m.Target == "" {
		return container.Mount{}, bad
	}
	if filepath.IsAbs(m.Name) {
		m.Type, m.Source, m.Name, m.CreateSource = container.MountBind, filepath.Clean(m.Name), "", true
	}
	if !validMode(m.Given) && m.Given != "" {
		return container.Mount{}, invalid("invalid mode: %s", m.Given)
	}
	if err := setMode(&m); err != nil {
		return container.Mount{}, invalid("%w: invalid mount config for type %q: %w", bad, m.Type, err)
	}
	return m, checkTarget(&m)
}

func checkTarget(m *container.Mount) error {
	if err := m.CheckTarget(); err != nil {
		return invalid("%w", err)
	}
	return nil
}

var propagations = []string{"private", "rprivate", "slave", "rslave", "shared", "rshared"}

// modeKinds are the words of the third field of a bind. Of each kind there may be
// one. What only means something to SELinux, or to other systems, changes
// nothing.
var modeKinds = [][]string{
	{"rw", "ro"},
	propagations,
	{"z", "Z"},
	{"nocopy"},
	{"consistent", "cached", "delegated", "default"},
}

// validMode reports whether Docker takes the field.
func validMode(mode string) bool {
	words := strings.Split(mode, ",")
	known := 0
	for _, kind := range modeKinds {
		n := 0
		for _, w := range words {
			if slices.Contains(kind, w) {
				n++
			}
		}
		if n > 1 {
			return false
		}
		known += n
	}
	return known == len(words)
}

// parseFromMode reads what may stand behind the name in VolumesFrom: whether to
// write, and words for SELinux.
func parseFromMode(mode string) (readOnly bool, err error) {
	words := strings.Split(mode, ",")
	other := func(w string) bool { return !slices.Contains([]string{"ro", "rw", "z", "Z"}, w) }
	if mode != "" && (!validMode(mode) || slices.ContainsFunc(words, other)) {
		return false, invalid("invalid mode: %s", mode)
	}
	return slices.Contains(words, "ro"), nil
}

// setMode does what the third field of a bind says.
func setMode(m *container.Mount) error {
	for o := range strings.SplitSeq(m.Given, ",") {
		switch {
		case o == "ro":
			m.ReadOnly = true
		case o == "nocopy":
			if m.Type != container.MountVolume {
				return invalid("field VolumeOptions must not be specified")
			}
			m.NoCopy = true
		case slices.Contains(propagations, o):
			if m.Type != container.MountBind {
				return invalid("field BindOptions must not be specified")
			}
			m.Propagation = o
		}
	}
	return nil
}
