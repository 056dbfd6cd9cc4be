// SPDX-License-Identifier: Apache-2.0

package convert

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/moby/moby/api/types/mount"

	"coracle/pkg/docker"
)

// File is a secret or a configuration that is put into a container before it
// starts: its text is not a file on the host, or it belongs to somebody in there.
type File struct {
	Target   string // absolute, inside
	Source   string // a file on the host; empty: Content is the text
	Content  string
	UID, GID int
	Mode     uint32
}

// fileMounts mounts the secrets and configurations that are files of the host as
// they are, and returns the others.
func fileMounts(q *docker.CreateRequest, p *types.Project, s types.ServiceConfig, taken map[string]bool) ([]File, error) {
	var all []File
	for _, secret := range s.Secrets {
		f, plain, err := SecretFile(p, secret)
		if err != nil {
			return nil, err
		}
		all = addFile(q, all, f, plain, taken)
	}
	for _, config := range s.Configs {
		f, plain, err := ConfigFile(p, config)
		if err != nil {
			return nil, err
		}
		all = addFile(q, all, f, plain, taken)
	}
	return all, nil
}

func addFile(q *docker.CreateRequest, all []File, f File, plain bool, taken map[string]bool) []File {
	switch {
	case taken[f.Target]:
		return all
	case plain:
		q.HostConfig.Mounts = append(q.HostConfig.Mounts, mount.Mount{Type: mount.TypeBind, Source: f.Source, Target: f.Target, ReadOnly: true})
	default:
		all = append(all, f)
	}
	taken[f.Target] = true
	return all
}

// SecretFile is a secret as a service wants it; plain is one that can be mounted.
func SecretFile(p *types.Project, ref types.ServiceSecretConfig) (f File, plain bool, err error) {
	return fileOf(p, "secret", "/run/secrets/", types.FileReferenceConfig(ref), types.FileObjectConfig(p.Secrets[ref.Source]))
}

// ConfigFile is a configuration, likewise.
func ConfigFile(p *types.Project, ref types.ServiceConfigObjConfig) (f File, plain bool, err error) {
	return fileOf(p, "config", "/", types.FileReferenceConfig(ref), types.FileObjectConfig(p.Configs[ref.Source]))
}

// fileOf is a secret or a configuration as a service wants it; plain is one that can
// be mounted.
func fileOf(p *types.Project, kind, dir string, ref types.FileReferenceConfig, def types.FileObjectConfig) (f File, plain bool, err error) {
	f = File{Target: ref.Target, Mode: 0o444}
	if f.Target == "" {
		f.Target = ref.Source
	}
	if !path.IsAbs(f.Target) {
		f.Target = dir + f.Target
	}
	f.Target = path.Clean(f.Target)
	switch {
	case bool(def.External):
		return f, false, fmt.Errorf("unsupported external %s %s", kind, def.Name)
	case def.Driver != "", def.TemplateDriver != "":
		return f, false, fmt.Errorf("%s %s: driver and template_driver are not supported: they are a cluster's", kind, ref.Source)
	case def.Environment != "":
		v, ok := p.Environment[def.Environment]
		if !ok {
			return f, false, fmt.Errorf("environment variable %q required by %s %q is not set", def.Environment, kind, ref.Source)
		}
		f.Content = v
	case def.File != "":
		f.Source = def.File
	default:
		f.Content = def.Content
	}
	plain = f.Source != "" && ref.UID == "" && ref.GID == "" && ref.Mode == nil
	if f.UID, err = id(ref.UID); err == nil {
		f.GID, err = id(ref.GID)
	}
	if err != nil {
		return f, false, fmt.Errorf("%s %s: uid and gid are numbers: %w", kind, ref.Source, err)
	}
	if ref.Mode != nil {
		f.Mode = uint32(*ref.Mode) & 0o7777
	}
	return f, plain, nil
}

func id(text string) (int, error) {
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(text, 10, 31)
	return int(n), err
}

// FilesHash tells whether what was put into a container is what it is to have now.
// The text of a file on the host is not in it: that one is changed with its name.
func FilesHash(files []File) (string, error) {
	if len(files) == 0 {
		return "", nil
	}
	return hashOf(files)
}

// Resolve replaces references to other services by containers: of finds the first
// container of a service, by its ID.
func Resolve(s types.ServiceConfig, of func(service string) (id string, ok bool)) (types.ServiceConfig, error) {
	from := make([]string, len(s.VolumesFrom))
	for i, v := range s.VolumesFrom {
		parts := strings.Split(v, ":")
		if parts[0] == "container" && len(parts) > 1 {
			from[i] = strings.Join(parts[1:], ":")
			continue
		}
		ctr, ok := of(parts[0])
		if !ok {
			return s, fmt.Errorf("cannot share volume with service %s: container missing", parts[0])
		}
		from[i] = strings.Join(append([]string{ctr}, parts[1:]...), ":")
	}
	if len(from) > 0 {
		s.VolumesFrom = from
	}
	for _, ns := range []struct {
		what string
		mode *string
	}{{"network", &s.NetworkMode}, {"IPC", &s.Ipc}, {"PID", &s.Pid}} {
		service, ok := strings.CutPrefix(*ns.mode, types.ServicePrefix)
		if !ok {
			continue
		}
		ctr, ok := of(service)
		if !ok {
			return s, fmt.Errorf("cannot share %s namespace with service %s: container missing", ns.what, service)
		}
		*ns.mode = types.ContainerPrefix + ctr
	}
	return s, nil
}

// Needs are the services whose containers have to be there before one of this
// service can be made.
func Needs(s types.ServiceConfig) (list []string) {
	for _, v := range s.VolumesFrom {
		if name, _, _ := strings.Cut(v, ":"); name != "container" {
			list = append(list, name)
		}
	}
	for _, mode := range []string{s.NetworkMode, s.Ipc, s.Pid} {
		if name, ok := strings.CutPrefix(mode, types.ServicePrefix); ok {
			list = append(list, name)
		}
	}
	return list
}

// NamesContainer reports whether a service shares something of a container that is
// called by its own name, which may be of any service that it depends on.
func NamesContainer(s types.ServiceConfig) bool {
	names := func(v string) bool { return strings.HasPrefix(v, types.ContainerPrefix) }
	return slices.ContainsFunc(s.VolumesFrom, names) || slices.ContainsFunc([]string{s.NetworkMode, s.Ipc, s.Pid}, names)
}
