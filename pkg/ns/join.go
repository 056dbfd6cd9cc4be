// SPDX-License-Identifier: Apache-2.0

package ns

import (
	"fmt"
	"os"
	"strconv"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"coracle/pkg/ids"
	"coracle/pkg/ns/fork"
	"coracle/pkg/ns/seccomp"
)

// JoinOptions describe a process that joins a running container.
type JoinOptions struct {
	Spec                  *specs.Spec    // the container's
	Process               *specs.Process // this process's
	Stdin, Stdout, Stderr *os.File
	CgroupFD              int // as in InitOptions
}

// Join forks a process into the namespaces of the container whose first
// process is first, and returns when it is right before its execve.
func Join(first *Process, o JoinOptions) (*Process, error) {
	pidfd, err := unix.PidfdOpen(first.Process.Pid, 0)
	if err != nil {
		return nil, fmt.Errorf("join container: %w", os.NewSyscallError("pidfd_open", err))
	}
	target := os.NewFile(uintptr(pidfd), "pidfd")
	defer target.Close()
	spec := specOf(o.Spec)
	spec.Process = o.Process
	i := &Process{single: first.single, filter: first.filter, notifies: first.notifies}
	// The mount and cgroup namespaces are for the stage to join: its binary is
	// still to be found in ours, nothing of the container's file system may be
	// executed with our capabilities, and from inside the container's cgroup
	// namespace nobody may be born in its cgroup (nsdelegate).
	kinds := cloneFlags(o.Spec, true) &^ (unix.CLONE_NEWNS | unix.CLONE_NEWUSER | unix.CLONE_NEWCGROUP)
	if first.foreign && !sameUserNS(first.Process.Pid) {
		kinds |= unix.CLONE_NEWUSER
	}
	err = i.launch(stage{
		name: StageExec, joins: []fork.Join{{FD: pidfd, Kinds: kinds}}, extra: target, cgroup: o.CgroupFD,
		stdio: [3]*os.File{o.Stdin, o.Stdout, o.Stderr},
	}, Config{Spec: spec, Filter: i.filter, Notifies: i.notifies, Single: i.single, CloseAbstract: first.closeAbstract, BecomeRoot: !first.foreign && notRoot()}, nil)
	if err != nil {
		return nil, err
	}
	return i, nil
}

// Find returns the first process of a container that another process started,
// for Join.
func Find(pid int, s *specs.Spec) (*Process, error) {
	p, err := os.FindProcess(pid)
	if err != nil {
		return nil, err
	}
	i := &Process{Process: p, HostPid: pid, foreign: true}
	maps, err := ids.Of(pid)
	if err != nil {
		return nil, err
	}
	i.single = maps.Single()
	if s.Linux != nil && s.Linux.Seccomp != nil {
		i.filter, err = compile(s.Linux.Seccomp)
		i.notifies = seccomp.Notifies(s.Linux.Seccomp)
	}
	return i, err
}

func sameUserNS(pid int) bool {
	return sameFile("/proc/"+strconv.Itoa(pid)+"/ns/user", "/proc/self/ns/user")
}

func sameFile(a, b string) bool {
	sa, err := os.Stat(a)
	if err != nil {
		return false
	}
	sb, err := os.Stat(b)
	return err == nil && os.SameFile(sa, sb)
}
