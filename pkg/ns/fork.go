// SPDX-License-Identifier: Apache-2.0

package ns

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"syscall"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"coracle/pkg/ids"
	"coracle/pkg/ns/fork"
)

// stage is how an init or exec stage is forked.
type stage struct {
	name   string
	flags  uintptr     // namespaces to clone into
	joins  []fork.Join // namespaces to join first, in this order
	opened []*os.File
	maps   *ids.Maps  // of the user namespace that is cloned into
	extra  *os.File   // the descriptor after the sync socket
	trees  []*os.File // those after it
	cgroup int
	until  <-chan struct{} // nil, or how long the thread that has joined is kept
	stdio  [3]*os.File
}

// joinPaths opens the namespaces that the spec names by path: the user
// namespace first, for it is the one that allows the others.
func (s *stage) joinPaths(sp *specs.Spec) error {
	for _, n := range sp.Linux.Namespaces {
		if n.Path == "" {
			continue
		}
		f, err := os.Open(n.Path)
		if err != nil {
			return fmt.Errorf("join %s namespace: %w", n.Type, err)
		}
		s.opened = append(s.opened, f)
		j := fork.Join{FD: int(f.Fd()), Kinds: namespaceFlags[n.Type]}
		if n.Type == specs.UserNamespace {
			if sameFile(n.Path, "/proc/self/ns/user") {
				continue // joining one's own is refused
			}
			s.joins = append([]fork.Join{j}, s.joins...)
			continue
		}
		s.joins = append(s.joins, j)
	}
	return nil
}

// join lets the stage be born in a namespace that is open, unless it is nil.
func (s *stage) join(namespace *os.File, kind uintptr) {
	if namespace == nil {
		return
	}
	s.flags &^= kind
	s.joins = append(s.joins, fork.Join{FD: int(namespace.Fd()), Kinds: kind})
}

func (s *stage) closeJoins() {
	for _, f := range s.opened {
		f.Close()
	}
}

func (s *stage) joinsUser() bool {
	return slices.ContainsFunc(s.joins, func(j fork.Join) bool { return j.Kinds&unix.CLONE_NEWUSER != 0 })
}

// fork starts the stage from a thread that has joined what is to be joined,
// and throws the thread away: a goroutine that ends locked takes its thread
// with it. A stage that is to end with its parent (PR_SET_PDEATHSIG of prctl(2))
// would end with that thread: it is kept as long as until says.
func (s *stage) fork(sync *os.File) (*os.Process, error) {
	exe, err := sealedSelf()
	if err != nil {
		return nil, err
	}
	files := s.files(sync, exe)
	if s.joinsUser() {
		return fork.Program{Joins: s.joins, New: s.flags, Path: program(files), Args: []string{s.name}, Files: files}.Start()
	}
	if len(s.joins) == 0 {
		return s.forkHere(files)
	}
	type result struct {
		p   *os.Process
		err error
	}
	done := make(chan result, 1)
	go func() {
		runtime.LockOSThread()
		for _, j := range s.joins {
			if err := unix.Setns(j.FD, int(j.Kinds)); err != nil {
				done <- result{nil, fmt.Errorf("join namespaces: %w", os.NewSyscallError("setns", err))}
				return
			}
		}
		p, err := s.forkHere(files)
		done <- result{p, err}
		if err == nil && s.until != nil {
			<-s.until
		}
	}()
	r := <-done
	return r.p, r.err
}

// files are the descriptors of the stage; the last is its program.
func (s *stage) files(sync, exe *os.File) []*os.File {
	files := []*os.File{s.stdio[0], s.stdio[1], s.stdio[2], sync}
	if s.extra != nil {
		files = append(files, s.extra)
	}
	files = append(files, s.trees...)
	return append(files, exe)
}

// take lets the stage have mounts, and returns the descriptors that they will
// be there.
func (s *stage) take(trees map[string]*os.File) map[string]int {
	first := SyncFD + 1
	if s.extra != nil {
		first++
	}
	at := map[string]int{}
	for dest, f := range trees {
		at[dest] = first + len(s.trees)
		s.trees = append(s.trees, f)
	}
	return at
}

// program is the path by which a stage is executed once it has its descriptors.
func program(files []*os.File) string { return "/proc/self/fd/" + strconv.Itoa(len(files)-1) }

func (s *stage) forkHere(files []*os.File) (*os.Process, error) {
	attr := &os.ProcAttr{
		Env:   []string{}, // nothing of ours reaches a container, not even through /proc
		Files: files,
		Sys:   &syscall.SysProcAttr{Cloneflags: s.flags, Setsid: true},
	}
	args := []string{s.name}
	if s.maps != nil {
		// As in Spawn; and until its maps are written it has to be open to us.
		attr.Sys.AmbientCaps = allCapabilities()
		args = append(args, Unmapped)
	}
	if s.cgroup >= 0 {
		attr.Sys.UseCgroupFD, attr.Sys.CgroupFD = true, s.cgroup
	}
	p, err := os.StartProcess(program(files), args, attr)
	switch {
	case err == nil:
		return p, nil
	case s.maps != nil:
		return nil, explainUserNS(err)
	}
	return nil, explainFork(err)
}
