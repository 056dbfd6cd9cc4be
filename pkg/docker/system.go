// SPDX-License-Identifier: Apache-2.0

package docker

import (
	"net/netip"

	"github.com/moby/moby/api/types/registry"
	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/api/types/system"

	"coracle/pkg/container"
)

// APIVersion is that of the Docker engine whose vocabulary this is, and
// MinAPIVersion the oldest that can be asked for.
const (
	APIVersion    = "1.51"
	MinAPIVersion = "1.24"
)

// RootHeader is the header of answers to a ping that names the store whose engine answers:
// the path of its root, escaped as a part of a URL. Docker's have none.
const RootHeader = "Coracle-Root"

// Program is what a program knows of itself.
type Program struct {
	Version, GoVersion, OS, Arch string
	Kernel                       string // release of the kernel
}

// Version is the answer of version: the one program in both of Docker's places,
// for scripts look for either.
type Version struct {
	Client ClientVersion
	Server *ServerVersion
}

// ClientVersion is the client's part of [Version] and [Info].
type ClientVersion struct {
	Platform          *system.PlatformInfo `json:",omitempty"`
	Version           string               `json:",omitempty"`
	APIVersion        string               `json:"ApiVersion,omitempty"`
	DefaultAPIVersion string               `json:",omitempty"`
	GitCommit         string               `json:",omitempty"`
	GoVersion         string               `json:",omitempty"`
	Os                string               `json:",omitempty"`
	Arch              string               `json:",omitempty"`
	BuildTime         string               `json:",omitempty"`
	Context           string
}

// ServerVersion is the engine's part of [Version].
type ServerVersion = system.VersionResponse

// Versions is the answer about p.
func Versions(p Program) *Version {
	return &Version{Client: clientVersion(p), Server: &ServerVersion{
		Platform: system.PlatformInfo{Name: Runtime}, Version: p.Version, APIVersion: APIVersion, MinAPIVersion: MinAPIVersion,
		Os: p.OS, Arch: p.Arch, GoVersion: p.GoVersion, KernelVersion: p.Kernel,
		Components: []system.ComponentVersion{{Name: "Engine", Version: p.Version, Details: map[string]string{
			"ApiVersion": APIVersion, "Arch": p.Arch, "Experimental": "false", "GoVersion": p.GoVersion, "KernelVersion": p.Kernel,
			"MinAPIVersion": MinAPIVersion, "Os": p.OS,
		}}},
	}}
}

func clientVersion(p Program) ClientVersion {
	return ClientVersion{
		Platform: &system.PlatformInfo{Name: Runtime}, Version: p.Version, APIVersion: APIVersion, DefaultAPIVersion: APIVersion,
		GoVersion: p.GoVersion, Os: p.OS, Arch: p.Arch, Context: "default",
	}
}

// Info is the answer of info: the engine's fields, and the client's part.
type Info struct {
	*system.Info
	ServerErrors []string    `json:",omitempty"`
	ClientInfo   *ClientInfo `json:",omitempty"`
	ClientErrors []string    `json:",omitempty"`

	// For templates alone, which had them until API 1.50: filters of bridges of
	// the host, and limits that kernels no longer have.
	BridgeNfIptables, BridgeNfIP6tables, KernelMemory, KernelMemoryTCP bool `json:"-"`
}

// ClientInfo is the client's part of [Info].
type ClientInfo struct {
	Debug bool
	ClientVersion
	Plugins  []ClientPlugin
	Warnings []string
}

// ClientPlugin is a plugin of the command line: there are none.
type ClientPlugin struct{ Name, Version, Vendor, ShortDescription, Path string }

// Host is what Docker's info says of a host and of what is on it.
type Host struct {
	Root, Name, OperatingSystem, OSVersion, Machine string
	CPUs                                            int
	Memory                                          int64  // bytes
	Backing                                         string // Docker's word for the file system below the root
	Time                                            string
	Running, Paused, Stopped, Images                int
	CgroupDriver, CgroupVersion                     string
	Controllers                                     map[string]bool // cgroup controllers that containers can have
	HTTPProxy, HTTPSProxy, NoProxy                  string
	LogDrivers                                      []string
	CDIDirs, CDIDevices                             []string // of specification files, and the names in them
	Warnings                                        []string
}

// Count counts containers.
func (h *Host) Count(list []*container.Container) {
	for _, c := range list {
		switch {
		case c.State.Status == container.Paused:
			h.Paused++
		case c.State.IsRunning():
			h.Running++
		default:
			h.Stopped++
		}
	}
}

// HostInfo is the answer about a host.
func HostInfo(p Program, h Host) *Info {
	has := h.Controllers
	return &Info{ClientInfo: &ClientInfo{ClientVersion: clientVersion(p), Plugins: []ClientPlugin{}}, Info: &system.Info{
		ID: h.Root, Name: h.Name, ServerVersion: p.Version, OSType: p.OS, Architecture: h.Machine, KernelVersion: p.Kernel,
		OperatingSystem: h.OperatingSystem, OSVersion: h.OSVersion, NCPU: h.CPUs, MemTotal: h.Memory, SystemTime: h.Time,
		Containers: h.Running + h.Paused + h.Stopped, ContainersRunning: h.Running, ContainersPaused: h.Paused, ContainersStopped: h.Stopped,
		Images: h.Images, DockerRootDir: h.Root, Driver: StorageDriver, DriverStatus: [][2]string{
			{"Backing Filesystem", h.Backing}, {"Supports d_type", "true"}, {"Using metacopy", "false"}, {"Native Overlay Diff", "true"}, {"userxattr", "true"},
		},
		LoggingDriver: "json-file", CgroupDriver: h.CgroupDriver, CgroupVersion: h.CgroupVersion,
		SecurityOptions: []string{"name=seccomp,profile=builtin", "name=rootless", "name=cgroupns"},
		DefaultRuntime:  Runtime, Runtimes: map[string]system.RuntimeWithStatus{Runtime: {Runtime: system.Runtime{Path: Runtime}}},
		Plugins:            system.PluginsInfo{Volume: []string{VolumeDriver}, Network: []string{"bridge", "host", "null"}, Log: h.LogDrivers},
		IndexServerAddress: "https://index.docker.io/v1/", RegistryConfig: registries(), Swarm: swarm.Info{LocalNodeState: swarm.LocalNodeStateInactive},
		MemoryLimit: has["memory"], SwapLimit: has["memory"], CPUCfsQuota: has["cpu"], CPUCfsPeriod: has["cpu"], CPUShares: has["cpu"],
		CPUSet: has["cpuset"], PidsLimit: has["pids"], IPv4Forwarding: true, LiveRestoreEnabled: true,
		HTTPProxy: h.HTTPProxy, HTTPSProxy: h.HTTPSProxy, NoProxy: h.NoProxy, Labels: []string{}, CDISpecDirs: list(h.CDIDirs), DiscoveredDevices: discovered(h.CDIDevices), Warnings: h.Warnings,
	}}
}

// discovered are devices that specification files describe.
func discovered(names []string) []system.DeviceInfo {
	var all []system.DeviceInfo
	for _, n := range names {
		all = append(all, system.DeviceInfo{Source: DriverCDI, ID: n})
	}
	return all
}

// registries is what Docker says of them where nothing is configured.
func registries() *registry.ServiceConfig {
	return &registry.ServiceConfig{
		InsecureRegistryCIDRs: []netip.Prefix{netip.MustParsePrefix("::1/128"), netip.MustParsePrefix("127.0.0.0/8")},
		IndexConfigs:          map[string]*registry.IndexInfo{"docker.io": {Name: "docker.io", Mirrors: []string{}, Secure: true, Official: true}},
		Mirrors:               []string{},
	}
}
