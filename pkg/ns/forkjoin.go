// SPDX-License-Identifier: Apache-2.0

package ns

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"syscall"
	"unsafe"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"coracle/pkg/ids"
)

// Find returns the first process of a container that another process started,
// for Exec.
func Find(pid int, s *specs.Spec) (*Init, error) {
	p, err := os.FindProcess(pid)
	if err != nil {
		return nil, err
	}
	i := &Init{Process: p, HostPid: pid, foreign: true}
	maps, err := ids.Of(pid)
	if err != nil {
		return nil, err
	}
	i.single = maps.Single()
	if s.Linux != nil && s.Linux.Seccomp != nil {
		i.filter, err = compile(s.Linux.Seccomp)
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

// forkJoined starts the stage in a user namespace that exists. setns(2) allows
// that to processes of one thread only, so it is done by a process that is
// forked without anything of Go running in it; it forks the stage as its
// sibling, for joining a pid namespace moves children only, and ends.
func (s *stage) forkJoined(files []*os.File) (*os.Process, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	var f forked
	defer f.close()
	if err := f.prepare(s.joins, s.flags, files, w); err != nil {
		w.Close()
		return nil, err
	}
	if err := f.program(program(files), []string{s.name}, nil); err != nil {
		w.Close()
		return nil, err
	}
	return f.run(r, w)
}

// startAround starts the stage in the user namespace s.Around.
func (s Spawn) startAround(files []*os.File, args []string) (*os.Process, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	flags := uintptr(unix.CLONE_NEWNS)
	if s.NewPID {
		flags |= unix.CLONE_NEWPID
	}
	var f forked
	defer f.close()
	err = f.prepare([]join{{int(s.Around.Fd()), unix.CLONE_NEWUSER}}, flags, files, w)
	if err == nil {
		err = f.program("/proc/self/exe", args, s.Env)
	}
	if err != nil {
		w.Close()
		return nil, err
	}
	return f.run(r, w)
}

// run forks, and waits for the word of the two processes.
func (f *forked) run(r, w *os.File) (*os.Process, error) {
	syscall.ForkLock.Lock()
	middle, errno := f.fork()
	syscall.ForkLock.Unlock()
	w.Close()
	f.close()
	if errno != 0 {
		return nil, os.NewSyscallError("clone", errno)
	}
	var status unix.WaitStatus
	for {
		if _, err := unix.Wait4(middle, &status, 0, nil); !errors.Is(err, unix.EINTR) {
			break
		}
	}
	return f.result(r)
}

// result reads what the two processes said: the pid, then what went wrong.
func (f *forked) result(r *os.File) (*os.Process, error) {
	said, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	var p *os.Process
	for ; len(said) >= reportSize; said = said[reportSize:] {
		rep := *(*report)(unsafe.Pointer(&said[0]))
		if rep.what == saidPid {
			if p, err = os.FindProcess(int(rep.value)); err != nil {
				return nil, err
			}
			continue
		}
		if p != nil {
			_, _ = p.Wait()
		}
		return nil, fmt.Errorf("join namespaces: %w", os.NewSyscallError(sayings[rep.what], syscall.Errno(rep.value)))
	}
	if p == nil {
		return nil, errors.New("join namespaces: the process died")
	}
	return p, nil
}

// report is one thing a forked process says.
type report struct{ what, value int32 }

const reportSize = 8

const (
	saidPid = iota
	saidSetns
	saidClone
	saidSetID
	saidDup
	saidExec
	saidFD
	saidOpenTree
	saidSetattr
)

var sayings = [...]string{
	saidSetns: "setns", saidClone: "clone", saidSetID: "setresuid", saidDup: "dup3", saidExec: "execve",
	saidOpenTree: "open_tree", saidSetattr: "mount_setattr",
}

// maxFiles bounds the descriptors of a stage, maxJoins what it joins.
const (
	maxFiles = 8
	maxJoins = 8
)

// forked is all that the forked processes look at, laid out beforehand: they
// must not allocate, grow a stack or take a lock.
type forked struct {
	joins  [maxJoins]join
	nJoins int
	flags  uintptr
	fds    [maxFiles]int // copies, out of each other's way; -1: closed
	nFiles int
	pipe   int
	exe    *byte
	argv   []*byte // ends with nil, as does envv
	envv   []*byte
	say    report
}

// copiesFD is where the copies of a stage's descriptors begin: above what they
// are to become.
const copiesFD = maxFiles

func (f *forked) prepare(joins []join, flags uintptr, files []*os.File, pipe *os.File) (err error) {
	if len(files) > maxFiles || len(joins) > maxJoins {
		return errors.New("join namespaces: too many")
	}
	f.nJoins, f.flags, f.pipe = copy(f.joins[:], joins), flags|unix.CLONE_PARENT, -1
	for i := range f.fds {
		f.fds[i] = -1
	}
	for i, file := range files {
		f.nFiles = i + 1
		if file == nil {
			continue
		}
		// Fd, and not package descriptor: the stage's files are to block.
		if f.fds[i], err = unix.FcntlInt(file.Fd(), unix.F_DUPFD_CLOEXEC, copiesFD); err != nil {
			return os.NewSyscallError("fcntl F_DUPFD_CLOEXEC", err)
		}
	}
	if f.pipe, err = unix.FcntlInt(pipe.Fd(), unix.F_DUPFD_CLOEXEC, copiesFD); err != nil {
		return os.NewSyscallError("fcntl F_DUPFD_CLOEXEC", err)
	}
	return nil
}

// program says what the stage executes.
func (f *forked) program(path string, args, env []string) (err error) {
	if f.exe, err = unix.BytePtrFromString(path); err != nil {
		return err
	}
	if f.argv, err = syscall.SlicePtrFromStrings(args); err != nil {
		return err
	}
	f.envv, err = syscall.SlicePtrFromStrings(env)
	return err
}

func (f *forked) close() {
	for i, fd := range f.fds[:f.nFiles] {
		if fd >= 0 {
			unix.Close(fd)
			f.fds[i] = -1
		}
	}
	if f.nFiles > 0 && f.pipe >= 0 {
		unix.Close(f.pipe)
		f.pipe = -1
	}
}

// What package syscall tells the scheduler around a fork.
//
//go:linkname beforeFork syscall.runtime_BeforeFork
func beforeFork()

//go:linkname afterFork syscall.runtime_AfterFork
func afterFork()

//go:linkname afterForkInChild syscall.runtime_AfterForkInChild
func afterForkInChild()

// fork returns the pid of the process in the middle. In that process and in
// the stage it does not return.
//
//go:noinline
//go:norace
func (f *forked) fork() (pid int, errno syscall.Errno) {
	beforeFork()
	r, _, errno := syscall.RawSyscall6(syscall.SYS_CLONE, uintptr(syscall.SIGCHLD), 0, 0, 0, 0, 0)
	if r != 0 || errno != 0 {
		afterFork()
		return int(r), errno
	}
	afterForkInChild()
	for i := 0; i < f.nJoins; i++ {
		if _, _, e := syscall.RawSyscall(unix.SYS_SETNS, uintptr(f.joins[i].fd), f.joins[i].kinds, 0); e != 0 {
			f.die(saidSetns, e)
		}
	}
	r, _, errno = syscall.RawSyscall6(syscall.SYS_CLONE, f.flags|uintptr(syscall.SIGCHLD), 0, 0, 0, 0, 0)
	if errno != 0 {
		f.die(saidClone, errno)
	}
	if r != 0 {
		f.die(saidPid, syscall.Errno(r))
	}
	f.become()
	return 0, 0
}

// become is the stage's side.
//
//go:nosplit
//go:norace
func (f *forked) become() {
	// Root of the namespace keeps its capabilities through execve.
	if _, _, e := syscall.RawSyscall(unix.SYS_SETRESGID, 0, 0, 0); e != 0 {
		f.die(saidSetID, e)
	}
	if _, _, e := syscall.RawSyscall(unix.SYS_SETRESUID, 0, 0, 0); e != 0 {
		f.die(saidSetID, e)
	}
	_, _, _ = syscall.RawSyscall(unix.SYS_SETSID, 0, 0, 0)
	for i := 0; i < f.nFiles; i++ {
		if f.fds[i] < 0 {
			_, _, _ = syscall.RawSyscall(unix.SYS_CLOSE, uintptr(i), 0, 0)
			continue
		}
		if _, _, e := syscall.RawSyscall(unix.SYS_DUP3, uintptr(f.fds[i]), uintptr(i), 0); e != 0 {
			f.die(saidDup, e)
		}
	}
	_, _, e := syscall.RawSyscall(unix.SYS_EXECVE, uintptr(unsafe.Pointer(f.exe)), uintptr(unsafe.Pointer(&f.argv[0])), uintptr(unsafe.Pointer(&f.envv[0])))
	f.die(saidExec, e)
}

// die says why, and ends the process.
//
//go:nosplit
//go:norace
func (f *forked) die(what int32, value syscall.Errno) {
	f.say.what, f.say.value = what, int32(value)
	_, _, _ = syscall.RawSyscall(unix.SYS_WRITE, uintptr(f.pipe), uintptr(unsafe.Pointer(&f.say)), reportSize)
	for {
		_, _, _ = syscall.RawSyscall(unix.SYS_EXIT_GROUP, 0, 0, 0)
	}
}
