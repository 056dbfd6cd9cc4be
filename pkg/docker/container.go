// SPDX-License-Identifier: Apache-2.0

package docker

import (
	"path/filepath"
	"strings"
	"time"

	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/api/types/storage"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"coracle/pkg/container"
	"coracle/pkg/container/logfile"
)

// StorageDriver is the name of the one storage driver.
const StorageDriver = "overlay"

// Container is Docker's answer about one container
// (GET /containers/{id}/json): [moby.InspectResponse] in its order, with types
// of ours where they have more.
type Container struct {
	ID                      string `json:"Id"`
	Created                 string
	Path                    string
	Args                    []string
	State                   *moby.State
	Image                   string
	ResolvConfPath          string
	HostnamePath            string
	HostsPath               string
	LogPath                 string
	Name                    string
	RestartCount            int
	Driver                  string
	Platform                string
	MountLabel              string
	ProcessLabel            string
	AppArmorProfile         string
	ExecIDs                 []string
	HostConfig              *HostConfig
	GraphDriver             *storage.DriverData `json:",omitempty"`
	SizeRw                  *int64              `json:",omitempty"`
	SizeRootFs              *int64              `json:",omitempty"`
	Mounts                  []moby.MountPoint
	Config                  *Config
	NetworkSettings         *NetworkSettings
	ImageManifestDescriptor *ocispec.Descriptor `json:",omitempty"`
}

// Places says where things of a container are that its record has only names
// of, and what of this machine it does not see.
type Places struct {
	// Files is the directory of its resolv.conf, hostname and hosts.
	Files string
	// Volume returns the directory of a volume's files.
	Volume func(name string) string
	// Network returns the ID of a network, or "" for one that is gone. It may be
	// nil: then nothing has an ID.
	Network func(name string) string
	// Throttle are the machine's counters that are hidden (package spec).
	Throttle []string
}

func (p Places) network(name string) string {
	if p.Network == nil {
		return ""
	}
	return p.Network(name)
}

// InspectContainer is the answer about c.
func InspectContainer(c *container.Container, at Places) *Container {
	args := list(c.Process.Args())
	path := ""
	if len(args) > 0 {
		path, args = args[0], args[1:]
	}
	log := ""
	if d := c.Life.LogDriver; d == logfile.JSONFile || d == logfile.Local {
		log = c.Dir().Log()
	}
	return &Container{
		ID: c.ID, Created: Stamp(c.Created), Path: path, Args: args, State: containerState(c.State), Image: "sha256:" + c.ImageID,
		ResolvConfPath: filepath.Join(at.Files, "resolv.conf"), HostnamePath: filepath.Join(at.Files, "hostname"),
		HostsPath: filepath.Join(at.Files, "hosts"), LogPath: log, Name: "/" + c.Name, RestartCount: c.State.Restarts,
		Driver: StorageDriver, Platform: c.Platform, HostConfig: hostConfig(c, at), GraphDriver: containerLayers(c),
		Mounts: mountPoints(c.Mounts, at), Config: containerConfig(c), NetworkSettings: networkSettings(c, at),
	}
}

// Stamp is how answers write a time.
func Stamp(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

func containerState(s container.State) *moby.State {
	st := &moby.State{
		Status: moby.ContainerState(s.Status), Running: s.IsRunning(), Paused: s.Status == container.Paused,
		Restarting: s.Status == container.Restarting, OOMKilled: s.OOMKilled, Dead: s.Status == dead, Pid: s.Pid, ExitCode: s.ExitCode, Error: s.Error,
		StartedAt: Stamp(s.StartedAt), FinishedAt: Stamp(s.FinishedAt),
	}
	if s.Health == nil {
		return st
	}
	st.Health = &moby.Health{Status: moby.HealthStatus(s.Health.Status), FailingStreak: s.Health.FailingStreak, Log: []*moby.HealthcheckResult{}}
	for _, p := range s.Health.Log {
		st.Health.Log = append(st.Health.Log, &moby.HealthcheckResult{Start: p.Start, End: p.End, ExitCode: p.ExitCode, Output: p.Output})
	}
	return st
}

// containerLayers are the directories of the root file system, under the
// kernel's names for them.
func containerLayers(c *container.Container) *storage.DriverData {
	return layers(c.LayerDirs, map[string]string{
		"UpperDir": c.Dir().Upper(), "WorkDir": c.Dir().Work(), "MergedDir": c.Dir().Rootfs(),
	})
}

// layers adds the directories below to those of a read-write layer; dirs is in
// the order of an image, base first, and the kernel's is the other.
func layers(dirs []string, data map[string]string) *storage.DriverData {
	var lower []string
	for i := len(dirs) - 1; i >= 0; i-- {
		lower = append(lower, dirs[i])
	}
	if len(lower) > 0 {
		data["LowerDir"] = strings.Join(lower, ":")
	}
	return &storage.DriverData{Name: StorageDriver, Data: data}
}

func mountPoints(mounts []container.Mount, at Places) []moby.MountPoint {
	all := []moby.MountPoint{}
	for _, m := range mounts {
		p := moby.MountPoint{
			Type: mount.Type(m.Type), Source: m.Source, Destination: m.Target, Mode: m.Mode(), RW: !m.ReadOnly, Propagation: mount.Propagation(m.Propagation),
		}
		switch m.Type {
		case container.MountVolume:
			p.Name, p.Driver, p.Source = m.Name, VolumeDriver, at.Volume(m.Name)
		case container.MountBind:
			if p.Propagation == "" {
				p.Propagation = mount.PropagationRPrivate
			}
		}
		all = append(all, p)
	}
	return all
}
