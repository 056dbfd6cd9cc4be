// SPDX-License-Identifier: Apache-2.0

package container

import (
	"slices"
	"time"

	"coracle/pkg/cgroup"
	"coracle/pkg/network"
	"coracle/pkg/state"
)

// recordVersion is raised when a record of today cannot be read by the code of
// yesterday.
const recordVersion = 2

// Record is what was asked for: everything needed to start the container
// again, so that starting opens neither the image store nor any other file.
type Record struct {
	Version int       `json:"version"`
	ID      string    `json:"id"` // 64 hex
	Name    string    `json:"name"`
	Created time.Time `json:"created"`

	Image     string   `json:"image"`     // as it was typed
	ImageID   string   `json:"imageId"`   // 64 hex
	LayerDirs []string `json:"layerDirs"` // absolute, base first

	Process Process `json:"process"`
	Net     Net     `json:"net"`
	Mounts  []Mount `json:"mounts"`
	Limits  Limits  `json:"limits"`
	Safety  Safety  `json:"safety"`
	Life    Life    `json:"life"`

	Health *HealthCheck `json:"health,omitempty"`

	Labels   map[string]string `json:"labels,omitempty"`
	Platform string            `json:"platform,omitempty"`

	Annotations map[string]string `json:"annotations,omitempty"`

	// For answers alone: the values of --volumes-from and --cidfile, as they
	// were typed.
	VolumesFrom []string `json:"volumesFrom,omitempty"`
	IDFile      string   `json:"idFile,omitempty"`
}

// Process is the container's first process.
type Process struct {
	Entrypoint []string `json:"entrypoint"`
	Cmd        []string `json:"cmd"`
	Env        []string `json:"env"`
	Cwd        string   `json:"cwd"`
	User       string   `json:"user"` // as given: name or number, with an optional group
	GroupAdd   []string `json:"groupAdd,omitempty"`
	Umask      *uint32  `json:"umask,omitempty"`
	Hostname   string   `json:"hostname"`
	Domainname string   `json:"domainname,omitempty"`
	Tty        bool     `json:"tty"`
	OpenStdin  bool     `json:"openStdin"`
	// StdinOnce closes the container's stdin when the first client that was
	// attached to it goes away.
	StdinOnce    bool `json:"stdinOnce"`
	AttachStdin  bool `json:"attachStdin"`
	AttachStdout bool `json:"attachStdout"`
	AttachStderr bool `json:"attachStderr"`
}

// Args is the whole command line.
func (p Process) Args() []string {
	return append(append([]string(nil), p.Entrypoint...), p.Cmd...)
}

// Endpoint is a place on a network, as it was asked for.
type Endpoint = network.Endpoint

// Net is how a container is connected.
type Net struct {
	// Mode is what was asked for first: host, none, container:ID, or a network.
	Mode       string             `json:"mode"`
	Networks   []Endpoint         `json:"networks,omitempty"` // where it is
	Publish    []network.PortSpec `json:"publish,omitempty"`
	Exposed    []string           `json:"exposed,omitempty"` // 80/tcp
	PublishAll bool               `json:"publishAll,omitempty"`
	AddHosts   []string           `json:"addHosts,omitempty"`
	DNS        []string           `json:"dns,omitempty"`
	DNSSearch  []string           `json:"dnsSearch,omitempty"`
	DNSOptions []string           `json:"dnsOptions,omitempty"`
}

// On is the index of the place on a network, or -1.
func (n Net) On(network string) int {
	return slices.IndexFunc(n.Networks, func(e Endpoint) bool { return e.Network == network })
}

// Limits bound what the container may use.
type Limits struct {
	ShmSize     int64             `json:"shmSize"` // bytes
	Ulimits     []Ulimit          `json:"ulimits,omitempty"`
	Sysctls     map[string]string `json:"sysctls,omitempty"`
	OomScoreAdj *int              `json:"oomScoreAdj,omitempty"`
	Cgroup      cgroup.Limits     `json:"cgroup"`
	// CgroupParent is the systemd slice that the container goes to, or "".
	CgroupParent string `json:"cgroupParent,omitempty"`
}

// Ulimit is one resource limit, with Docker's name for it (nofile).
type Ulimit struct {
	Name string `json:"name"`
	Soft int64  `json:"soft"`
	Hard int64  `json:"hard"`
}

// Safety is what the container is kept from.
type Safety struct {
	CapAdd         []string `json:"capAdd,omitempty"`
	CapDrop        []string `json:"capDrop,omitempty"`
	Privileged     bool     `json:"privileged,omitempty"`
	NoNewPrivs     bool     `json:"noNewPrivs,omitempty"`
	Seccomp        string   `json:"seccomp,omitempty"` // "" default, "unconfined", or the text of a profile
	ReadOnlyRootfs bool     `json:"readOnlyRootfs,omitempty"`
	UnmaskPaths    bool     `json:"unmaskPaths,omitempty"`
	HostPID        bool     `json:"hostPid,omitempty"`
	HostIPC        bool     `json:"hostIpc,omitempty"`
	HostUTS        bool     `json:"hostUts,omitempty"`
	HostCgroup     bool     `json:"hostCgroup,omitempty"`
	NoShm          bool     `json:"noShm,omitempty"`        // --ipc none: no /dev/shm
	ShareableIPC   bool     `json:"shareableIpc,omitempty"` // others may join its ipc namespace
	PIDOf          string   `json:"pidOf,omitempty"`        // the ID of the container whose pid namespace it is in, or ""
	IPCOf          string   `json:"ipcOf,omitempty"`        // likewise its ipc namespace, with /dev/shm
	Devices        []Device `json:"devices,omitempty"`
	Userns         Userns   `json:"userns,omitzero"`

	DeviceRequests []DeviceRequest `json:"deviceRequests,omitempty"`
	// SpecDirs are the directories of specification files that the requests were
	// resolved with: whoever starts the container may have another environment.
	SpecDirs []string `json:"specDirs,omitempty"`
}

// Injected are the qualified names of the devices that specification files describe.
func (s Safety) Injected() []string {
	var names []string
	for _, r := range s.DeviceRequests {
		names = append(names, r.Names...)
	}
	return names
}

// Life is what happens around the process.
type Life struct {
	AutoRemove  bool              `json:"autoRemove,omitempty"`
	Restart     Restart           `json:"restart"`
	StopSignal  string            `json:"stopSignal,omitempty"`
	StopTimeout *int              `json:"stopTimeout,omitempty"` // seconds; -1 waits for ever
	Init        bool              `json:"init,omitempty"`
	LogDriver   string            `json:"logDriver"` // json-file, local, journald, none
	LogOpts     map[string]string `json:"logOpts,omitempty"`
}

// Restart is a restart policy: no, on-failure, always, unless-stopped.
type Restart struct {
	Name string `json:"name"`
	Max  int    `json:"max,omitempty"` // on-failure: 0 is without limit
}

// Status is the state of a container in Docker's word for it.
type Status string

// The states a container can be in.
const (
	Created    Status = "created"
	Running    Status = "running"
	Restarting Status = "restarting"
	Paused     Status = "paused"
	Exited     Status = "exited"
	Dead       Status = "dead" // it cannot be read, only removed
)

// State is what happened to a container. The zero value is one that was never
// started.
type State struct {
	Status     Status         `json:"status"`
	Supervisor state.Process  `json:"supervisor"`
	Pid        int            `json:"pid"` // of the container's first process, on the host
	ExitCode   int            `json:"exitCode"`
	Error      string         `json:"error,omitempty"`
	StartedAt  time.Time      `json:"startedAt"`
	FinishedAt time.Time      `json:"finishedAt"`
	Restarts   int            `json:"restarts"`
	RunDir     string         `json:"runDir,omitempty"`  // where the supervisor listens: not every command has the same session
	Stopped    bool           `json:"stopped,omitempty"` // somebody asked for the end
	OOMKilled  bool           `json:"oomKilled,omitempty"`
	Health     *Health        `json:"health,omitempty"` // nil without checks, and while nothing runs
	Cgroup     string         `json:"cgroup,omitempty"` // directory of the container's cgroup, while it runs
	Ports      []network.Port `json:"ports,omitempty"`  // what is listened on
	// Networks are the places on networks, by name.
	Networks map[string]network.Place `json:"networks,omitempty"`
}

// exitSupervisorLost is the exit code of a container whose supervisor was
// killed: everything in it was killed with it.
const exitSupervisorLost = 137

// supervisorLost is why it ended.
const supervisorLost = "supervisor lost"

// Lost reports whether nobody has recorded how the container ended.
func (s State) Lost() bool { return s.Error == supervisorLost }

// exitNotStarted is Docker's exit code of a container that was not started, but for its
// program's sake.
const exitNotStarted = 128

// NotStarted is the state after a start that failed, of a container that was in this
// one. code is what the command that started it ends with: 125, 126 or 127.
func (s State) NotStarted(code int, why string) State {
	after := State{Status: Created, StartedAt: s.StartedAt, FinishedAt: s.FinishedAt, ExitCode: code, Error: why}
	if !s.StartedAt.IsZero() {
		after.Status = Exited
	}
	if code != 126 && code != 127 {
		after.ExitCode = exitNotStarted
	}
	return after
}

// derived corrects a state that its writer could not correct any more: a
// supervisor that is gone has not recorded how its container ended.
func (s State) derived() State {
	switch s.Status {
	case "":
		s.Status = Created
	case Running, Restarting, Paused:
		if !s.Supervisor.Alive() {
			s.Status, s.Pid, s.ExitCode, s.Ports = Exited, 0, exitSupervisorLost, nil
			s.Error = supervisorLost
			if s.FinishedAt.Before(s.StartedAt) {
				s.FinishedAt = s.StartedAt
			}
		}
	}
	return s
}

// IsRunning reports whether a supervisor is at work on the container.
func (s State) IsRunning() bool {
	return s.Status == Running || s.Status == Restarting || s.Status == Paused
}
