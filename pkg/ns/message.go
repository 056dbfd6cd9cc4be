// SPDX-License-Identifier: Apache-2.0

package ns

import (
	"errors"
	"syscall"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"coracle/pkg/hint"
	"coracle/pkg/trace"
)

// SyncFD is the descriptor of the socket that an init or exec stage is born
// with.
const SyncFD = 3

// PidfdFD is, in an exec stage, the pidfd of the container's first process.
const PidfdFD = 4

// ListenFD is, in an init stage that is told to park, the socket to wait at.
const ListenFD = 4

// Unmapped is the argument of a stage whose id maps are still to be written.
const Unmapped = "unmapped"

// Config is what an init or exec stage is told.
type Config struct {
	Spec *Spec `json:"spec"`
	// Filter is the compiled seccomp program, sock_filter by sock_filter.
	Filter []byte `json:"filter,omitempty"`
	// Notifies says that the filter hands calls to a listener, which the stage
	// sends before its answer.
	Notifies bool `json:"notifies,omitempty"`
	// NewNetNS says that the stage is the first in its network namespace.
	NewNetNS bool `json:"newNetNS,omitempty"`
	Single   bool `json:"single,omitempty"` // the user namespace has a single id
	Trace    bool `json:"trace,omitempty"`  // tell in the answer when each step was done
	// Reap keeps a process as pid 1 that forwards signals to the program and
	// reaps what others leave behind.
	Reap bool `json:"reap,omitempty"`
	// CloseAbstract keeps the process from the abstract unix sockets of others:
	// with the host's network they would be the host's.
	CloseAbstract bool `json:"closeAbstract,omitempty"`
	// EndWithParent kills the program when the process ends that has started it.
	EndWithParent bool `json:"endWithParent,omitempty"`
	// BecomeRoot: the stage is not yet root of its user namespace.
	BecomeRoot bool `json:"becomeRoot,omitempty"`
	Joined     bool `json:"joined,omitempty"`    // the user namespace was there before: its maps are to be looked at
	BindRoot   bool `json:"bindRoot,omitempty"`  // the root is a plain directory
	Pause      bool `json:"pause,omitempty"`     // answer before pivot_root and wait for a Resume
	FindFirst  bool `json:"findFirst,omitempty"` // the answer says whether there is such a program
	// Trees are, by destination, descriptors of the mounts to attach there.
	Trees map[string]int `json:"trees,omitempty"`
}

// Spec is what a stage reads of an OCI runtime spec, under the spec's names. Of
// the whole, encoding/json would first work out how to read each of 70 types, the
// filter's and those of other systems among them: in both processes 0.5 ms.
type Spec struct {
	Process    *specs.Process `json:"process,omitempty"`
	Root       *specs.Root    `json:"root,omitempty"`
	Hostname   string         `json:"hostname,omitempty"`
	Domainname string         `json:"domainname,omitempty"`
	Mounts     []specs.Mount  `json:"mounts,omitempty"`
	Hooks      *specs.Hooks   `json:"hooks,omitempty"`
	Linux      Linux          `json:"linux"`
}

// Linux is what a stage reads of a spec's part for Linux.
type Linux struct {
	Sysctl            map[string]string      `json:"sysctl,omitempty"`
	Namespaces        []specs.LinuxNamespace `json:"namespaces,omitempty"`
	Devices           []specs.LinuxDevice    `json:"devices,omitempty"`
	RootfsPropagation string                 `json:"rootfsPropagation,omitempty"`
	MaskedPaths       []string               `json:"maskedPaths,omitempty"`
	ReadonlyPaths     []string               `json:"readonlyPaths,omitempty"`
}

func specOf(s *specs.Spec) *Spec {
	part := &Spec{Process: s.Process, Root: s.Root, Hostname: s.Hostname, Domainname: s.Domainname, Mounts: s.Mounts, Hooks: s.Hooks}
	if l := s.Linux; l != nil {
		part.Linux = Linux{
			Sysctl: l.Sysctl, Namespaces: l.Namespaces, Devices: l.Devices,
			RootfsPropagation: l.RootfsPropagation, MaskedPaths: l.MaskedPaths, ReadonlyPaths: l.ReadonlyPaths,
		}
	}
	return part
}

// Resume lets a stage that has paused go on.
type Resume struct {
	State []byte `json:"state"` // what hooks are told
}

// Answer is what an init or exec stage says. Errno is not 0 when a system
// call failed; Exec marks a failure of the execve itself.
type Answer struct {
	HostPid int    `json:"hostPid,omitempty"`
	Error   string `json:"error,omitempty"`
	Errno   int    `json:"errno,omitempty"`
	Exec    bool   `json:"exec,omitempty"`
	// Listener says that the descriptor with this message is the filter's
	// listener, and that the answer is still to come.
	Listener bool   `json:"listener,omitempty"`
	Hint     string `json:"hint,omitempty"`
	// Trace is what was done when, if Config asks for it.
	Trace []trace.Moment `json:"trace,omitempty"`
}

// ExecError says that the program of a container could not be executed.
type ExecError struct {
	Message string
	Errno   syscall.Errno
}

func (e *ExecError) Error() string { return e.Message }
func (e *ExecError) Unwrap() error { return e.Errno }

func (a Answer) err() error {
	switch {
	case a.Error == "":
		return nil
	case a.Exec:
		return &ExecError{Message: a.Error, Errno: syscall.Errno(a.Errno)}
	case a.Errno != 0:
		return &setupError{a.Error, syscall.Errno(a.Errno), a.Hint}
	default:
		return errors.New(a.Error)
	}
}

type setupError struct {
	message string
	errno   syscall.Errno
	hint    string
}

func (e *setupError) Error() string { return e.message }
func (e *setupError) Unwrap() error { return e.errno }

// Hint is what the stage said, or that somebody else's filter may be the cause:
// this process is below the same.
func (e *setupError) Hint() string {
	if e.hint != "" {
		return e.hint
	}
	return hint.Of(explainFilter(e.errno))
}
