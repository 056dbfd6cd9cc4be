// SPDX-License-Identifier: Apache-2.0

package ns

import (
	"os"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"coracle/pkg/ids"
	"coracle/pkg/ns/seccomp"
	"coracle/pkg/trace"
)

// InitOptions describe the first process of a container.
type InitOptions struct {
	Spec *specs.Spec
	// NetNS is joined; nil makes a new one if the spec asks for a network
	// namespace and leaves the host's otherwise.
	NetNS *os.File
	// PIDNS and IPCNS are joined likewise, in place of new ones. A process in a pid
	// namespace that has another init ends with the calling process.
	PIDNS, IPCNS          *os.File
	Stdin, Stdout, Stderr *os.File // nil with a terminal
	CgroupFD              int      // directory of a cgroup2 to be born in; -1: none
	// Trees are detached mounts, by the destination in the spec that they are
	// for: what the spec has as their source is only said in errors. They stay
	// the caller's.
	Trees         map[string]*os.File
	Reap          bool // keep a pid 1 beside the program, see Config
	CloseAbstract bool // see Config; processes that join later are kept from them too

	// Maps are those of a user namespace that is made with the others; nil
	// stays in the caller's.
	Maps *ids.Maps
	// BindRoot makes a plain directory the mount that a root has to be.
	BindRoot bool
	// Listener is where another process gives the word for execve (Park, Release).
	// That there is no such program is said before, as an *ExecError of StartInit.
	Listener *os.File
	// Mounted is called when the mounts are made and the root is not yet the
	// root. What it returns is the state that hooks inside are told.
	Mounted func(pid int) (state []byte, err error)
}

// StartInit forks the first process of a container in new namespaces and
// returns when it is right before its execve.
//
// Preconditions: the process is inside the user namespace (Begin) or brings the
// maps of one, and the spec's root file system is mounted.
func StartInit(o InitOptions) (*Process, error) {
	i := &Process{closeAbstract: o.CloseAbstract}
	var err error
	if i.single, err = o.single(); err != nil {
		return nil, err
	}
	if o.Spec.Linux != nil && o.Spec.Linux.Seccomp != nil {
		if i.filter, err = compile(o.Spec.Linux.Seccomp); err != nil {
			return nil, err
		}
		i.notifies = seccomp.Notifies(o.Spec.Linux.Seccomp)
		trace.Mark("compiled the seccomp filter")
	}
	st := stage{
		name: StageInit, flags: cloneFlags(o.Spec, false), maps: o.Maps, cgroup: o.CgroupFD,
		stdio: [3]*os.File{o.Stdin, o.Stdout, o.Stderr}, extra: o.Listener,
	}
	defer st.closeJoins()
	if err := st.joinPaths(o.Spec); err != nil {
		return nil, err
	}
	st.join(o.NetNS, unix.CLONE_NEWNET)
	st.join(o.IPCNS, unix.CLONE_NEWIPC)
	st.join(o.PIDNS, unix.CLONE_NEWPID)
	if o.PIDNS != nil {
		i.ended = make(chan struct{})
		st.until = i.ended
	}
	// The root of a new cgroup namespace is the cgroup of who makes it: the
	// stage itself, once it is in its own.
	st.flags &^= unix.CLONE_NEWCGROUP
	cfg := Config{
		Spec: specOf(o.Spec), Filter: i.filter, Notifies: i.notifies, NewNetNS: st.flags&unix.CLONE_NEWNET != 0, Single: i.single,
		BindRoot: o.BindRoot, Pause: o.Mounted != nil, BecomeRoot: o.Maps != nil && o.Maps.Has(0, 0) || o.Maps == nil && notRoot(), Joined: st.joinsUser(), Reap: o.Reap,
		CloseAbstract: o.CloseAbstract, Trees: st.take(o.Trees), FindFirst: o.Listener != nil, EndWithParent: o.PIDNS != nil,
	}
	if err := i.launch(st, cfg, o.Mounted); err != nil {
		return nil, err
	}
	return i, nil
}

// notRoot reports whether this process is somebody else than root of its user
// namespace, where there is a root: what it makes for a container is to be root's.
func notRoot() bool {
	if os.Geteuid() == 0 {
		return false
	}
	maps, err := ids.Current()
	return err == nil && maps.Has(0, 0)
}

func (o *InitOptions) single() (bool, error) {
	if o.Maps != nil {
		return o.Maps.Single(), nil
	}
	maps, err := ids.Current()
	return maps.Single(), err
}

var namespaceFlags = map[specs.LinuxNamespaceType]uintptr{
	specs.UserNamespace: unix.CLONE_NEWUSER, specs.PIDNamespace: unix.CLONE_NEWPID, specs.NetworkNamespace: unix.CLONE_NEWNET,
	specs.MountNamespace: unix.CLONE_NEWNS, specs.IPCNamespace: unix.CLONE_NEWIPC, specs.UTSNamespace: unix.CLONE_NEWUTS,
	specs.CgroupNamespace: unix.CLONE_NEWCGROUP,
}

// cloneFlags are the namespaces that the spec makes; with joined also those
// that it joins.
func cloneFlags(s *specs.Spec, joined bool) uintptr {
	var flags uintptr
	for _, n := range s.Linux.Namespaces {
		if n.Path == "" || joined {
			flags |= namespaceFlags[n.Type]
		}
	}
	return flags
}
