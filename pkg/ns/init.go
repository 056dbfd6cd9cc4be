// SPDX-License-Identifier: Apache-2.0

package ns

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"unsafe"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"coracle/pkg/ids"
	"coracle/pkg/ns/seccomp"
	"coracle/pkg/trace"
	"coracle/pkg/wire"
)

// InitOptions describe the first process of a container.
type InitOptions struct {
	Spec *specs.Spec
	// NetNS is joined; nil makes a new one if the spec asks for a network
	// namespace and leaves the host's otherwise.
	NetNS                 *os.File
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
	Listener *os.File
	// Mounted is called when the mounts are made and the root is not yet the
	// root. What it returns is the state that hooks inside are told.
	Mounted func(pid int) (state []byte, err error)
}

// Init is a process in a container: set up and waiting, then running.
type Init struct {
	Process *os.Process
	HostPid int      // as the host's /proc shows it
	Console *os.File // master of the process's terminal, the caller's to close
	// Listener is where the calls arrive that the filter hands over
	// (seccomp_unotify(2)), the caller's to serve and to close; nil when it
	// hands over none.
	Listener *os.File

	sync     *os.File
	single   bool
	filter   []byte
	notifies bool
	foreign  bool // started by another process, perhaps in another user namespace

	closeAbstract bool
}

// StartInit forks the first process of a container in new namespaces and
// returns when it is right before its execve.
//
// Preconditions: the process is inside the user namespace (Join) or brings the
// maps of one, and the spec's root file system is mounted.
func StartInit(o InitOptions) (*Init, error) {
	i := &Init{closeAbstract: o.CloseAbstract}
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
	if o.NetNS != nil {
		st.flags &^= unix.CLONE_NEWNET
		st.joins = append(st.joins, join{fd: int(o.NetNS.Fd()), kinds: unix.CLONE_NEWNET})
	}
	// The root of a new cgroup namespace is the cgroup of who makes it: the
	// stage itself, once it is in its own.
	st.flags &^= unix.CLONE_NEWCGROUP
	cfg := Config{
		Spec: specOf(o.Spec), Filter: i.filter, Notifies: i.notifies, NewNetNS: st.flags&unix.CLONE_NEWNET != 0, Single: i.single,
		BindRoot: o.BindRoot, Pause: o.Mounted != nil, BecomeRoot: o.Maps != nil && o.Maps.Has(0, 0), Joined: st.joinsUser(), Reap: o.Reap,
		CloseAbstract: o.CloseAbstract, Trees: st.take(o.Trees),
	}
	if err := i.launch(st, cfg, o.Mounted); err != nil {
		return nil, err
	}
	return i, nil
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
	spec := specOf(o.Spec)
	spec.Process = o.Process
	i := &Init{single: first.single, filter: first.filter, notifies: first.notifies}
	// The mount and cgroup namespaces are for the stage to join: its binary is
	// still to be found in ours, nothing of the container's file system may be
	// executed with our capabilities, and from inside the container's cgroup
	// namespace nobody may be born in its cgroup (nsdelegate).
	kinds := cloneFlags(o.Spec, true) &^ (unix.CLONE_NEWNS | unix.CLONE_NEWUSER | unix.CLONE_NEWCGROUP)
	if first.foreign && !sameUserNS(first.Process.Pid) {
		kinds |= unix.CLONE_NEWUSER
	}
	err = i.launch(stage{
		name: StageExec, joins: []join{{fd: pidfd, kinds: kinds}}, extra: target, cgroup: o.CgroupFD,
		stdio: [3]*os.File{o.Stdin, o.Stdout, o.Stderr},
	}, Config{Spec: spec, Filter: i.filter, Notifies: i.notifies, Single: i.single, CloseAbstract: first.closeAbstract}, nil)
	if err != nil {
		return nil, err
	}
	return i, nil
}

func compile(p *specs.LinuxSeccomp) ([]byte, error) {
	prog, err := seccomp.Compile(p)
	if err != nil {
		return nil, fmt.Errorf("compile seccomp profile: %w", err)
	}
	size := len(prog) * int(unsafe.Sizeof(unix.SockFilter{}))
	return unsafe.Slice((*byte)(unsafe.Pointer(&prog[0])), size), nil
}

// launch forks the stage, configures it and waits until it is ready.
func (i *Init) launch(s stage, cfg Config, mounted func(int) ([]byte, error)) (err error) {
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
	if s.maps != nil {
		err = s.maps.Give(i.Process.Pid)
	}
	if err == nil {
		err = i.configure(cfg, mounted)
	}
	if err != nil {
		i.Abandon()
	}
	return err
}

// Abandon kills and reaps a process that is not to run.
func (i *Init) Abandon() {
	i.sync.Close()
	for _, f := range []*os.File{i.Console, i.Listener} {
		if f != nil {
			f.Close()
		}
	}
	_ = i.Process.Kill()
	_, _ = i.Process.Wait()
}

func (i *Init) configure(cfg Config, mounted func(int) ([]byte, error)) error {
	trace.Mark("forked the stage")
	cfg.Trace = trace.On()
	err := wire.Send(i.sync, cfg)
	if errors.Is(err, unix.EPIPE) {
		return &diedError{"configure container"}
	}
	if err != nil {
		return fmt.Errorf("configure container: %w", err)
	}
	if _, err := i.answer(); err != nil || !cfg.Pause {
		return err
	}
	state, err := mounted(i.Process.Pid)
	if err != nil {
		return err
	}
	if err := wire.Send(i.sync, Resume{State: state}); err != nil {
		return fmt.Errorf("configure container: %w", err)
	}
	_, err = i.answer()
	return err
}

func (i *Init) answer() (Answer, error) {
	var a Answer
	files, err := wire.Receive(i.sync, &a)
	if errors.Is(err, io.EOF) || errors.Is(err, unix.ECONNRESET) {
		return a, &diedError{"set up container"}
	}
	if err != nil {
		return a, fmt.Errorf("set up container: %w", err)
	}
	var file *os.File
	if len(files) > 0 {
		file = files[0] // there is at most one
		wire.CloseFiles(files[1:])
	}
	if a.Listener {
		i.Listener = file
		return i.answer()
	}
	trace.Report(StageInit, a.Trace)
	i.Console, i.HostPid = file, a.HostPid
	return a, a.err()
}

// Exec lets the process execute its program. The error is an *ExecError when
// that was not possible.
func (i *Init) Exec() error {
	defer i.sync.Close()
	return Release(i.sync)
}

// The words that let a stage go on: at once, or when somebody says so at its
// listener.
const (
	WordExec = 1
	WordPark = 2
)

// Park lets the process wait for its word at the listener, also when this
// process is gone.
func (i *Init) Park() error {
	defer i.sync.Close()
	if _, err := i.sync.Write([]byte{WordPark}); err != nil {
		return fmt.Errorf("park container: %w", err)
	}
	return nil
}

// Release gives a process its word by a connection to it, and is Exec but for
// that.
func Release(conn wire.Socket) error {
	if _, err := conn.Write([]byte{WordExec}); err != nil {
		return fmt.Errorf("release container: %w", err)
	}
	var a Answer
	files, err := wire.Receive(conn, &a)
	wire.CloseFiles(files)
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
