// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	moby "github.com/moby/moby/api/types/container"
	mounts "github.com/moby/moby/api/types/mount"

	"coracle/pkg/docker"
)

// Running is a container that is there: the answer about it, and what its image says
// of containers, which is empty where the image is not there.
type Running struct {
	*docker.Container
	Image *docker.Config
}

// Containers is what containers are as a project: a service for each, which says what
// the container has and its image does not.
func Containers(list []Running) (*types.Project, error) {
	p := &types.Project{Services: types.Services{}, Volumes: types.Volumes{}}
	for _, c := range list {
		name := strings.TrimPrefix(c.Name, "/")
		if _, twice := p.Services[name]; twice {
			return nil, fmt.Errorf("container %s is named twice", name)
		}
		s := types.ServiceConfig{Name: name}
		c.process(&s)
		if err := c.names(&s); err != nil {
			return nil, fmt.Errorf("container %s: %w", name, err)
		}
		c.limits(&s)
		c.safety(&s)
		c.life(&s)
		c.ports(&s)
		c.mounts(&s, p.Volumes)
		together(&s, list)
		p.Services[name] = s
	}
	return p, nil
}

// together replaces the modes of namespaces that a container shares with another of
// the pod: that of the network is the pod's, as is that of IPC.
func together(s *types.ServiceConfig, list []Running) {
	other := func(mode string) string {
		ref, ok := strings.CutPrefix(mode, types.ContainerPrefix)
		for _, c := range list {
			if name := strings.TrimPrefix(c.Name, "/"); ok && (c.ID == ref || name == ref) {
				return name
			}
		}
		return ""
	}
	if other(s.NetworkMode) != "" {
		s.NetworkMode = ""
	}
	if other(s.Ipc) != "" || s.Ipc == "shareable" {
		s.Ipc = ""
	}
	if name := other(s.Pid); name != "" {
		s.Pid = types.ServicePrefix + name
	}
}

// process is what runs, as far as the image does not say it.
func (c Running) process(s *types.ServiceConfig) {
	image := c.Image
	if image == nil {
		image = &docker.Config{}
	}
	s.Image, s.Tty, s.StdinOpen = c.Config.Image, c.Config.Tty, c.Config.OpenStdin
	entrypoint := slices.Equal(c.Config.Entrypoint, image.Entrypoint)
	if !entrypoint && len(c.Config.Entrypoint) > 0 && c.Config.Entrypoint[0] != "" {
		s.Entrypoint = types.ShellCommand(c.Config.Entrypoint)
	}
	if !entrypoint || !slices.Equal(c.Config.Cmd, image.Cmd) {
		s.Command = types.ShellCommand(c.Config.Cmd)
	}
	if !entrypoint && s.Entrypoint == nil { // the image's was taken away
		s.Entrypoint, s.Command = s.Command, nil
	}
	s.Environment = types.MappingWithEquals{}
	for _, kv := range c.Config.Env {
		if name, value, _ := strings.Cut(kv, "="); !slices.Contains(image.Env, kv) {
			s.Environment[name] = &value
		}
	}
	set := func(to *string, have, image string) {
		if have != image {
			*to = have
		}
	}
	set(&s.User, c.Config.User, image.User)
	if c.Config.WorkingDir != "/" || image.WorkingDir != "" { // where there is no other
		set(&s.WorkingDir, c.Config.WorkingDir, image.WorkingDir)
	}
	set(&s.StopSignal, c.Config.StopSignal, image.StopSignal)
	s.Labels, s.Annotations = types.Labels{}, types.Mapping(c.HostConfig.Annotations)
	for k, v := range c.Config.Labels {
		if have, there := image.Labels[k]; (!there || have != v) && !strings.HasPrefix(k, "com.docker.compose.") {
			s.Labels[k] = v
		}
	}
	s.Init, s.Umask = c.HostConfig.Init, c.HostConfig.Umask
}

// names are the container's own, and where it looks others up.
func (c Running) names(s *types.ServiceConfig) (err error) {
	h := c.HostConfig
	// Of a container that is on another's network it is the other's.
	if !strings.HasPrefix(c.ID, c.Config.Hostname) && !h.NetworkMode.IsContainer() {
		s.Hostname = c.Config.Hostname
	}
	s.DomainName, s.DNSSearch, s.DNSOpts, s.ExternalLinks = c.Config.Domainname, h.DNSSearch, h.DNSOptions, h.Links
	for _, a := range h.DNS {
		s.DNS = append(s.DNS, a.String())
	}
	if len(h.ExtraHosts) > 0 {
		s.ExtraHosts, err = types.NewHostsList(h.ExtraHosts)
	}
	if h.NetworkMode.IsHost() || h.NetworkMode.IsNone() || h.NetworkMode.IsContainer() {
		s.NetworkMode = string(h.NetworkMode)
	}
	own := func(mode, usual string) string {
		if mode == usual {
			return ""
		}
		return mode
	}
	s.Ipc, s.Pid, s.Uts = own(string(h.IpcMode), "private"), string(h.PidMode), string(h.UTSMode)
	s.Cgroup, s.UserNSMode = own(string(h.CgroupnsMode), "private"), string(h.UsernsMode)
	return err
}

// limits are of the same units as a service's.
func (c Running) limits(s *types.ServiceConfig) {
	r := c.HostConfig.Resources
	s.CgroupParent, s.CPUSet, s.CPUShares, s.CPUPeriod, s.CPUQuota = r.CgroupParent, r.CpusetCpus, r.CPUShares, r.CPUPeriod, r.CPUQuota
	s.CPUS = float32(r.NanoCPUs) / 1e9
	s.MemLimit, s.MemReservation = types.UnitBytes(r.Memory), types.UnitBytes(r.MemoryReservation)
	if r.MemorySwap != 2*r.Memory { // which is what there is without a word
		s.MemSwapLimit = types.UnitBytes(r.MemorySwap)
	}
	if r.PidsLimit != nil && *r.PidsLimit > 0 {
		s.PidsLimit = *r.PidsLimit
	}
	if n := c.HostConfig.ShmSize; n != 64<<20 {
		s.ShmSize = types.UnitBytes(n)
	}
	if r.BlkioWeight != 0 || len(r.BlkioWeightDevice)+len(r.BlkioDeviceReadBps)+len(r.BlkioDeviceWriteBps)+len(r.BlkioDeviceReadIOps)+len(r.BlkioDeviceWriteIOps) > 0 {
		s.BlkioConfig = &types.BlkioConfig{Weight: max(r.BlkioWeight, 1)}
	}
	for _, u := range r.Ulimits {
		if s.Ulimits == nil {
			s.Ulimits = map[string]*types.UlimitsConfig{}
		}
		s.Ulimits[u.Name] = &types.UlimitsConfig{Soft: int(u.Soft), Hard: int(u.Hard)}
	}
	for _, d := range r.Devices {
		s.Devices = append(s.Devices, types.DeviceMapping{Source: d.PathOnHost, Target: d.PathInContainer, Permissions: d.CgroupPermissions})
	}
	for _, d := range r.DeviceRequests {
		g := types.DeviceRequest{Driver: d.Driver, Count: types.DeviceCount(d.Count), IDs: d.DeviceIDs, Options: d.Options}
		for _, list := range d.Capabilities {
			g.Capabilities = append(g.Capabilities, list...)
		}
		s.Gpus = append(s.Gpus, g)
	}
	s.OomScoreAdj = int64(c.HostConfig.OomScoreAdj)
	s.OomKillDisable = r.OomKillDisable != nil && *r.OomKillDisable
}

func (c Running) safety(s *types.ServiceConfig) {
	h := c.HostConfig
	s.CapAdd, s.CapDrop, s.Privileged, s.ReadOnly, s.SecurityOpt = h.CapAdd, h.CapDrop, h.Privileged, h.ReadonlyRootfs, h.SecurityOpt
	s.GroupAdd, s.Sysctls = h.GroupAdd, types.Mapping(h.Sysctls)
}

// life is how it goes on, and how others know.
func (c Running) life(s *types.ServiceConfig) {
	h := c.HostConfig
	s.Restart = string(h.RestartPolicy.Name)
	if n := h.RestartPolicy.MaximumRetryCount; n > 0 {
		s.Restart += ":" + strconv.Itoa(n)
	}
	if t := c.Config.StopTimeout; t != nil {
		d := types.Duration(int64(*t) * 1e9)
		s.StopGracePeriod = &d
	}
	if d := h.LogConfig.Type; d != "" && d != "json-file" {
		s.Logging = &types.LoggingConfig{Driver: d, Options: h.LogConfig.Config}
	}
	if t := c.Config.Healthcheck; t != nil && len(t.Test) > 0 {
		s.HealthCheck = health(t)
	}
}

// health is a test of a container, which Kubernetes does not find in the image.
func health(t *moby.HealthConfig) *types.HealthCheckConfig {
	h := &types.HealthCheckConfig{Test: t.Test}
	interval, timeout, retries := types.Duration(t.Interval), types.Duration(t.Timeout), uint64(max(t.Retries, 0))
	h.Interval, h.Timeout, h.Retries = &interval, &timeout, &retries
	return h
}

// ports are the published ones, and those that are exposed without.
func (c Running) ports(s *types.ServiceConfig) {
	number := func(key string) (int, string) {
		text, proto, _ := strings.Cut(key, "/")
		n, _ := strconv.Atoi(text)
		return n, proto
	}
	for _, key := range slices.Sorted(maps.Keys(c.HostConfig.PortBindings)) {
		n, proto := number(key)
		for _, at := range c.HostConfig.PortBindings[key] {
			port := types.ServicePortConfig{Target: uint32(n), Protocol: proto, Published: at.HostPort}
			if at.HostIP != "0.0.0.0" && at.HostIP != "::" {
				port.HostIP = at.HostIP
			}
			s.Ports = append(s.Ports, port)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(c.Config.ExposedPorts)) {
		if _, published := c.HostConfig.PortBindings[key]; !published {
			s.Expose = append(s.Expose, key)
		}
	}
	slices.SortStableFunc(s.Ports, func(a, b types.ServicePortConfig) int { return int(a.Target) - int(b.Target) })
}

// mounts are the container's; volumes that nobody named are so here, too.
func (c Running) mounts(s *types.ServiceConfig, volumes types.Volumes) {
	for _, target := range slices.Sorted(maps.Keys(c.HostConfig.Tmpfs)) {
		s.Tmpfs = append(s.Tmpfs, strings.TrimSuffix(target+":"+c.HostConfig.Tmpfs[target], ":"))
	}
	for _, m := range c.HostConfig.Mounts {
		v := types.ServiceVolumeConfig{Type: string(m.Type), Source: m.Source, Target: m.Target, ReadOnly: m.ReadOnly}
		switch {
		case m.Type == mounts.TypeTmpfs && m.TmpfsOptions != nil:
			v.Tmpfs = &types.ServiceVolumeTmpfs{Size: types.UnitBytes(m.TmpfsOptions.SizeBytes), Mode: uint32(m.TmpfsOptions.Mode.Perm())}
		case m.Type == mounts.TypeImage && m.ImageOptions != nil:
			v.Image = &types.ServiceVolumeImage{SubPath: m.ImageOptions.Subpath}
		}
		if m.Type == mounts.TypeTmpfs || m.Type == mounts.TypeImage {
			s.Volumes = append(s.Volumes, v)
		}
	}
	for _, m := range c.Mounts {
		v := types.ServiceVolumeConfig{Type: string(m.Type), Source: m.Source, Target: path.Clean(m.Destination), ReadOnly: !m.RW}
		switch m.Type {
		case mounts.TypeBind:
			if p := m.Propagation; p != "" && p != mounts.PropagationRPrivate {
				v.Bind = &types.ServiceVolumeBind{Propagation: string(p)}
			}
		case mounts.TypeVolume:
			if v.Source = m.Name; nameless(m.Name) {
				v.Source = ""
				break
			}
			volumes[m.Name] = types.VolumeConfig{Name: m.Name}
			for _, asked := range c.HostConfig.Mounts {
				if path.Clean(asked.Target) == v.Target && asked.VolumeOptions != nil {
					v.Volume = &types.ServiceVolumeVolume{Subpath: asked.VolumeOptions.Subpath}
				}
			}
		default:
			continue
		}
		s.Volumes = append(s.Volumes, v)
	}
	slices.SortStableFunc(s.Volumes, func(a, b types.ServiceVolumeConfig) int { return strings.Compare(a.Target, b.Target) })
}

// nameless reports whether a volume has the name of one that nobody named.
func nameless(name string) bool {
	return len(name) == 64 && !strings.ContainsFunc(name, func(r rune) bool { return !strings.ContainsRune("0123456789abcdef", r) })
}
