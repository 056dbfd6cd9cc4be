// SPDX-License-Identifier: Apache-2.0

package fork

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Join is what one call of setns(2) joins: a namespace, or several of a process.
type Join struct {
	FD    int     // of the namespace, or a pidfd
	Kinds uintptr // CLONE_NEW…
}

// Program is a program to start in namespaces that exist, and in new ones below
// them.
type Program struct {
	Joins []Join     // joined one after the other
	New   uintptr    // the namespaces that it is cloned into then, as flags of clone(2)
	Path  string     // of the executable, as it is called when the namespaces are joined
	Args  []string   // argv
	Env   []string   // nothing else of the caller's environment
	Files []*os.File // its descriptors from 0 on, made blocking; nil: none there
	// Keep leaves it the caller's ids, whatever they are there, with all capabilities:
	// its files are the caller's where root is somebody else, or nobody. Else it is root.
	Keep bool
}

// Start runs the program with all capabilities in the namespaces, in a session of
// its own, and as a child of this process. Without Joins it is forked at once, see
// startBelow.
//
// setns(2) into a user namespace is for processes of one thread only. So it is
// done by a process in the middle, which forks the program as its own sibling
// (CLONE_PARENT), for joining a pid namespace moves children only, and ends.
func (p Program) Start() (*os.Process, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	f := &forked{keep: p.Keep, pipe: -1}
	defer f.close()
	if err = f.prepare(p.Joins, p.New, p.Files, w); err == nil {
		err = f.program(p.Path, p.Args, p.Env)
	}
	if err != nil {
		w.Close()
		return nil, err
	}
	if len(p.Joins) == 0 {
		return f.startBelow(r, w)
	}
	f.flags |= unix.CLONE_PARENT
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
		return nil, fmt.Errorf("enter namespaces: %w", os.NewSyscallError(sayings[rep.what], syscall.Errno(rep.value)))
	}
	if p == nil {
		return nil, errSaidNothing
	}
	return p, nil
}

var errSaidNothing = errors.New("start in namespaces: the process died")

// report is one thing a forked process says.
type report struct{ what, value int32 }

const reportSize = 8

const (
	saidPid = iota
	saidSetns
	saidClone
	saidSetID
	saidCapset
	saidDup
	saidExec
	saidFD
	saidOpenTree
	saidSetattr
)

var sayings = [...]string{
	saidSetns: "setns", saidClone: "clone", saidSetID: "setresuid", saidCapset: "capset", saidDup: "dup3", saidExec: "execve",
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
	joins  [maxJoins]Join
	nJoins int
	flags  uintptr
	fds    [maxFiles]int // copies, out of each other's way; -1: closed
	nFiles int
	pipe   int
	exe    *byte
	argv   []*byte // ends with nil, as does envv
	envv   []*byte
	say    report
	keep   bool
	header unix.CapUserHeader
	caps   [2]unix.CapUserData
}

// copiesFD is where the copies of a stage's descriptors begin: above what they
// are to become.
const copiesFD = maxFiles

func (f *forked) prepare(joins []Join, flags uintptr, files []*os.File, pipe *os.File) (err error) {
	if len(files) > maxFiles || len(joins) > maxJoins {
		return errors.New("join namespaces: too many")
	}
	f.nJoins, f.flags = copy(f.joins[:], joins), flags
	f.header.Version = unix.LINUX_CAPABILITY_VERSION_3
	for i := range f.caps { // the kernel leaves out those that it does not know
		f.caps[i] = unix.CapUserData{Effective: ^uint32(0), Permitted: ^uint32(0), Inheritable: ^uint32(0)}
	}
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
	if f.pipe >= 0 {
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
		if _, _, e := syscall.RawSyscall(unix.SYS_SETNS, uintptr(f.joins[i].FD), f.joins[i].Kinds, 0); e != 0 {
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
	if f.keep {
		f.keepCapabilities()
	} else {
		f.becomeRoot()
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

// becomeRoot makes the stage root of the namespace, who keeps its capabilities
// through execve.
//
//go:nosplit
//go:norace
func (f *forked) becomeRoot() {
	if _, _, e := syscall.RawSyscall(unix.SYS_SETRESGID, 0, 0, 0); e != 0 {
		f.die(saidSetID, e)
	}
	if _, _, e := syscall.RawSyscall(unix.SYS_SETRESUID, 0, 0, 0); e != 0 {
		f.die(saidSetID, e)
	}
}

// keepCapabilities makes all capabilities ambient (capabilities(7), Linux 4.3),
// which anybody keeps.
//
//go:nosplit
//go:norace
func (f *forked) keepCapabilities() {
	if _, _, e := syscall.RawSyscall(unix.SYS_CAPSET, uintptr(unsafe.Pointer(&f.header)), uintptr(unsafe.Pointer(&f.caps[0])), 0); e != 0 {
		f.die(saidCapset, e)
	}
	for c := uintptr(0); c < 64; c++ { // EINVAL: none of this number
		_, _, _ = syscall.RawSyscall6(unix.SYS_PRCTL, unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_RAISE, c, 0, 0, 0)
	}
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
