// SPDX-License-Identifier: Apache-2.0

package convert

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"

	"coracle/pkg/docker"
)

// Options are what a service does not say of one of its containers.
type Options struct {
	Number   int
	Name     string // empty: the service's for this number
	Image    string // what to make it of: a name or an ID; empty: the service's
	ImageID  string // sha256:…, for the label by which a newer image is noticed
	Replaces string // the name of the container whose place this one takes
	Labels   map[string]string

	// Carry are volumes without a name of the container that this one replaces, by
	// where they are mounted.
	Carry map[string]string

	// ReadFile reads a file of the project: of a seccomp profile.
	ReadFile func(path string) ([]byte, error)

	AutoRemove, NoAliases, Attach bool
}

// Container is the request for a container of a service, whose references to other
// services ([Resolve]) are resolved already; and the files that belong into it.
func Container(p *types.Project, s types.ServiceConfig, o Options) (q docker.CreateRequest, files []File, err error) {
	if err := Check(s); err != nil {
		return q, nil, err
	}
	hash, err := Hash(s)
	if err != nil {
		return q, nil, err
	}
	if o.Name == "" {
		o.Name = ContainerName(p, s, o.Number)
	}
	q.Name, q.Platform, q.Image = o.Name, s.Platform, o.Image
	if q.Image == "" {
		q.Image = ImageName(p, s)
	}
	q.Labels = labels(s, o, hash)
	setConfig(&q, s, o)
	setHost(&q, s, o)
	setResources(&q, s)
	for _, set := range []func() error{
		func() error { return setSecurity(&q, p, s, o) },
		func() error { return setNetworks(&q, p, s, o) },
		func() (err error) { files, err = setMounts(&q, p, s, o); return err },
	} {
		if err := set(); err != nil {
			return q, nil, fmt.Errorf("service %q: %w", s.Name, err)
		}
	}
	if q.Labels[LabelFiles], err = FilesHash(files); err != nil {
		return q, nil, err
	}
	if len(files) == 0 {
		delete(q.Labels, LabelFiles)
	}
	return q, files, nil
}

// ContainerName is that of the container with a number of a service.
func ContainerName(p *types.Project, s types.ServiceConfig, number int) string {
	if s.ContainerName != "" {
		return s.ContainerName
	}
	return p.Name + "-" + s.Name + "-" + strconv.Itoa(number)
}

// ImageName is the image of a service, which is its own where it is built and says
// no other.
func ImageName(p *types.Project, s types.ServiceConfig) string {
	if s.Image != "" {
		return s.Image
	}
	return p.Name + "-" + s.Name
}

func setConfig(q *docker.CreateRequest, s types.ServiceConfig, o Options) {
	c := &q.Config.Config
	c.Hostname, c.Domainname, c.User, c.WorkingDir = s.Hostname, s.DomainName, s.User, s.WorkingDir
	c.Tty, c.OpenStdin, c.StdinOnce = s.Tty, s.StdinOpen, o.Attach && s.StdinOpen
	c.AttachStdin, c.AttachStdout, c.AttachStderr = o.Attach && s.StdinOpen, true, true
	c.StopSignal = s.StopSignal
	if s.StopGracePeriod != nil {
		seconds := int((time.Duration(*s.StopGracePeriod) + time.Second - 1) / time.Second)
		c.StopTimeout = &seconds
	}
	c.Healthcheck = healthcheck(s.HealthCheck)
	for _, k := range slices.Sorted(maps.Keys(s.Environment)) {
		if v := s.Environment[k]; v != nil {
			c.Env = append(c.Env, k+"="+*v)
		} else {
			c.Env = append(c.Env, k) // taken out of the image's
		}
	}
	// Empty is something else than not there.
	if s.Command != nil {
		c.Cmd = []string(s.Command)
	}
	if s.Entrypoint != nil {
		c.Entrypoint = []string(s.Entrypoint)
		if len(s.Entrypoint) == 0 {
			c.Entrypoint = []string{""}
		}
	}
	q.ExposedPorts = map[string]struct{}{}
	for _, port := range s.Expose {
		q.ExposedPorts[port] = struct{}{}
	}
	for _, port := range s.Ports {
		q.ExposedPorts[portKey(port)] = struct{}{}
	}
}

func healthcheck(h *types.HealthCheckConfig) *moby.HealthConfig {
	if h == nil {
		return nil
	}
	of := func(d *types.Duration) time.Duration {
		if d == nil {
			return 0
		}
		return time.Duration(*d)
	}
	c := &moby.HealthConfig{
		Test: h.Test, Interval: of(h.Interval), Timeout: of(h.Timeout), StartPeriod: of(h.StartPeriod), StartInterval: of(h.StartInterval),
	}
	if h.Retries != nil {
		c.Retries = int(*h.Retries)
	}
	if h.Disable {
		c.Test = []string{"NONE"}
	}
	return c
}

func portKey(p types.ServicePortConfig) string {
	proto := p.Protocol
	if proto == "" {
		proto = "tcp"
	}
	return strconv.Itoa(int(p.Target)) + "/" + proto
}

func setHost(q *docker.CreateRequest, s types.ServiceConfig, o Options) {
	h := &q.HostConfig
	h.AutoRemove, h.Annotations, h.Init = o.AutoRemove, s.Annotations, s.Init
	h.CapAdd, h.CapDrop, h.Privileged, h.ReadonlyRootfs = docker.NormalCapabilities(s.CapAdd), docker.NormalCapabilities(s.CapDrop), s.Privileged, s.ReadOnly
	h.IpcMode, h.CgroupnsMode, h.PidMode = moby.IpcMode(s.Ipc), moby.CgroupnsMode(s.Cgroup), moby.PidMode(s.Pid)
	h.UTSMode, h.UsernsMode, h.Isolation = moby.UTSMode(s.Uts), moby.UsernsMode(s.UserNSMode), moby.Isolation(s.Isolation)
	h.Runtime, h.GroupAdd, h.ShmSize = s.Runtime, s.GroupAdd, int64(s.ShmSize)
	h.Sysctls, h.VolumeDriver, h.VolumesFrom = s.Sysctls, s.VolumeDriver, s.VolumesFrom
	h.StorageOpt, h.OomScoreAdj, h.Umask = s.StorageOpt, int(s.OomScoreAdj), s.Umask
	h.RestartPolicy = RestartPolicy(s)
	if l := s.Logging; l != nil {
		h.LogConfig = moby.LogConfig{Type: l.Driver, Config: l.Options}
	}
	h.PortBindings = docker.PortMap{}
	for _, port := range s.Ports {
		key := portKey(port)
		h.PortBindings[key] = append(h.PortBindings[key], docker.PortBinding{HostIP: port.HostIP, HostPort: port.Published})
	}
}

// RestartPolicy is what deploy says, or else restart.
func RestartPolicy(s types.ServiceConfig) moby.RestartPolicy {
	var p moby.RestartPolicy
	if s.Restart != "" {
		name, attempts, _ := strings.Cut(s.Restart, ":")
		p.MaximumRetryCount, _ = strconv.Atoi(attempts)
		p.Name = restartMode(name)
	}
	if s.Deploy != nil && s.Deploy.RestartPolicy != nil {
		d := s.Deploy.RestartPolicy
		p = moby.RestartPolicy{Name: restartMode(d.Condition)}
		if d.MaxAttempts != nil {
			p.MaximumRetryCount = int(*d.MaxAttempts)
		}
		if p.Name != moby.RestartPolicyOnFailure {
			p.MaximumRetryCount = 0
		}
	}
	return p
}

func restartMode(condition string) moby.RestartPolicyMode {
	switch condition {
	case "none", "no":
		return moby.RestartPolicyDisabled
	case "any", "", "always":
		return moby.RestartPolicyAlways
	}
	return moby.RestartPolicyMode(condition)
}

// setNetworks puts a container on its networks: the first by priority is the
// network mode.
func setNetworks(q *docker.CreateRequest, p *types.Project, s types.ServiceConfig, o Options) error {
	h := &q.HostConfig
	if err := setNames(q, s); err != nil {
		return err
	}
	if s.NetworkMode != "" {
		h.NetworkMode = moby.NetworkMode(s.NetworkMode)
		return nil
	}
	keys := s.NetworksByPriority()
	if len(keys) == 0 {
		h.NetworkMode = "none"
		return nil
	}
	q.NetworkingConfig.EndpointsConfig = map[string]*network.EndpointSettings{}
	for i, key := range keys {
		n, ok := p.Networks[key]
		if !ok {
			return fmt.Errorf("refers to undefined network %s: invalid compose project", key)
		}
		end, err := endpoint(p, s, key, o)
		if err != nil {
			return err
		}
		if i == 0 {
			h.NetworkMode = moby.NetworkMode(n.Name)
			if len(end.MacAddress) == 0 {
				q.MacAddress = s.MacAddress
			}
		} else {
			q.NetworkingConfig.Order = append(q.NetworkingConfig.Order, n.Name)
		}
		q.NetworkingConfig.EndpointsConfig[n.Name] = end
	}
	q.NetworkingConfig.Order = append([]string{string(h.NetworkMode)}, q.NetworkingConfig.Order...)
	return nil
}

// endpoint is the place of a container on one of the project's networks.
func endpoint(p *types.Project, s types.ServiceConfig, key string, o Options) (*network.EndpointSettings, error) {
	asked := s.Networks[key]
	end := &network.EndpointSettings{Aliases: []string{o.Name}, Links: links(p, s)}
	if !o.NoAliases {
		if asked.ServiceNameAliasEnabled() {
			end.Aliases = append(end.Aliases, s.Name)
		}
	}
	if asked == nil {
		return end, nil
	}
	if !o.NoAliases {
		end.Aliases = append(end.Aliases, asked.Aliases...)
	}
	end.GwPriority, end.DriverOpts = asked.GatewayPriority, asked.DriverOpts
	var err error
	ipam := &network.EndpointIPAMConfig{}
	if ipam.IPv4Address, err = address(asked.Ipv4Address); err != nil {
		return nil, err
	}
	if ipam.IPv6Address, err = address(asked.Ipv6Address); err != nil {
		return nil, err
	}
	for _, text := range asked.LinkLocalIPs {
		a, err := address(text)
		if err != nil {
			return nil, err
		}
		ipam.LinkLocalIPs = append(ipam.LinkLocalIPs, a)
	}
	end.IPAMConfig = ipam
	if asked.MacAddress != "" {
		if s.MacAddress != "" && s.MacAddress != asked.MacAddress {
			return nil, fmt.Errorf("the service-level mac_address should have the same value as network %s", key)
		}
		if err := end.MacAddress.UnmarshalText([]byte(asked.MacAddress)); err != nil {
			return nil, fmt.Errorf("invalid MAC address: %w", err)
		}
	}
	return end, nil
}

// links are the further names by which a container finds others, CONTAINER:NAME, as
// docker compose has them: the link's own, and those of each container.
func links(p *types.Project, s types.ServiceConfig) (list []string) {
	for _, link := range s.Links {
		name, alias, ok := strings.Cut(link, ":")
		if !ok {
			alias = name
		}
		other := p.Services[name]
		for n := range other.GetScale() {
			number := strconv.Itoa(n + 1)
			ctr := ContainerName(p, other, n+1)
			list = append(list, ctr+":"+alias, ctr+":"+name+"-"+number, ctr+":"+p.Name+"-"+name+"-"+number)
		}
	}
	for _, link := range s.ExternalLinks {
		ctr, alias, ok := strings.Cut(link, ":")
		if !ok {
			alias = ctr
		}
		list = append(list, ctr+":"+alias)
	}
	return list
}

func setNames(q *docker.CreateRequest, s types.ServiceConfig) (err error) {
	h := &q.HostConfig
	for _, text := range s.DNS {
		a, err := address(text)
		if err != nil {
			return err
		}
		h.DNS = append(h.DNS, a)
	}
	h.DNSSearch, h.DNSOptions = s.DNSSearch, s.DNSOpts
	h.ExtraHosts = s.ExtraHosts.AsList(":")
	slices.Sort(h.ExtraHosts)
	return nil
}
