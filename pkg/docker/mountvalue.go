// SPDX-License-Identifier: Apache-2.0

package docker

import (
	"encoding/csv"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/docker/go-units"
	"github.com/moby/moby/api/types/mount"
)

// ParseMount reads the text that people write for one of HostConfig.Mounts:
// key=value fields separated by commas, as Docker's client has them for --mount
// and Podman's units for Mount. A source is taken as it is: what is relative is
// relative to where the text was written.
func ParseMount(spec string) (mount.Mount, error) {
	spec = strings.TrimSpace(spec)
	if spec == "" {
		return mount.Mount{}, invalid("value is empty")
	}
	fields, err := csv.NewReader(strings.NewReader(spec)).Read()
	if err != nil {
		return mount.Mount{}, invalid("%w", err)
	}
	p := mountParser{m: mount.Mount{Type: mount.TypeVolume}}
	for _, f := range fields {
		if err := p.field(f); err != nil {
			return mount.Mount{}, err
		}
	}
	return p.m, p.finish()
}

type mountParser struct {
	m         mount.Mount
	recursive string   // the value of bind-recursive
	own       []string // the types whose options were given: "volume" for volume-nocopy
}

// aloneFields may stand without a value.
var aloneFields = []string{"readonly", "ro", "volume-nocopy", "bind-nonrecursive", "bind-create-src"}

func (p *mountParser) field(f string) error {
	key, val, has := strings.Cut(f, "=")
	if strings.TrimSpace(key) != key {
		return invalid("invalid option '%s' in '%s': option should not have whitespace", strings.TrimSpace(key), f)
	}
	if has {
		switch v := strings.TrimSpace(val); {
		case v == "":
			return invalid("invalid value for '%s': value is empty", key)
		case v != val:
			return invalid("invalid value for '%s' in '%s': value should not have whitespace", key, f)
		}
	}
	key = strings.ToLower(key)
	if !has {
		if !slices.Contains(aloneFields, key) {
			return invalid("invalid field '%s' must be a key=value pair", f)
		}
		val = "true"
	}
	kind, _, _ := strings.Cut(key, "-")
	set := map[string]func(key, val string) (bool, error){"volume": p.volumeField, "bind": p.bindField, "tmpfs": p.tmpfsField, "image": p.imageField}[kind]
	if set == nil {
		set, kind = p.commonField, ""
	}
	known, err := set(key, val)
	switch {
	case err != nil:
		return err
	case !known:
		return invalid("unknown option '%s' in '%s'", key, f)
	case kind != "":
		p.own = append(p.own, kind)
	}
	return nil
}

func (p *mountParser) commonField(key, val string) (known bool, err error) {
	switch key {
	case "type":
		p.m.Type = mount.Type(strings.ToLower(val))
	case "source", "src":
		p.m.Source = val
	case "target", "dst", "destination":
		p.m.Target = val
	case "readonly", "ro":
		p.m.ReadOnly, err = fieldBool(key, val)
	case "consistency":
		p.m.Consistency = mount.Consistency(strings.ToLower(val))
	default:
		return false, nil
	}
	return true, err
}

// of makes the options of one type of mounts when there are any.
func of[T any](p **T) *T {
	if *p == nil {
		*p = new(T)
	}
	return *p
}

func (p *mountParser) imageField(key, val string) (known bool, err error) {
	if key != "image-subpath" {
		return false, nil
	}
	of(&p.m.ImageOptions).Subpath = val
	return true, nil
}

func (p *mountParser) volumeField(key, val string) (known bool, err error) {
	o := of(&p.m.VolumeOptions)
	k, v, _ := strings.Cut(val, "=")
	switch key {
	case "volume-nocopy":
		o.NoCopy, err = fieldBool(key, val)
	case "volume-subpath":
		o.Subpath = val
	case "volume-label":
		put(&o.Labels, k, v)
	case "volume-driver":
		of(&o.DriverConfig).Name = val
	case "volume-opt":
		put(&of(&o.DriverConfig).Options, k, v)
	default:
		return false, nil
	}
	return true, err
}

func (p *mountParser) bindField(key, val string) (known bool, err error) {
	o := of(&p.m.BindOptions)
	switch key {
	case "bind-create-src":
		o.CreateMountpoint, err = fieldBool(key, val)
	case "bind-propagation":
		o.Propagation = mount.Propagation(strings.ToLower(val))
	case "bind-nonrecursive":
		return true, invalid("bind-nonrecursive is deprecated, use bind-recursive=disabled instead")
	case "bind-recursive":
		p.recursive = val
		o.NonRecursive, o.ReadOnlyNonRecursive, o.ReadOnlyForceRecursive = val == "disabled", val == "writable", val == "readonly"
		if !slices.Contains([]string{"enabled", "disabled", "writable", "readonly"}, val) {
			err = invalid(`invalid value for %s: %s (must be "enabled", "disabled", "writable", or "readonly")`, key, val)
		}
	default:
		return false, nil
	}
	return true, err
}

func (p *mountParser) tmpfsField(key, val string) (known bool, err error) {
	o := of(&p.m.TmpfsOptions)
	switch key {
	case "tmpfs-size":
		if o.SizeBytes, err = units.RAMInBytes(val); err != nil || o.SizeBytes < 0 {
			return true, invalid("invalid value for %s: %s", key, val)
		}
	case "tmpfs-mode":
		bits, err := strconv.ParseUint(val, 8, 32)
		if err != nil {
			return true, invalid("invalid value for %s: %s", key, val)
		}
		o.Mode = fileMode(bits)
	default:
		return false, nil
	}
	return true, nil
}

// fileMode is what the API has for the mode of a tmpfs: the bits of chmod(2), not
// those of Go.
func fileMode(bits uint64) os.FileMode { return os.FileMode(bits) }

func fieldBool(key, val string) (bool, error) {
	switch val {
	case "1", "true":
		return true, nil
	case "0", "false":
		return false, nil
	}
	return false, invalid(`invalid value for '%s': invalid boolean value (%q): must be one of "true", "1", "false", or "0" (default "true")`, key, val)
}

// finish checks what one field alone does not tell.
func (p *mountParser) finish() error {
	if p.m.Target == "" {
		return invalid("target is required")
	}
	for _, kind := range p.own {
		if kind != string(p.m.Type) {
			return invalid("cannot mix '%s-*' options with mount type '%s'", kind, p.m.Type)
		}
	}
	propagation := ""
	if p.m.BindOptions != nil {
		propagation = string(p.m.BindOptions.Propagation)
	}
	return checkRecursive(p.recursive, p.m.ReadOnly, propagation)
}
