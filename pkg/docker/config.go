// SPDX-License-Identifier: Apache-2.0

package docker

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/docker/go-units"
	dockerspec "github.com/moby/docker-image-spec/specs-go/v1"
	"github.com/moby/moby/api/types/blkiodev"
	moby "github.com/moby/moby/api/types/container"

	"coracle/pkg/cgroup"
	"coracle/pkg/container"
	"coracle/pkg/network"
	"coracle/pkg/oci/spec"
	"coracle/pkg/state"
)

// Runtime is the name of the one runtime.
const Runtime = "coracle"

// defaultShm is the size of /dev/shm in bytes, unless it was asked for.
const defaultShm = 64 << 20

// Config is what belongs to a container wherever it runs, and to an image. Ports
// are texts (80/tcp): an image may have written anything.
type Config struct {
	moby.Config
	ExposedPorts map[string]struct{} `json:",omitempty"`
	MacAddress   string              `json:",omitempty"` // dropped in API 1.52
}

// PortBinding is where a port of a container is on the host.
type PortBinding struct {
	HostIP   string `json:"HostIp"`
	HostPort string
}

// PortMap has the bindings of each port (80/tcp); none for one that is exposed
// only.
type PortMap map[string][]PortBinding

// HostConfig is what belongs to a container on this host.
type HostConfig struct {
	moby.HostConfig
	PortBindings PortMap

	// Dropped in API 1.42.
	KernelMemory    int64 `json:",omitempty"`
	KernelMemoryTCP int64 `json:",omitempty"`
}

func containerConfig(c *container.Container) *Config {
	p := c.Process
	conf := &Config{Config: moby.Config{
		Hostname: p.Hostname, Domainname: p.Domainname, User: p.User,
		AttachStdin: p.AttachStdin, AttachStdout: p.AttachStdout, AttachStderr: p.AttachStderr,
		Tty: p.Tty, OpenStdin: p.OpenStdin, StdinOnce: p.StdinOnce,
		Env: list(p.Env), Cmd: p.Cmd, Image: c.Image, WorkingDir: p.Cwd, Entrypoint: p.Entrypoint, Labels: table(c.Labels),
		StopSignal: c.Life.StopSignal, StopTimeout: c.Life.StopTimeout, Healthcheck: healthConfig(c.Health),
	}}
	for _, port := range c.Net.Exposed {
		put(&conf.ExposedPorts, port, struct{}{})
	}
	for _, p := range c.Net.Publish {
		put(&conf.ExposedPorts, portKey(p.ContainerPort, p.Proto), struct{}{})
	}
	for _, m := range c.Mounts {
		if m.Type == container.MountVolume && isAnonymous(m.Name) && !m.Inherited && !m.Long {
			put(&conf.Volumes, m.Target, struct{}{})
		}
	}
	if c.Health != nil {
		conf.Shell = c.Health.Shell
	}
	if len(c.Net.Networks) > 0 && !c.Net.Networks[0].MAC.IsZero() {
		conf.MacAddress = c.Net.Networks[0].MAC.String()
	}
	return conf
}

// CommitConfig is the configuration of an image that is made of a container,
// where Docker's commit has nothing else: neither OnBuild nor Shell.
func CommitConfig(c *container.Container) dockerspec.DockerOCIImageConfig {
	from := containerConfig(c)
	var conf dockerspec.DockerOCIImageConfig
	conf.User, conf.Env, conf.Cmd, conf.Entrypoint = from.User, from.Env, from.Cmd, from.Entrypoint
	conf.WorkingDir, conf.Labels, conf.StopSignal = from.WorkingDir, from.Labels, from.StopSignal
	conf.ExposedPorts, conf.Volumes, conf.Healthcheck = from.ExposedPorts, from.Volumes, from.Healthcheck
	if u := c.Safety.Userns.User; u != nil { // that of the process is this host's
		conf.User = *u
	}
	return conf
}

func hostConfig(c *container.Container, at Places) *HostConfig {
	f, l, n := c.Safety, c.Limits, c.Net
	conf := &HostConfig{PortBindings: askedPorts(n), HostConfig: moby.HostConfig{
		ContainerIDFile: c.IDFile, VolumesFrom: c.VolumesFrom,
		LogConfig: moby.LogConfig{Type: c.Life.LogDriver, Config: table(c.Life.LogOpts)}, NetworkMode: moby.NetworkMode(n.Mode),
		RestartPolicy: restartPolicy(c.Life.Restart), AutoRemove: c.Life.AutoRemove, Annotations: c.Annotations,
		CapAdd: f.CapAdd, CapDrop: f.CapDrop,
		DNS: addresses(n.DNS), DNSOptions: list(n.DNSOptions), DNSSearch: list(n.DNSSearch), ExtraHosts: n.AddHosts,
		GroupAdd: c.Process.GroupAdd, Umask: c.Process.Umask,
		CgroupnsMode: moby.CgroupnsMode(mode(f.HostCgroup, "private")), IpcMode: ipcMode(f), UsernsMode: moby.UsernsMode(f.Userns.Mode),
		PidMode: moby.PidMode(pidMode(f)), UTSMode: moby.UTSMode(mode(f.HostUTS, "")),
		Privileged: f.Privileged, PublishAllPorts: n.PublishAll, ReadonlyRootfs: f.ReadOnlyRootfs, SecurityOpt: securityOpt(f),
		ShmSize: l.ShmSize, Sysctls: l.Sysctls, Runtime: Runtime,
		MaskedPaths: []string{}, ReadonlyPaths: []string{},
		Resources: resources(l),
	}}
	for _, d := range f.Devices {
		conf.Devices = append(conf.Devices, moby.DeviceMapping{PathOnHost: d.Source, PathInContainer: d.Target, CgroupPermissions: d.Permissions})
	}
	for _, r := range f.DeviceRequests {
		conf.DeviceRequests = append(conf.DeviceRequests, moby.DeviceRequest{Driver: r.Driver, Count: r.Count, DeviceIDs: r.IDs, Capabilities: r.Capabilities, Options: r.Options})
	}
	if l.OomScoreAdj != nil {
		conf.OomScoreAdj = *l.OomScoreAdj
	}
	if conf.ShmSize == 0 {
		conf.ShmSize = defaultShm
	}
	if c.Life.Init {
		conf.Init = &c.Life.Init
	}
	if !f.Privileged && !f.UnmaskPaths {
		conf.MaskedPaths, conf.ReadonlyPaths = spec.Masked(n.Mode == network.Host, at.Throttle)
	}
	binds(c.Mounts, conf)
	return conf
}

// binds are the mounts in the forms that they were asked for in.
func binds(mounts []container.Mount, h *HostConfig) {
	for _, m := range mounts {
		source := m.Source
		switch {
		case m.Inherited:
			continue
		case m.Long:
			h.Mounts = append(h.Mounts, longMount(m))
			continue
		case m.Type == container.MountTmpfs:
			options := m.Given
			if options == "" {
				options = strings.Join(slices.Concat(readOnlyWord(m), m.TmpfsOptions), ",")
			}
			put(&h.Tmpfs, m.Target, options)
			continue
		case m.Type == container.MountVolume && !isAnonymous(m.Name):
			source = m.Name
		case m.Type != container.MountBind:
			continue
		}
		bind := source + ":" + m.Target
		if mode := m.Mode(); mode != "" {
			bind += ":" + mode
		}
		h.Binds = append(h.Binds, bind)
	}
}

func readOnlyWord(m container.Mount) []string {
	if m.ReadOnly {
		return []string{"ro"}
	}
	return nil
}

// isAnonymous reports whether a volume has the name of one that nobody named.
func isAnonymous(name string) bool {
	return name == "" || state.IsID(name)
}

// askedPorts are the ports that were asked for: what publishing all of them has
// added has no place of its own on the host.
func askedPorts(n container.Net) PortMap {
	return BindPorts(slices.DeleteFunc(slices.Clone(n.Publish), func(p network.PortSpec) bool {
		return n.PublishAll && p.HostPort == 0 && !p.HostIP.IsValid()
	}))
}

func portKey(n uint16, proto string) string { return strconv.Itoa(int(n)) + "/" + proto }

// portText is empty for the port that the host chooses.
func portText(n uint16) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(int(n))
}

func mode(host bool, own string) string {
	if host {
		return "host"
	}
	return own
}

func ipcMode(f container.Safety) moby.IpcMode {
	switch {
	case f.NoShm:
		return moby.IPCModeNone
	case f.ShareableIPC:
		return moby.IPCModeShareable
	case f.IPCOf != "":
		return moby.IpcMode(ofContainer + f.IPCOf)
	}
	return moby.IpcMode(mode(f.HostIPC, "private"))
}

func pidMode(f container.Safety) string {
	if f.PIDOf != "" {
		return ofContainer + f.PIDOf
	}
	return mode(f.HostPID, "")
}

func restartPolicy(r container.Restart) moby.RestartPolicy {
	if r.Name == "" {
		r.Name = "no"
	}
	return moby.RestartPolicy{Name: moby.RestartPolicyMode(r.Name), MaximumRetryCount: r.Max}
}

// securityOpt are the values of --security-opt.
func securityOpt(f container.Safety) (list []string) {
	if f.NoNewPrivs {
		list = append(list, "no-new-privileges")
	}
	if f.Seccomp != "" {
		list = append(list, "seccomp="+f.Seccomp)
	}
	return list
}

func healthConfig(h *container.HealthCheck) *moby.HealthConfig {
	if h == nil {
		return nil
	}
	return &moby.HealthConfig{
		Test: h.Test, Interval: h.Interval, Timeout: h.Timeout, StartPeriod: h.StartPeriod, StartInterval: h.StartInterval, Retries: h.Retries,
	}
}

func resources(l container.Limits) moby.Resources {
	g := l.Cgroup
	r := moby.Resources{
		CPUShares: g.CPUShares, Memory: g.Memory, NanoCPUs: g.NanoCPUs, CgroupParent: l.CgroupParent, BlkioWeight: g.BlkioWeight,
		BlkioWeightDevice: []*blkiodev.WeightDevice{}, CPUPeriod: g.CPUPeriod, CPUQuota: g.CPUQuota, CpusetCpus: g.CpusetCpus, CpusetMems: g.CpusetMems,
		Devices: []moby.DeviceMapping{}, MemoryReservation: g.MemoryReservation, MemorySwap: g.MemorySwap, Ulimits: []*moby.Ulimit{},
		BlkioDeviceReadBps: rates(g, "rbps"), BlkioDeviceWriteBps: rates(g, "wbps"),
		BlkioDeviceReadIOps: rates(g, "riops"), BlkioDeviceWriteIOps: rates(g, "wiops"),
	}
	if g.PidsLimit != 0 {
		r.PidsLimit = &g.PidsLimit
	}
	for _, u := range l.Ulimits {
		r.Ulimits = append(r.Ulimits, &units.Ulimit{Name: u.Name, Soft: u.Soft, Hard: u.Hard})
	}
	return r
}

// rates are the bounds of one key of io.max.
func rates(l cgroup.Limits, key string) []*blkiodev.ThrottleDevice {
	all := []*blkiodev.ThrottleDevice{}
	for _, r := range l.IO {
		if r.Key == key {
			all = append(all, &blkiodev.ThrottleDevice{Path: r.Device, Rate: r.Value})
		}
	}
	return all
}

// addresses leaves out what is none: nothing but addresses is written.
func addresses(texts []string) []netip.Addr {
	all := []netip.Addr{}
	for _, t := range texts {
		if a, err := netip.ParseAddr(strings.TrimSpace(t)); err == nil {
			all = append(all, a)
		}
	}
	return all
}

// list is never null.
func list(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}

// table is never null.
func table(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return m
}

// put makes the map when there is something to be in it.
func put[V any](m *map[string]V, key string, value V) {
	if *m == nil {
		*m = map[string]V{}
	}
	(*m)[key] = value
}
