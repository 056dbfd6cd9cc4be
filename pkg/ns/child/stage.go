// SPDX-License-Identifier: Apache-2.0

package child

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"coracle/pkg/hint"
	"coracle/pkg/ns"
	"coracle/pkg/trace"
	"coracle/pkg/wire"
)

// Init is the init stage. It only returns when the program was not executed.
func Init() int { return run(false) }

// Exec is the exec stage.
func Exec() int { return run(true) }

// setup is one process on its way.
type setup struct {
	ns.Config
	sync    *os.File
	console *os.File // the terminal's master, on its way to the parent
	hostPid int
	masks   masker
	self    int    // this program, opened before the root changes; for a reaper
	state   []byte // what hooks are told
}

func run(join bool) int {
	runtime.LockOSThread()
	moments := []trace.Moment{trace.Now("program started")}
	// From here until execve nobody in the container may look into us; but a
	// parent that writes our id maps has to, and there is nobody else as yet.
	if len(os.Args) < 2 || os.Args[1] != ns.Unmapped {
		hide()
	}
	s := &setup{sync: os.NewFile(ns.SyncFD, "sync")}
	// For hooks; the program's execve closes whatever there is.
	_ = unix.CloseRange(ns.SyncFD, ^uint(0), unix.CLOSE_RANGE_CLOEXEC)
	if _, err := wire.Receive(s.sync, &s.Config); err != nil {
		return 1 // the parent is gone: there is nobody to tell
	}
	hide()
	moments = append(moments, trace.Now("read its configuration"))
	// The host's /proc is still there, and knows us by the host's number.
	if link, err := os.Readlink("/proc/self"); err == nil {
		s.hostPid, _ = strconv.Atoi(link)
	}
	steps := s.initSteps()
	if join {
		steps = s.execSteps()
	}
	for _, step := range append(steps, s.processSteps()...) {
		if err := step.do(); err != nil {
			if program := new(noProgramError); errors.As(err, &program) {
				return s.fail(program.error, true)
			}
			return s.fail(fmt.Errorf("%s: %w", step.name, err), false)
		}
		if s.Trace {
			moments = append(moments, trace.Now(step.name))
		}
	}
	ready := ns.Answer{HostPid: s.hostPid}
	if s.Trace {
		ready.Trace = moments
	}
	var console []*os.File
	if s.console != nil {
		console = append(console, s.console)
	}
	if err := wire.Send(s.sync, ready, console...); err != nil {
		return 1
	}
	wire.CloseFiles(console)
	if !s.wait() {
		return 1
	}
	if err := s.hooks("startContainer"); err != nil {
		return s.fail(err, false)
	}
	if s.Reap {
		return s.fail(s.execReaper(), true)
	}
	return s.fail(s.execve(), true)
}

func hide() { _ = unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0) }

// wait waits for the word: from the parent, or, when that says so, from
// whoever connects to the listener.
func (s *setup) wait() bool {
	word := s.word()
	if word == ns.WordPark {
		s.sync.Close()
		conn, _, err := unix.Accept4(ns.ListenFD, unix.SOCK_CLOEXEC)
		for errors.Is(err, unix.EINTR) {
			conn, _, err = unix.Accept4(ns.ListenFD, unix.SOCK_CLOEXEC)
		}
		if err != nil {
			return false
		}
		unix.Close(ns.ListenFD)
		s.sync = os.NewFile(uintptr(conn), "sync")
		word = s.word()
	}
	return word == ns.WordRelease
}

func (s *setup) word() byte {
	var b [1]byte
	_, _ = s.sync.Read(b[:]) // nothing is no word
	return b[0]
}

// step is one line of the list in the package comment.
type step struct {
	name string
	do   func() error
}

func (s *setup) execSteps() []step {
	return []step{
		{"join mount namespace", s.joinMounts},
		{"become root", s.becomeRoot},
		{"open terminal", s.openTerminal},
	}
}

// joinMounts enters the container's mount and cgroup namespaces. The file system
// attributes of this thread must be its own for that (setns(2)).
func (s *setup) joinMounts() error {
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return os.NewSyscallError("unshare", err)
	}
	kinds := unix.CLONE_NEWNS
	if hasNamespace(&s.Spec.Linux, specs.CgroupNamespace) {
		kinds |= unix.CLONE_NEWCGROUP
	}
	if err := unix.Setns(ns.PidfdFD, kinds); err != nil {
		return os.NewSyscallError("setns", err)
	}
	return unix.Close(ns.PidfdFD)
}

func (s *setup) fail(err error, exec bool) int {
	a := ns.Answer{HostPid: s.hostPid, Error: err.Error(), Exec: exec}
	var errno syscall.Errno
	if errors.As(err, &errno) {
		a.Errno = int(errno)
	}
	a.Hint = hint.Of(err)
	_ = wire.Send(s.sync, a)
	return 1
}

// execve finds the program in the container's PATH and becomes it. The texts
// are those that users of other engines search the web for.
func (s *setup) execve() error {
	p := s.Spec.Process
	if len(p.Args) == 0 {
		return errors.New("no process to run was given")
	}
	path, err := lookPath(p.Args[0], p.Env)
	if err != nil {
		return err
	}
	// Whatever is open besides the three is closed by the execve.
	_ = unix.CloseRange(3, ^uint(0), unix.CLOSE_RANGE_CLOEXEC)
	err = syscall.Exec(path, p.Args, p.Env)
	return fmt.Errorf("exec %s: %w", path, err)
}

// noProgramError is why there is no program to execute.
type noProgramError struct{ error }

// findProgram looks for the program where that is to be said before the word. It is done
// before the filter is there: who answers for it may be told of it with the answer.
func (s *setup) findProgram() error {
	p := s.Spec.Process
	if !s.FindFirst || len(p.Args) == 0 {
		return nil
	}
	if _, err := lookPath(p.Args[0], p.Env); err != nil {
		return &noProgramError{err}
	}
	return nil
}

func lookPath(name string, env []string) (string, error) {
	if strings.Contains(name, "/") {
		return name, executable(name)
	}
	var denied error
	for _, kv := range env {
		list, ok := strings.CutPrefix(kv, "PATH=")
		if !ok {
			continue
		}
		for _, dir := range strings.Split(list, ":") {
			if dir == "" {
				dir = "."
			}
			path := dir + "/" + name
			err := executable(path)
			if err == nil {
				return path, nil
			}
			if errors.Is(err, unix.EACCES) && denied == nil {
				denied = err
			}
		}
		break
	}
	if denied != nil {
		return "", denied
	}
	return "", &notFound{name}
}

type notFound struct{ name string }

func (e *notFound) Error() string {
	return fmt.Sprintf("exec: %q: executable file not found in $PATH", e.name)
}
func (e *notFound) Unwrap() error { return unix.ENOENT }

// executable reports why path cannot be executed: what is missing is left to
// the caller's next try, what is there but no program is EACCES.
func executable(path string) error {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return fmt.Errorf("exec: %q: stat %s: %w", path, path, err)
	}
	switch {
	case st.Mode&unix.S_IFMT == unix.S_IFDIR:
		return fmt.Errorf("exec: %q: is a directory: %w", path, unix.EACCES)
	case unix.Faccessat(unix.AT_FDCWD, path, unix.X_OK, unix.AT_EACCESS) != nil:
		return fmt.Errorf("exec: %q: %w", path, unix.EACCES)
	}
	return nil
}
