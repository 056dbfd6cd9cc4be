// SPDX-License-Identifier: Apache-2.0

package supervise

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"coracle/pkg/cgroup"
	"coracle/pkg/container"
)

// openGroup makes the container's cgroup below one that is delegated. Without
// it, "", the container runs in the caller's, with what rlimits can give.
func (s *supervisor) openGroup(tree string) error {
	if tree == "" {
		return nil
	}
	t, err := cgroup.OpenTree(tree)
	if err == nil {
		s.group, err = t.New(s.id, s.c.Limits.Cgroup.Controllers())
	}
	if err == nil {
		s.state.Cgroup = s.group.Dir()
	}
	if err != nil && len(s.c.Limits.Cgroup.Controllers()) == 0 {
		fmt.Fprintln(os.Stderr, "supervise: goes on without a cgroup:", err)
		s.closeGroup()
		return nil
	}
	return err
}

// setLimits bounds the container, right before its program runs: what sets it
// up needs more than a few processes itself.
func (s *supervisor) setLimits() error {
	if s.group == nil {
		return nil
	}
	err := s.group.Set(s.c.Limits.Cgroup)
	if err != nil && len(s.c.Limits.Cgroup.Controllers()) == 0 {
		fmt.Fprintln(os.Stderr, "supervise: goes on without limits:", err)
		return nil
	}
	return err
}

// closeGroup removes the cgroup. What runs in it has ended.
func (s *supervisor) closeGroup() {
	if s.group == nil {
		return
	}
	s.group.Close()
	if err := cgroup.Remove(s.group.Dir()); err != nil {
		fmt.Fprintln(os.Stderr, "supervise:", err)
	}
	s.group, s.state.Cgroup = nil, ""
}

// limitOtherwise does what it can in place of missing controllers: it watches
// the memory, bounds the number of processes for each user of the container on
// its own (getrlimit(2); counted by user namespace since Linux 5.14), and makes
// a CPU set an affinity.
func (s *supervisor) limitOtherwise(p *specs.Process) error {
	var have []string
	if s.group != nil {
		have = s.group.Controllers()
	}
	l := s.c.Limits.Cgroup
	missing := map[string]bool{}
	for _, c := range l.Missing(have) {
		missing[c] = true
	}
	if missing["memory"] && l.Memory > 0 {
		s.watchOnce.Do(func() { go s.watchMemory() })
	}
	asked := slices.ContainsFunc(p.Rlimits, func(r specs.POSIXRlimit) bool { return r.Type == "RLIMIT_NPROC" })
	if missing["pids"] && l.PidsLimit > 0 && !asked {
		own, err := os.ReadDir("/proc/self/task")
		if err != nil {
			return fmt.Errorf("count own threads: %w", err)
		}
		// This process and the stages count for the container's root, too.
		n := uint64(l.PidsLimit) + uint64(len(own)) + stageThreads
		p.Rlimits = append(p.Rlimits, specs.POSIXRlimit{Type: "RLIMIT_NPROC", Soft: n, Hard: n})
	}
	if missing["cpuset"] && l.CpusetCpus != "" {
		p.ExecCPUAffinity = &specs.CPUAffinity{Final: l.CpusetCpus}
	}
	return nil
}

// stageThreads is how many threads a stage has at most before its execve.
const stageThreads = 16

// freezeTime is how long the processes of a container may take to stop: one
// that waits for a disk cannot be frozen.
const freezeTime = 10 * time.Second

var errNoFreezer = errors.New("it has no cgroup of its own, and only a cgroup's freezer can do this")

type freezerError struct{ verb, id string }

func (e *freezerError) Error() string {
	return fmt.Sprintf("cannot %s container %s: %v", e.verb, e.id, errNoFreezer)
}

func (e *freezerError) Hint() string {
	return "delegate a cgroup to your session (systemd-run --user --scope -p Delegate=yes), or start the container with a limit such as --pids-limit where a systemd user session is"
}

// pause freezes the container.
func (s *supervisor) pause() error {
	_, err := s.running()
	switch {
	case err != nil:
		return err
	case s.isPaused():
		return fmt.Errorf("Container %s is already paused", s.id)
	case s.group == nil:
		return &freezerError{"pause", s.id}
	}
	ctx, cancel := context.WithTimeout(context.Background(), freezeTime)
	defer cancel()
	if err := s.group.Freeze(ctx); err != nil {
		return fmt.Errorf("cannot pause container %s: %w", s.id, err)
	}
	s.settle("pause", func(st *container.State) { st.Status = container.Paused })
	return nil
}

// unpause lets it go on.
func (s *supervisor) unpause() error {
	if !s.isPaused() {
		return fmt.Errorf("Container %s is not paused", s.id)
	}
	if err := s.group.Thaw(); err != nil {
		return fmt.Errorf("cannot unpause container %s: %w", s.id, err)
	}
	s.settle("unpause", func(st *container.State) { st.Status = container.Running })
	return nil
}

func (s *supervisor) isPaused() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state.Status == container.Paused
}

// update applies what an update has written to the record.
func (s *supervisor) update() error {
	c, err := s.store.Load(s.id)
	if err != nil {
		return err
	}
	if s.group != nil {
		if err := s.group.Set(c.Limits.Cgroup); err != nil {
			return fmt.Errorf("Cannot update container %s: %w", s.id, err)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.c.Limits.Cgroup, s.c.Life.Restart = c.Limits.Cgroup, c.Life.Restart
	return nil
}

// noteOOM records whether the kernel killed for want of memory. Without a
// controller that tells, nobody knows.
func (s *supervisor) noteOOM(st *container.State) {
	if s.group != nil {
		kills := s.group.OOMKills()
		if kills > s.oomKills {
			st.OOMKilled = true
			s.event("oom", nil)
		}
		s.oomKills = kills
	}
}

// killAll ends everything that runs in the container, also when it is frozen.
func (s *supervisor) killAll() {
	_ = s.signal(unix.SIGKILL)
	if s.group != nil {
		_ = s.group.Kill()
	}
}
