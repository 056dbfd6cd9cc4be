// SPDX-License-Identifier: Apache-2.0

package container

import (
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// Kinds of [Mount].
const (
	MountBind   = "bind"
	MountVolume = "volume"
	MountTmpfs  = "tmpfs"
	MountImage  = "image"
)

// Mount is one thing mounted into a container.
type Mount struct {
	Type     string `json:"type"`
	Name     string `json:"name,omitempty"`   // of a volume, empty for an anonymous one; the ID of an image
	Source   string `json:"source,omitempty"` // of a bind, absolute; of an image, as it was typed
	Target   string `json:"target"`           // absolute, in the container
	ReadOnly bool   `json:"readOnly,omitempty"`
	NoCopy   bool   `json:"noCopy,omitempty"` // do not fill an empty volume from the image
	// CreateSource makes a missing bind source a directory, as -v does.
	CreateSource bool     `json:"createSource,omitempty"`
	Propagation  string   `json:"propagation,omitempty"`
	Subpath      string   `json:"subpath,omitempty"`      // of a volume or an image
	Recursive    string   `json:"recursive,omitempty"`    // of a bind: "", disabled, writable or readonly
	TmpfsOptions []string `json:"tmpfsOptions,omitempty"` // of tmpfs(5)
	// Labels are given to the volume when it is made.
	Labels map[string]string `json:"labels,omitempty"`
	// LayerDirs are those of the image named by Source, base first.
	LayerDirs []string `json:"layerDirs,omitempty"`
}

// Mode is the -v form of the mount's options.
func (m Mount) Mode() string {
	if m.ReadOnly {
		return "ro"
	}
	return ""
}

// ParseVolume reads the value of -v: [SOURCE:]TARGET[:OPTIONS]. A source that
// begins with / . or ~ is a path, anything else names a volume.
func ParseVolume(spec string) (Mount, error) {
	parts := strings.Split(spec, ":")
	m := Mount{Type: MountVolume}
	var options string
	switch {
	case spec == "":
		return Mount{}, errors.New("invalid empty volume spec")
	case len(parts) > 3:
		return Mount{}, fmt.Errorf("invalid volume specification: '%s'", spec)
	case len(parts) == 1:
		m.Target = parts[0]
	case len(parts) == 2 && isVolumeOptions(parts[1]):
		m.Target, options = parts[0], parts[1]
	case len(parts) == 2:
		m.Name, m.Target = parts[0], parts[1]
	default:
		m.Name, m.Target, options = parts[0], parts[1], parts[2]
	}
	if len(parts) > 1 && m.Target != parts[0] && m.Name == "" {
		return Mount{}, fmt.Errorf("invalid volume specification: '%s'", spec)
	}
	if strings.HasPrefix(m.Name, "/") || strings.HasPrefix(m.Name, ".") || strings.HasPrefix(m.Name, "~") {
		src, err := filepath.Abs(m.Name)
		if err != nil {
			return Mount{}, err
		}
		m.Type, m.Source, m.Name, m.CreateSource = MountBind, src, "", true
	}
	if err := m.setOptions(options); err != nil {
		return Mount{}, fmt.Errorf("invalid volume specification: '%s': %w", spec, err)
	}
	return m, m.checkTarget()
}

func isVolumeOptions(s string) bool {
	return !strings.HasPrefix(s, "/") && slices.Contains([]string{"ro", "rw", "z", "Z", "nocopy"}, strings.Split(s, ",")[0])
}

// setOptions takes the third field of -v. What only means something to SELinux
// or to other systems is accepted.
func (m *Mount) setOptions(options string) error {
	for _, o := range strings.Split(options, ",") {
		switch o {
		case "ro", "readonly":
			m.ReadOnly = true
		case "nocopy":
			m.NoCopy = true
		case "private", "rprivate", "slave", "rslave", "shared", "rshared":
			if m.Type != MountBind {
				return fmt.Errorf("invalid mode: %s", o)
			}
			m.Propagation = o
		case "", "rw", "z", "Z", "U", "consistent", "cached", "delegated", "default", "rbind", "bind":
		default:
			return fmt.Errorf("invalid mode: %s", o)
		}
	}
	return nil
}

func (m *Mount) checkTarget() error {
	if !path.IsAbs(m.Target) {
		return fmt.Errorf("invalid mount config for type %q: invalid mount path: '%s' mount path must be absolute", m.Type, m.Target)
	}
	m.Target = path.Clean(m.Target)
	if m.Target == "/" {
		return fmt.Errorf("invalid specification: destination can't be '/'")
	}
	return nil
}

// ParseTmpfs reads the value of --tmpfs: TARGET[:OPTIONS].
func ParseTmpfs(spec string) (Mount, error) {
	target, options, _ := strings.Cut(spec, ":")
	m := Mount{Type: MountTmpfs, Target: target}
	for _, o := range strings.Split(options, ",") {
		name, val, has := strings.Cut(o, "=")
		switch {
		case o == "", o == "rw", o == "defaults":
		case o == "ro":
			m.ReadOnly = true
		case !has && slices.Contains(tmpfsFlags, name):
			m.TmpfsOptions = append(m.TmpfsOptions, o)
		case has && val != "" && slices.Contains(tmpfsFields, name):
			m.TmpfsOptions = append(m.TmpfsOptions, o)
		default:
			return Mount{}, fmt.Errorf("invalid tmpfs option [%q]", o)
		}
	}
	return m, m.checkTarget()
}

// What may stand behind the target of --tmpfs, see mount(8) and tmpfs(5).
var (
	tmpfsFields = []string{"size", "mode", "uid", "gid", "nr_inodes", "nr_blocks", "mpol"}
	tmpfsFlags  = []string{
		"suid", "nosuid", "dev", "nodev", "exec", "noexec", "atime", "noatime", "diratime", "nodiratime", "relatime",
		"norelatime", "strictatime", "nostrictatime", "sync", "async", "noswap",
	}
)

// MergeMounts puts what was asked for over what the image declares, and
// refuses two mounts at one place.
func MergeMounts(asked []Mount, declared []string) ([]Mount, error) {
	seen := map[string]bool{}
	for _, m := range asked {
		if seen[m.Target] {
			return nil, fmt.Errorf("Duplicate mount point: %s", m.Target)
		}
		seen[m.Target] = true
	}
	all := slices.Clone(asked)
	slices.Sort(declared)
	for _, target := range declared {
		m := Mount{Type: MountVolume, Target: target}
		// A VOLUME of an image is hostile: one that is no path of a directory
		// below / is not mounted at all.
		if m.checkTarget() != nil || seen[m.Target] {
			continue
		}
		seen[m.Target] = true
		all = append(all, m)
	}
	// Parents first, so that one mount does not hide another.
	slices.SortStableFunc(all, func(a, b Mount) int {
		return strings.Count(a.Target, "/") - strings.Count(b.Target, "/")
	})
	return all, nil
}

// CheckSource reports a bind source that is missing and not to be created.
func (m Mount) CheckSource() error {
	if m.Type != MountBind || m.CreateSource {
		return nil
	}
	if _, err := os.Stat(m.Source); err != nil {
		return fmt.Errorf("invalid mount config for type \"bind\": bind source path does not exist: %s", m.Source)
	}
	return nil
}
