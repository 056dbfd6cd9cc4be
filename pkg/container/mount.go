// SPDX-License-Identifier: Apache-2.0

package container

import (
	"encoding/csv"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/docker/go-units"
)

// Kinds of [Mount].
const (
	MountBind   = "bind"
	MountVolume = "volume"
	MountTmpfs  = "tmpfs"
)

// Mount is one thing mounted into a container.
type Mount struct {
	Type     string `json:"type"`
	Name     string `json:"name,omitempty"`   // of a volume; empty asks for an anonymous one
	Source   string `json:"source,omitempty"` // of a bind: absolute
	Target   string `json:"target"`           // absolute, in the container
	ReadOnly bool   `json:"readOnly,omitempty"`
	NoCopy   bool   `json:"noCopy,omitempty"` // do not fill an empty volume from the image
	// CreateSource makes a missing bind source a directory, as -v does.
	CreateSource bool     `json:"createSource,omitempty"`
	Propagation  string   `json:"propagation,omitempty"`
	Subpath      string   `json:"subpath,omitempty"`      // of a volume
	TmpfsOptions []string `json:"tmpfsOptions,omitempty"` // of tmpfs(5)
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

// ParseMount reads the value of --mount: key=value fields separated by commas.
func ParseMount(spec string) (Mount, error) {
	fields, err := csv.NewReader(strings.NewReader(spec)).Read()
	if err != nil {
		return Mount{}, fmt.Errorf("invalid argument %q for \"--mount\" flag: %w", spec, err)
	}
	p := mountParser{m: Mount{Type: MountVolume}}
	for _, f := range fields {
		if err := p.field(f); err != nil {
			return Mount{}, fmt.Errorf("invalid argument %q for \"--mount\" flag: %w", spec, err)
		}
	}
	if err := p.finish(); err != nil {
		return Mount{}, fmt.Errorf("invalid argument %q for \"--mount\" flag: %w", spec, err)
	}
	return p.m, nil
}

type mountParser struct {
	m      Mount
	source string
	own    []string // options that belong to one type: "volume-nocopy"
}

func (p *mountParser) field(f string) error {
	key, val, has := strings.Cut(f, "=")
	key = strings.ToLower(key)
	if !has {
		switch key {
		case "readonly", "ro", "volume-nocopy", "bind-nonrecursive", "bind-create-src":
			val = "true"
		default:
			return fmt.Errorf("invalid field '%s' must be a key=value pair", f)
		}
	}
	if kind, _, ok := strings.Cut(key, "-"); ok {
		p.own = append(p.own, kind)
	}
	var err error
	switch key {
	case "type":
		p.m.Type = strings.ToLower(val)
	case "source", "src":
		p.source = val
	case "target", "dst", "destination":
		p.m.Target = val
	case "readonly", "ro":
		p.m.ReadOnly, err = parseBool(key, val)
	case "volume-nocopy":
		p.m.NoCopy, err = parseBool(key, val)
	case "bind-create-src":
		p.m.CreateSource, err = parseBool(key, val)
	case "volume-subpath":
		p.m.Subpath = val
	case "bind-propagation":
		p.m.Propagation = strings.ToLower(val)
	case "tmpfs-size":
		n, perr := units.RAMInBytes(val)
		if perr != nil {
			return fmt.Errorf("invalid value for %s: %s", key, val)
		}
		p.m.TmpfsOptions = append(p.m.TmpfsOptions, "size="+strconv.FormatInt(n, 10))
	case "tmpfs-mode":
		if _, perr := strconv.ParseUint(val, 8, 32); perr != nil {
			return fmt.Errorf("invalid value for %s: %s", key, val)
		}
		p.m.TmpfsOptions = append(p.m.TmpfsOptions, "mode="+val)
	case "consistency", "bind-recursive", "bind-nonrecursive", "volume-label", "volume-driver", "volume-opt":
		return fmt.Errorf("option '%s' is not supported", key)
	default:
		return fmt.Errorf("unknown option '%s' in '%s'", key, f)
	}
	return err
}

func parseBool(key, val string) (bool, error) {
	b, err := strconv.ParseBool(val)
	if err != nil {
		return false, fmt.Errorf("invalid value for '%s': invalid boolean value %q", key, val)
	}
	return b, nil
}

func (p *mountParser) finish() error {
	if p.m.Target == "" {
		return errors.New("target is required")
	}
	for _, kind := range p.own {
		if kind != p.m.Type {
			return fmt.Errorf("cannot mix '%s-*' options with mount type '%s'", kind, p.m.Type)
		}
	}
	switch p.m.Type {
	case MountBind:
		if p.source == "" {
			return errors.New("field Source must not be empty")
		}
		src, err := filepath.Abs(p.source)
		if err != nil {
			return err
		}
		p.m.Source = src
	case MountVolume:
		p.m.Name = p.source
	case MountTmpfs:
		if p.source != "" {
			return errors.New("field Source must not be specified")
		}
	default:
		return fmt.Errorf("mount type '%s' is not supported", p.m.Type)
	}
	return p.m.checkTarget()
}

// ParseTmpfs reads the value of --tmpfs: TARGET[:OPTIONS].
func ParseTmpfs(spec string) (Mount, error) {
	target, options, _ := strings.Cut(spec, ":")
	m := Mount{Type: MountTmpfs, Target: target}
	for _, o := range strings.Split(options, ",") {
		switch o {
		case "":
		case "ro":
			m.ReadOnly = true
		default:
			m.TmpfsOptions = append(m.TmpfsOptions, o)
		}
	}
	return m, m.checkTarget()
}

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
