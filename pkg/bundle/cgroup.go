// SPDX-License-Identifier: Apache-2.0

package bundle

import (
	"errors"
	"fmt"
	"os"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"coracle/pkg/cgroup"
)

// openGroup makes the cgroup that the container is born in, in the part of the
// cgroup2 tree that belongs to the caller. Without one there is none, and
// limits are not kept: linux.cgroupsPath names a place that only root can
// choose. This file is the only one that looks at linux.resources.
func (s *Store) openGroup(c *Container, sp *specs.Spec) (*cgroup.Group, error) {
	want := limits(sp.Linux.Resources).Controllers()
	tree, err := cgroup.Find()
	if err == nil {
		err = tree.Prepare(want)
	}
	var g *cgroup.Group
	if err == nil {
		g, err = tree.New(c.ID, want)
	}
	switch {
	case err == nil:
		c.Cgroup = g.Dir()
		if missing := limits(sp.Linux.Resources).Missing(g.Controllers()); len(missing) > 0 {
			s.Warn("linux.resources: these cgroup controllers are not delegated to this user: " + strings.Join(missing, ", "))
		}
		return g, nil
	case errors.Is(err, cgroup.ErrNotDelegated) && len(want) > 0:
		s.Warn("linux.resources: limits are not enforced, for no cgroup is delegated to this user")
		return nil, nil
	case errors.Is(err, cgroup.ErrNotDelegated) || len(want) == 0:
		return nil, nil
	}
	return nil, err
}

// limit sets the limits of a container that is set up: what does that needs
// more than a few processes itself.
func (c *Container) limit(sp *specs.Spec) error {
	if c.Cgroup == "" {
		return nil
	}
	g, err := cgroup.Open(c.Cgroup)
	if err == nil {
		err = g.Set(limits(sp.Linux.Resources))
	}
	if err != nil {
		return fmt.Errorf("linux.resources: %w", err)
	}
	return nil
}

// group opens the container's cgroup for another process to be born in, or
// returns -1. The caller closes the descriptor.
func (c *Container) group() (int, error) {
	if c.Cgroup == "" {
		return -1, nil
	}
	fd, err := unix.Open(c.Cgroup, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, &os.PathError{Op: "open cgroup", Path: c.Cgroup, Err: err}
	}
	return fd, nil
}

// limits turns linux.resources into what a cgroup2 has. Rules for devices are
// none of it: a user namespace can make no device.
func limits(r *specs.LinuxResources) (l cgroup.Limits) {
	if r == nil {
		return l
	}
	if m := r.Memory; m != nil {
		l.Memory, l.MemorySwap, l.MemoryReservation = value(m.Limit), value(m.Swap), value(m.Reservation)
	}
	if cpu := r.CPU; cpu != nil {
		l.CPUQuota, l.CPUPeriod, l.CPUShares = value(cpu.Quota), int64(value(cpu.Period)), int64(value(cpu.Shares))
		l.CpusetCpus, l.CpusetMems = cpu.Cpus, cpu.Mems
	}
	if r.Pids != nil {
		if l.PidsLimit = value(r.Pids.Limit); l.PidsLimit == 0 {
			l.PidsLimit = -1
		}
	}
	if b := r.BlockIO; b != nil {
		l.BlkioWeight = value(b.Weight)
	}
	return l
}

func value[T any](p *T) T {
	var zero T
	if p == nil {
		return zero
	}
	return *p
}
