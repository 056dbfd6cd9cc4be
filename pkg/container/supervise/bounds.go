// SPDX-License-Identifier: Apache-2.0

package supervise

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"coracle/pkg/cgroup"
	"coracle/pkg/container"
	"coracle/pkg/hint"
)

// bounds keep the container within its limits, stop it where it stands, and end
// what runs in it: by a cgroup of its own, or with what rlimits can give.
type bounds struct {
	book  *ledger
	first *first
	ended <-chan struct{} // closed when the container is down for good
	group *cgroup.Group   // nil where no cgroup is delegated

	mu       sync.Mutex
	limits   cgroup.Limits
	oomKills uint64 // of the cgroup, when they were last asked for
	watch    sync.Once
}

// open makes the container's cgroup below one that is delegated. Without it, "",
// the container runs in the caller's.
func (b *bounds) open(tree string) error {
	if tree == "" {
		return nil
	}
	t, err := cgroup.OpenTree(tree)
	if err == nil {
		b.group, err = t.New(b.book.id(), b.limits.Controllers())
	}
	switch {
	case err == nil:
		b.book.prepare(func(st *container.State) { st.Cgroup = b.group.Dir() })
	case len(b.limits.Controllers()) == 0:
		fmt.Fprintln(os.Stderr, "supervise: goes on without a cgroup:", err)
		return nil
	}
	return err
}

// apply bounds the container, right before its program runs: what sets it up
// needs more than a few processes itself.
func (b *bounds) apply() error {
	if b.group == nil {
		return nil
	}
	l := b.current()
	err := b.group.Set(l)
	if err != nil && len(l.Controllers()) == 0 {
		fmt.Fprintln(os.Stderr, "supervise: goes on without limits:", err)
		return nil
	}
	return err
}

// change puts other limits in the place of those that are in force.
func (b *bounds) change(l cgroup.Limits) error {
	if b.group != nil {
		if err := b.group.Set(l); err != nil {
			return err
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.limits = l
	return nil
}

func (b *bounds) current() cgroup.Limits {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.limits
}

// close removes the cgroup. What runs in it has ended.
func (b *bounds) close() {
	if b.group == nil {
		return
	}
	b.group.Close()
	if err := cgroup.Remove(b.group.Dir()); err != nil {
		fmt.Fprintln(os.Stderr, "supervise:", err)
	}
	b.book.prepare(func(st *container.State) { st.Cgroup = "" })
}

// otherwise does what it can in place of missing controllers: it watches the
// memory, bounds the number of processes for each user of the container on its own
// (getrlimit(2); counted by user namespace since Linux 5.14), and makes a CPU set an
// affinity.
func (b *bounds) otherwise(p *specs.Process) error {
	var have []string
	if b.group != nil {
		have = b.group.Controllers()
	}
	l := b.current()
	missing := l.Missing(have)
	if slices.Contains(missing, "memory") && l.Memory > 0 {
		b.watch.Do(func() { go b.watchMemory() })
	}
	asked := slices.ContainsFunc(p.Rlimits, func(r specs.POSIXRlimit) bool { return r.Type == "RLIMIT_NPROC" })
	if slices.Contains(missing, "pids") && l.PidsLimit > 0 && !asked {
		own, err := os.ReadDir("/proc/self/task")
		if err != nil {
			return fmt.Errorf("count own threads: %w", err)
		}
		// This process and the stages count for the container's root, too.
		n := uint64(l.PidsLimit) + uint64(len(own)) + stageThreads
		p.Rlimits = append(p.Rlimits, specs.POSIXRlimit{Type: "RLIMIT_NPROC", Soft: n, Hard: n})
	}
	if slices.Contains(missing, "cpuset") && l.CpusetCpus != "" {
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
	return hint.Cgroup.After("delegate a cgroup to your session (systemd-run --user --scope -p Delegate=yes), or start the container with a limit such as --pids-limit where a systemd user session is")
}

// pause freezes the container, which runs.
func (b *bounds) pause() error {
	switch {
	case b.book.isPaused():
		return fmt.Errorf("Container %s is already paused", b.book.id())
	case b.group == nil:
		return &freezerError{"pause", b.book.id()}
	}
	ctx, cancel := context.WithTimeout(context.Background(), freezeTime)
	defer cancel()
	if err := b.group.Freeze(ctx); err != nil {
		return fmt.Errorf("cannot pause container %s: %w", b.book.id(), err)
	}
	b.book.settle("pause", func(st *container.State) { st.Status = container.Paused })
	return nil
}

// unpause lets it go on.
func (b *bounds) unpause() error {
	if !b.book.isPaused() {
		return fmt.Errorf("Container %s is not paused", b.book.id())
	}
	if err := b.group.Thaw(); err != nil {
		return fmt.Errorf("cannot unpause container %s: %w", b.book.id(), err)
	}
	b.book.settle("unpause", func(st *container.State) { st.Status = container.Running })
	return nil
}

// thaw is unpause of a container that may not be paused: one that is to end, for
// what is frozen takes no signal but SIGKILL.
func (b *bounds) thaw() {
	if b.book.isPaused() {
		_ = b.unpause()
	}
}

// oomKilled reports whether the kernel has killed for want of memory since it was
// last asked, and writes it down. Without a controller that tells, nobody knows.
func (b *bounds) oomKilled() bool {
	if b.group == nil {
		return false
	}
	kills := b.group.OOMKills()
	b.mu.Lock()
	more := kills > b.oomKills
	b.oomKills = kills
	b.mu.Unlock()
	if more {
		b.book.event("oom", nil)
	}
	return more
}

// kill ends everything in the cgroup, also when it is frozen. Nothing starts in it again.
func (b *bounds) kill() {
	if b.group != nil {
		_ = b.group.Kill()
	}
}
