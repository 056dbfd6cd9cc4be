// SPDX-License-Identifier: Apache-2.0

package convert

import (
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/moby/moby/api/types/mount"

	"coracle/pkg/docker"
)

// engineSocket is where Docker's clients look for the engine.
const engineSocket = "/var/run/docker.sock"

// setMounts takes volumes, tmpfs, secrets and configurations, and returns what has to
// be put into the container because it cannot be mounted.
func setMounts(q *docker.CreateRequest, p *types.Project, s types.ServiceConfig, o Options) ([]File, error) {
	h := &q.HostConfig
	for _, t := range s.Tmpfs {
		target, options := cutTmpfs(t)
		if h.Tmpfs == nil {
			h.Tmpfs = map[string]string{}
		}
		h.Tmpfs[target] = options
	}
	taken := map[string]bool{}
	for _, v := range s.Volumes {
		m := volumeMount(p, v)
		if m.Type == mount.TypeVolume && m.Source == "" {
			m.Source = o.Carry[path.Clean(m.Target)]
		}
		taken[path.Clean(m.Target)] = true
		if bind, ok := bindOf(p, v, m); ok {
			h.Binds = append(h.Binds, bind)
		} else {
			h.Mounts = append(h.Mounts, m)
		}
	}
	if s.UseAPISocket && !taken[engineSocket] {
		h.Binds = append(h.Binds, engineSocket+":"+engineSocket)
	}
	for _, target := range slices.Sorted(maps.Keys(o.Carry)) {
		if !taken[target] {
			h.Mounts = append(h.Mounts, mount.Mount{Type: mount.TypeVolume, Source: o.Carry[target], Target: target})
		}
	}
	return fileMounts(q, p, s, taken)
}

func cutTmpfs(t string) (target, options string) {
	for i := range len(t) {
		if t[i] == ':' {
			return t[:i], t[i+1:]
		}
	}
	return t, ""
}

// volumeMount is one of a service's volumes.
func volumeMount(p *types.Project, v types.ServiceVolumeConfig) mount.Mount {
	m := mount.Mount{
		Type: mount.Type(v.Type), Source: v.Source, Target: v.Target, ReadOnly: v.ReadOnly, Consistency: mount.Consistency(v.Consistency),
	}
	switch v.Type {
	case types.VolumeTypeBind:
		if v.Bind != nil {
			m.BindOptions = &mount.BindOptions{
				Propagation: mount.Propagation(v.Bind.Propagation), CreateMountpoint: bool(v.Bind.CreateHostPath),
				NonRecursive: v.Bind.Recursive == "disabled", ReadOnlyNonRecursive: v.Bind.Recursive == "writable",
				ReadOnlyForceRecursive: v.Bind.Recursive == "readonly",
			}
		}
	case types.VolumeTypeVolume:
		if named, ok := p.Volumes[v.Source]; ok && v.Source != "" {
			m.Source = named.Name
		}
		if o := v.Volume; o != nil && (o.NoCopy || o.Subpath != "" || len(o.Labels) > 0) {
			m.VolumeOptions = &mount.VolumeOptions{NoCopy: o.NoCopy, Subpath: o.Subpath, Labels: o.Labels}
		}
	case types.VolumeTypeTmpfs:
		if o := v.Tmpfs; o != nil {
			m.TmpfsOptions = &mount.TmpfsOptions{SizeBytes: int64(o.Size), Mode: fileMode(o.Mode)}
		}
	case types.VolumeTypeImage:
		if o := v.Image; o != nil && o.SubPath != "" {
			m.ImageOptions = &mount.ImageOptions{Subpath: o.SubPath}
		}
	}
	return m
}

// bindOf is a mount as run -v takes it, which docker compose prefers for what can be
// said so.
func bindOf(p *types.Project, v types.ServiceVolumeConfig, m mount.Mount) (string, bool) {
	options := "rw"
	if v.ReadOnly {
		options = "ro"
	}
	switch b := v.Bind; v.Type {
	case types.VolumeTypeBind:
		if b != nil && (!bool(b.CreateHostPath) || b.Propagation != "" || b.Recursive != "") {
			return "", false
		}
		if b != nil && b.SELinux != "" {
			options += "," + b.SELinux
		}
	case types.VolumeTypeVolume:
		if _, named := p.Volumes[v.Source]; !named || m.VolumeOptions != nil {
			return "", false
		}
	default:
		return "", false
	}
	text := m.Source + ":" + m.Target + ":" + options
	return text, strings.Count(text, ":") == 2 // else it would be read as something else
}

// fileMode is a number of chmod(2) as Go has it.
func fileMode(bits uint32) fs.FileMode {
	mode := fs.FileMode(bits & 0o777)
	for bit, m := range map[uint32]fs.FileMode{0o4000: fs.ModeSetuid, 0o2000: fs.ModeSetgid, 0o1000: fs.ModeSticky} {
		if bits&bit != 0 {
			mode |= m
		}
	}
	return mode
}
