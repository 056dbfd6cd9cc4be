// SPDX-License-Identifier: Apache-2.0

package ns

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"syscall"
	"unsafe"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"coracle/pkg/ns/seccomp"
)

// InitOptions describe the first process of a container.
type InitOptions struct {
	Spec *specs.Spec
	// NetNS is joined; nil makes a new one if the spec asks for a network
	// namespace and leaves the host's otherwise.
	NetNS                 *os.File
	Stdin, Stdout, Stderr *os.File // nil with a terminal
	CgroupFD              int      // directory of a cgroup2 to be born in; -1: none
	Reap                  bool     // keep a pid 1 beside the program, see Config
}

// Init is a process in a container: set up and waiting, then running.
type Init struct {
	Process *os.Process
	HostPid int      // as the host's /proc shows it
	Console *os.File // master of the process's terminal, the caller's to close
	sync    *os.File
	single  bool
	filter  []byte
}

// StartInit forks the first process of a container in new namespaces and
// returns when it is right before its execve.
//
// Preconditions: the process is inside the user namespace (Join), and the
// spec's root file system is mounted.
func StartInit(o InitOptions) (*Init, error) {
	maps, err := CurrentMaps()
	if err != nil {
		return nil, err
	}
	i := &Init{single: maps.Single()}
	if o.Spec.Linux != nil && o.Spec.Linux.Seccomp != nil {
		if i.filter, err = compile(o.Spec.Linux.Seccomp); err != nil {
			return nil, err
		}
	}
	flags := cloneFlags(o.Spec)
	if o.NetNS != nil {
		flags &^= unix.CLONE_NEWNET
	}
	// The root of a new cgroup namespace is the cgroup of who makes it: the
	// stage itself, once it is in its own.
	flags &^= unix.CLONE_NEWCGROUP
	cfg := Config{Spec: o.Spec, Filter: i.filter, NewNetNS: flags&unix.CLONE_NEWNET != 0, Single: i.single, Reap: o.Reap}
	err = i.launch(stage{
		name: StageInit, flags: flags, netns: o.NetNS, cgroup: o.CgroupFD,
		stdio: [3]*os.File{o.Stdin, o.Stdout, o.Stderr},
	}, cfg)
	if err != nil {
		return nil, err
	}
	return i, nil
}

func cloneFlags(s *specs.Spec) uintptr {
	var flags uintptr
	for _, n := range s.Linux.Namespaces {
		switch n.Type {
		case specs.PIDNamespace:
			flags |= unix.CLONE_NEWPID
		case specs.NetworkNamespace:
			flags |= unix.CLONE_NEWNET
		case specs.MountNamespace:
			flags |= unix.CLONE_NEWNS
		case specs.IPCNamespace:
			flags |= unix.CLONE_NEWIPC
		case specs.UTSNamespace:
			flags |= unix.CLONE_NEWUTS
		case specs.CgroupNamespace:
			flags |= unix.CLONE_NEWCGROUP
		}
	}
	return flags
}

// ExecOptions describe a process that joins a running container.
type ExecOptions struct {
	Spec                  *specs.Spec    // the container's
	Process               *specs.Process // this process's
	Stdin, Stdout, Stderr *os.File
	CgroupFD              int // as in InitOptions
}

// Exec forks a process into the namespaces of the container whose first
// process is first, and returns when it is right before its execve.
func Exec(first *Init, o ExecOptions) (*Init, error) {
	pidfd, err := unix.PidfdOpen(first.Process.Pid, 0)
	if err != nil {
		return nil, fmt.Errorf("join container: %w", os.NewSyscallError("pidfd_open", err))
	}
	target := os.NewFile(uintptr(pidfd), "pidfd")
	defer target.Close()
	s := *o.Spec
	s.Process = o.Process
	i := &Init{single: first.single, filter: first.filter}
	// The mount namespace and the cgroup namespace are for the stage to join:
	// the program is still to be found in ours, and from inside the container's
	// cgroup namespace nobody may be born in its cgroup (nsdelegate).
	join := cloneFlags(o.Spec) &^ (unix.CLONE_NEWNS | unix.CLONE_NEWCGROUP)
	// A network namespace that was joined, not made, is not in the flags.
	if o.Spec.Linux != nil && hasNetwork(o.Spec) {
		join |= unix.CLONE_NEWNET
	}
	err = i.launch(stage{
		name: StageExec, join: join, target: target, cgroup: o.CgroupFD,
		stdio: [3]*os.File{o.Stdin, o.Stdout, o.Stderr},
	}, Config{Spec: &s, Filter: i.filter, Single: i.single})
	if err != nil {
		return nil, err
	}
	return i, nil
}

func hasNetwork(s *specs.Spec) bool {
	for _, n := range s.Linux.Namespaces {
		if n.Type == specs.NetworkNamespace {
			return true
		}
	}
	return false
}

func compile(p *specs.LinuxSeccomp) ([]byte, error) {
	prog, err := seccomp.Compile(p)
	if err != nil {
		return nil, fmt.Errorf("compile seccomp profile: %w", err)
	}
	size := len(prog) * int(unsafe.Sizeof(unix.SockFilter{}))
	return unsafe.Slice((*byte)(unsafe.Pointer(&prog[0])), size), nil
}

// stage is how an init or exec stage is forked.
type stage struct {
	name   string
	flags  uintptr // namespaces to clone into
	join   uintptr // namespaces of target to join first
	target *os.File
	netns  *os.File
	cgroup int
	stdio  [3]*os.File
}

// launch forks the stage, configures it and waits until it is ready.
func (i *Init) launch(s stage, cfg Config) (err error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socketpair", err)
	}
	i.sync = os.NewFile(uintptr(pair[0]), "sync")
	theirs := os.NewFile(uintptr(pair[1]), "sync")
	i.Process, err = s.fork(theirs)
	theirs.Close()
	if err != nil {
		i.sync.Close()
		return fmt.Errorf("start %s: %w", s.name, err)
	}
	if err := i.configure(cfg); err != nil {
		i.sync.Close()
		_ = i.Process.Kill()
		_, _ = i.Process.Wait()
		return err
	}
	return nil
}

func (i *Init) configure(cfg Config) error {
	if err := WriteMessage(i.sync, cfg, nil); err != nil {
		return fmt.Errorf("configure container: %w", err)
	}
	var a Answer
	console, err := ReadMessage(i.sync, &a)
	if errors.Is(err, io.EOF) {
		return errors.New("set up container: the process died")
	}
	if err != nil {
		return fmt.Errorf("set up container: %w", err)
	}
	i.Console, i.HostPid = console, a.HostPid
	return a.err()
}

// fork starts the stage from a thread that has joined what is to be joined,
// and throws the thread away: a goroutine that ends locked takes its thread
// with it.
func (s stage) fork(sync *os.File) (*os.Process, error) {
	exe, err := sealedSelf()
	if err != nil {
		return nil, err
	}
	if s.netns == nil && s.join == 0 {
		return s.forkHere(exe, sync)
	}
	type result struct {
		p   *os.Process
		err error
	}
	done := make(chan result, 1)
	go func() {
		runtime.LockOSThread()
		if err := s.enter(); err != nil {
			done <- result{nil, err}
			return
		}
		p, err := s.forkHere(exe, sync)
		done <- result{p, err}
	}()
	r := <-done
	return r.p, r.err
}

// enter joins namespaces on the current thread. The mount namespace is not
// among them: the stage's binary is still to be found in ours, and nothing of
// the container's file system may be executed with our capabilities.
func (s stage) enter() error {
	if s.netns != nil {
		if err := unix.Setns(int(s.netns.Fd()), unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("join network namespace: %w", os.NewSyscallError("setns", err))
		}
	}
	if s.join != 0 {
		if err := unix.Setns(int(s.target.Fd()), int(s.join)); err != nil {
			return fmt.Errorf("join namespaces: %w", os.NewSyscallError("setns", err))
		}
	}
	return nil
}

func (s stage) forkHere(exe string, sync *os.File) (*os.Process, error) {
	files := append(s.stdio[:len(s.stdio):len(s.stdio)], sync)
	if s.target != nil {
		files = append(files, s.target)
	}
	attr := &os.ProcAttr{
		Env:   []string{}, // nothing of ours reaches a container, not even through /proc
		Files: files,
		Sys:   &syscall.SysProcAttr{Cloneflags: s.flags, Setsid: true},
	}
	if s.cgroup >= 0 {
		attr.Sys.UseCgroupFD, attr.Sys.CgroupFD = true, s.cgroup
	}
	return os.StartProcess(exe, []string{s.name}, attr)
}

// Exec lets the process execute its program. The error is an *ExecError when
// that was not possible.
func (i *Init) Exec() error {
	defer i.sync.Close()
	if _, err := i.sync.Write([]byte{1}); err != nil {
		return fmt.Errorf("release container: %w", err)
	}
	var a Answer
	_, err := ReadMessage(i.sync, &a)
	switch {
	case errors.Is(err, io.EOF):
		return nil // the descriptor was closed by execve
	case err != nil:
		return fmt.Errorf("release container: %w", err)
	}
	return a.err()
}

// Wait reaps the process.
func (i *Init) Wait() (syscall.WaitStatus, error) {
	st, err := i.Process.Wait()
	if err != nil {
		return 0, err
	}
	ws, ok := st.Sys().(syscall.WaitStatus)
	if !ok {
		return 0, errors.New("wait for process: unexpected status")
	}
	return ws, nil
}
