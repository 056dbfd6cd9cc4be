// SPDX-License-Identifier: Apache-2.0

package container

import (
	"encoding/csv"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/docker/go-units"
)

// ParseMount reads the value of --mount: key=value fields separated by commas.
func ParseMount(spec string) (Mount, error) {
	m, err := parseMountFields(spec)
	if err != nil {
		return Mount{}, fmt.Errorf("invalid argument %q for \"--mount\" flag: %w", spec, err)
	}
	return m, m.checkTarget()
}

// CheckMount is what the parser of flags says of a value of --mount.
func CheckMount(spec string) error {
	_, err := parseMountFields(spec)
	return err
}

func parseMountFields(spec string) (Mount, error) {
	spec = strings.TrimSpace(spec)
	if spec == "" {
		return Mount{}, errors.New("value is empty")
	}
	fields, err := csv.NewReader(strings.NewReader(spec)).Read()
	if err != nil {
		return Mount{}, err
	}
	p := mountParser{m: Mount{Type: MountVolume}}
	for _, f := range fields {
		if err := p.field(f); err != nil {
			return Mount{}, err
		}
	}
	return p.m, p.finish()
}

type mountParser struct {
	m      Mount
	source string
	own    []string // the types whose options were given: "volume" for volume-nocopy
}

// aloneFields may stand without a value.
var aloneFields = []string{"readonly", "ro", "volume-nocopy", "bind-nonrecursive", "bind-create-src"}

func (p *mountParser) field(f string) error {
	key, val, has := strings.Cut(f, "=")
	if strings.TrimSpace(key) != key {
		return fmt.Errorf("invalid option '%s' in '%s': option should not have whitespace", strings.TrimSpace(key), f)
	}
	if has {
		switch v := strings.TrimSpace(val); {
		case v == "":
			return fmt.Errorf("invalid value for '%s': value is empty", key)
		case v != val:
			return fmt.Errorf("invalid value for '%s' in '%s': value should not have whitespace", key, f)
		}
	}
	key = strings.ToLower(key)
	if !has {
		if !slices.Contains(aloneFields, key) {
			return fmt.Errorf("invalid field '%s' must be a key=value pair", f)
		}
		val = "true"
	}
	kind, _, _ := strings.Cut(key, "-")
	var known bool
	var err error
	switch kind {
	case MountVolume:
		known, err = p.volumeField(key, val)
	case MountBind:
		known, err = p.bindField(key, val)
	case MountTmpfs:
		known, err = p.tmpfsField(key, val)
	case MountImage:
		if known = key == "image-subpath"; known {
			p.m.Subpath = val
		}
	default:
		known, err = p.commonField(key, val)
		kind = ""
	}
	switch {
	case err != nil:
		return err
	case !known:
		return fmt.Errorf("unknown option '%s' in '%s'", key, f)
	case kind != "":
		p.own = append(p.own, kind)
	}
	return nil
}

func (p *mountParser) commonField(key, val string) (known bool, err error) {
	switch key {
	case "type":
		p.m.Type = strings.ToLower(val)
	case "source", "src":
		p.source = val
	case "target", "dst", "destination":
		p.m.Target = val
	case "readonly", "ro":
		p.m.ReadOnly, err = parseBool(key, val)
	case "consistency": // for machines whose host is not Linux
	default:
		return false, nil
	}
	return true, err
}

func (p *mountParser) volumeField(key, val string) (known bool, err error) {
	switch key {
	case "volume-nocopy":
		p.m.NoCopy, err = parseBool(key, val)
	case "volume-subpath":
		p.m.Subpath = val
	case "volume-label":
		if p.m.Labels == nil {
			p.m.Labels = map[string]string{}
		}
		k, v, _ := strings.Cut(val, "=")
		p.m.Labels[k] = v
	case "volume-driver":
		if val != "local" {
			err = fmt.Errorf("error looking up volume plugin %s: plugin %q not found", val, val)
		}
	case "volume-opt":
		if p.m.Options == nil {
			p.m.Options = map[string]string{}
		}
		k, v, _ := strings.Cut(val, "=")
		p.m.Options[k] = v
	default:
		return false, nil
	}
	return true, err
}

var propagations = []string{"private", "rprivate", "slave", "rslave", "shared", "rshared"}

func (p *mountParser) bindField(key, val string) (known bool, err error) {
	switch key {
	case "bind-create-src":
		p.m.CreateSource, err = parseBool(key, val)
	case "bind-propagation":
		p.m.Propagation = strings.ToLower(val)
	case "bind-nonrecursive":
		return true, errors.New("bind-nonrecursive is deprecated, use bind-recursive=disabled instead")
	case "bind-recursive":
		switch val {
		case "enabled":
		case "disabled", "writable", "readonly":
			p.m.Recursive = val
		default:
			err = fmt.Errorf(`invalid value for %s: %s (must be "enabled", "disabled", "writable", or "readonly")`, key, val)
		}
	default:
		return false, nil
	}
	return true, err
}

func (p *mountParser) tmpfsField(key, val string) (known bool, err error) {
	switch key {
	case "tmpfs-size":
		n, perr := units.RAMInBytes(val)
		if perr != nil || n < 0 {
			return true, fmt.Errorf("invalid value for %s: %s", key, val)
		}
		p.m.TmpfsOptions = append(p.m.TmpfsOptions, "size="+strconv.FormatInt(n, 10))
	case "tmpfs-mode":
		if _, perr := strconv.ParseUint(val, 8, 32); perr != nil {
			return true, fmt.Errorf("invalid value for %s: %s", key, val)
		}
		p.m.TmpfsOptions = append(p.m.TmpfsOptions, "mode="+val)
	default:
		return false, nil
	}
	return true, nil
}

func parseBool(key, val string) (bool, error) {
	switch val {
	case "1", "true":
		return true, nil
	case "0", "false":
		return false, nil
	}
	return false, fmt.Errorf(`invalid value for '%s': invalid boolean value (%q): must be one of "true", "1", "false", or "0" (default "true")`, key, val)
}

// finish checks what one field alone does not tell.
func (p *mountParser) finish() error {
	m := &p.m
	if m.Target == "" {
		return errors.New("target is required")
	}
	for _, kind := range p.own {
		if kind != m.Type {
			return fmt.Errorf("cannot mix '%s-*' options with mount type '%s'", kind, m.Type)
		}
	}
	if err := m.checkRecursive(); err != nil {
		return err
	}
	config := func(format string, args ...any) error {
		return fmt.Errorf("invalid mount config for type %q: %w", m.Type, fmt.Errorf(format, args...))
	}
	if m.Propagation != "" && !slices.Contains(propagations, m.Propagation) {
		return config("invalid propagation mode: %s", m.Propagation)
	}
	switch m.Type {
	case MountBind, MountImage:
		if p.source == "" {
			return config("field Source must not be empty")
		}
		m.Source = p.source
		if m.Type == MountImage {
			m.ReadOnly = true
			break
		}
		// As in Docker what is relative has a dot, and all else is no path.
		if !filepath.IsAbs(m.Source) && !strings.HasPrefix(m.Source, ".") {
			return config("invalid mount path: '%s' mount path must be absolute", m.Source)
		}
		src, err := filepath.Abs(m.Source)
		m.Source = src
		return err
	case MountVolume:
		m.Name = p.source
		if m.Subpath != "" && m.Name == "" {
			return config("must not set Subpath when using anonymous volumes")
		}
	case MountTmpfs:
		if p.source != "" {
			return config("field Source must not be specified")
		}
	default:
		return config("mount type unknown")
	}
	if m.Subpath != "" && !filepath.IsLocal(m.Subpath) {
		return config("subpath must be a relative path within the volume")
	}
	return nil
}

func (m Mount) checkRecursive() error {
	switch {
	case m.Recursive == "writable" && !m.ReadOnly, m.Recursive == "readonly" && !m.ReadOnly:
		return fmt.Errorf("option 'bind-recursive=%s' requires 'readonly' to be specified in conjunction", m.Recursive)
	case m.Recursive == "readonly" && m.Propagation != "rprivate":
		return errors.New("option 'bind-recursive=readonly' requires 'bind-propagation=rprivate' to be specified in conjunction")
	}
	return nil
}
