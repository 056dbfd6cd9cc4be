// SPDX-License-Identifier: Apache-2.0

package ns

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"coracle/pkg/ids"
	"coracle/pkg/ns/fork"
)

// Spawn describes a stage in a new mount namespace, and a new user namespace or
// one that exists.
type Spawn struct {
	Stage                 string
	Args                  []string
	Env                   []string // nil: the caller's
	Files                 []*os.File
	Stdin, Stdout, Stderr *os.File
	NewPID                bool // and a new pid namespace, of which the stage is the init
	Setsid                bool
	// DieWithParent kills the stage when the calling thread ends: the caller
	// locks its goroutine to a thread that lives on.
	DieWithParent bool
	Maps          *ids.Maps
	// Around is the user namespace to be in. Nil makes one with the Maps; with
	// one, Setsid is implied and DieWithParent is not possible.
	Around *os.File
	// OrConfined starts the stage without namespaces of its own where there are none
	// to be had, see Confined.
	OrConfined bool
}

// Start runs the stage and returns once its id maps are written. Files are its
// descriptors 3 and up; where one is nil there is none.
func (s Spawn) Start() (*os.Process, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	defer w.Close()
	sync := 3 + len(s.Files)
	files := append(append([]*os.File{s.Stdin, s.Stdout, s.Stderr}, s.Files...), r)
	args := append([]string{s.Stage, strconv.Itoa(sync)}, s.Args...)
	if s.Around != nil {
		namespaces := uintptr(unix.CLONE_NEWNS)
		if s.NewPID {
			namespaces |= unix.CLONE_NEWPID
		}
		p, err := fork.Program{
			Joins: []fork.Join{{FD: int(s.Around.Fd()), Kinds: unix.CLONE_NEWUSER}}, New: namespaces,
			Path: "/proc/self/exe", Args: args, Env: s.Env, Files: files, Keep: true,
		}.Start()
		if err != nil {
			return nil, err
		}
		return p, s.release(p, w)
	}
	attr := &os.ProcAttr{
		Env:   s.Env,
		Files: files,
		Sys: &syscall.SysProcAttr{
			Cloneflags: unix.CLONE_NEWUSER | unix.CLONE_NEWNS,
			// Ambient capabilities survive an execve with an unmapped uid.
			AmbientCaps: allCapabilities(),
			Setsid:      s.Setsid,
		},
	}
	if s.NewPID {
		attr.Sys.Cloneflags |= unix.CLONE_NEWPID
	}
	if s.DieWithParent {
		attr.Sys.Pdeathsig = unix.SIGKILL
	}
	p, err := s.below(args, attr)
	if s.OrConfined && noNamespaces(err) {
		return s.startConfined(args, attr, w)
	}
	if err != nil {
		return nil, explainUserNS(fmt.Errorf("create user namespace: %w", err))
	}
	if err := s.Maps.Write(p.Pid); err != nil {
		_ = p.Kill()
		_, _ = p.Wait()
		if s.OrConfined && errors.Is(err, unix.EPERM) && lacksSetfcap() {
			return s.startConfined(args, attr, w)
		}
		return nil, explainMaps(fmt.Errorf("map ids: %w", err))
	}
	return p, s.release(p, w)
}

// below starts the stage in its new namespaces.
func (s Spawn) below(args []string, attr *os.ProcAttr) (*os.Process, error) {
	if s.DieWithParent || !s.Setsid {
		return os.StartProcess("/proc/self/exe", args, attr)
	}
	env := s.Env
	if env == nil {
		env = os.Environ()
	}
	return fork.Program{New: attr.Sys.Cloneflags, Path: "/proc/self/exe", Args: args, Env: env, Files: attr.Files, Keep: true}.Start()
}

// startConfined starts the stage as it is, without namespaces.
func (s Spawn) startConfined(args []string, attr *os.ProcAttr, w *os.File) (*os.Process, error) {
	mark := aloneMark
	if mayChroot() {
		mark = confinedMark
	}
	args[1] += " " + mark
	attr.Sys.Cloneflags, attr.Sys.AmbientCaps = 0, nil
	p, err := os.StartProcess("/proc/self/exe", args, attr)
	if err != nil {
		return nil, explainFork(fmt.Errorf("start %s: %w", s.Stage, err))
	}
	return p, s.release(p, w)
}

// release tells the stage to go on.
func (s Spawn) release(p *os.Process, w *os.File) error {
	if _, err := w.Write([]byte{1}); err != nil {
		_ = p.Kill()
		_, _ = p.Wait()
		return fmt.Errorf("release %s: %w", s.Stage, err)
	}
	return nil
}

func allCapabilities() []uintptr {
	caps := make([]uintptr, lastCapability()+1)
	for i := range caps {
		caps[i] = uintptr(i)
	}
	return caps
}

// lastCapability is the highest capability of the running kernel, which may
// know fewer than this program: raising one it does not know is an error.
func lastCapability() int {
	n := unix.CAP_LAST_CAP
	for n > 0 {
		if ok, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, uintptr(n), 0, 0, 0); err == nil && ok >= 0 {
			break
		}
		n--
	}
	return n
}

// Begin completes a Spawn inside the stage: it is the first thing a stage does,
// and returns the stage's arguments. Afterwards the process is uid 0 of its
// user namespace with every capability in it, and mounts made on the host
// still arrive, but none leaves.
func Begin() ([]string, error) {
	if len(os.Args) < 2 {
		return nil, errors.New("begin stage: not spawned by coracle")
	}
	number, mark, _ := strings.Cut(os.Args[1], " ")
	confined = mark != ""
	fd, err := strconv.Atoi(number)
	if err != nil || fd < 3 {
		return nil, errors.New("begin stage: not spawned by coracle")
	}
	sync := os.NewFile(uintptr(fd), "sync")
	var b [1]byte
	if n, err := sync.Read(b[:]); n != 1 {
		return nil, fmt.Errorf("begin stage: the parent is gone: %w", err)
	}
	sync.Close()
	if confined {
		err := shedMounting()
		if err == nil && mark == aloneMark {
			ids.BeAlone()
			err = giveNothingAway()
		}
		if err != nil {
			return nil, fmt.Errorf("begin stage: %w", err)
		}
		inside = true
		return os.Args[2:], nil
	}
	if err := unix.Mount("", "/", "", unix.MS_SLAVE|unix.MS_REC, ""); err != nil {
		return nil, explainFilter(fmt.Errorf("begin stage: make / a slave: %w", os.NewSyscallError("mount", err)))
	}
	// No core dump and no ptrace by what runs in the container: both would
	// show the host's memory.
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return nil, fmt.Errorf("begin stage: %w", os.NewSyscallError("prctl", err))
	}
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		return nil, fmt.Errorf("begin stage: %w", os.NewSyscallError("setrlimit", err))
	}
	inside = true
	return os.Args[2:], nil
}

var inside bool

// Inside reports whether this process is a stage that has begun in a user namespace,
// or is confined.
func Inside() bool { return inside }
