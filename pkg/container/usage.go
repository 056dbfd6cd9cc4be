// SPDX-License-Identifier: Apache-2.0

package container

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"coracle/pkg/cgroup"
	"coracle/pkg/network"
)

// Usage is what a running container uses at a moment.
type Usage struct {
	At time.Time
	cgroup.Stats
	Received, Sent uint64 // bytes, through all interfaces but loopback
}

// Usage reads what the container uses: from its cgroup, and from its processes
// where there is none, or where its cgroup does not count memory. Without a
// cgroup, what ended processes have used is not in it, and block devices are
// not counted.
func (c *Container) Usage() (Usage, error) {
	u := Usage{At: time.Now()}
	list, err := c.Processes()
	if err != nil {
		return u, err
	}
	for _, p := range list {
		u.CPU += p.CPU
		u.Memory += p.Memory
		u.Pids += uint64(p.Threads)
	}
	if c.State.Cgroup != "" {
		if err := c.countedByCgroup(&u); err != nil {
			return u, err
		}
	}
	if u.MemoryLimit == 0 {
		if u.MemoryLimit = uint64(c.Limits.Cgroup.Memory); u.MemoryLimit == 0 {
			u.MemoryLimit = HostMemory()
		}
	}
	if c.Net.Mode != network.Host { // all that the host sends is not the container's
		u.Received, u.Sent = traffic(c.State.Pid)
	}
	return u, nil
}

// countedByCgroup puts in place what the container's cgroup counts better.
func (c *Container) countedByCgroup(u *Usage) error {
	g, err := cgroup.Open(c.State.Cgroup)
	if err != nil {
		return err
	}
	s, err := g.Stats()
	if err != nil {
		return err
	}
	u.CPU, u.Read, u.Written, u.MemoryLimit = s.CPU, s.Read, s.Written, s.MemoryLimit
	for _, name := range g.Controllers() {
		switch name {
		case "memory":
			u.Memory = s.Memory
		case "pids":
			u.Pids = s.Pids
		}
	}
	return nil
}

// HostMemory is the size of the host's memory in bytes, or 0.
func HostMemory() uint64 {
	var info unix.Sysinfo_t
	if unix.Sysinfo(&info) != nil {
		return 0
	}
	return uint64(info.Totalram) * uint64(info.Unit)
}

// traffic sums up the interfaces of the network namespace of a process
// (proc_pid_net(5)). With the host's network they are the host's.
func traffic(pid int) (received, sent uint64) {
	data, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "net", "dev"))
	if err != nil {
		return 0, 0
	}
	for line := range strings.Lines(string(data)) {
		name, rest, ok := strings.Cut(line, ":")
		f := strings.Fields(rest)
		if !ok || strings.TrimSpace(name) == "lo" || len(f) < 9 {
			continue
		}
		var in, out uint64
		if _, err := fmt.Sscan(f[0], &in); err == nil {
			received += in
		}
		if _, err := fmt.Sscan(f[8], &out); err == nil {
			sent += out
		}
	}
	return received, sent
}
