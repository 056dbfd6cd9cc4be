// SPDX-License-Identifier: Apache-2.0

package container

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ProcessInfo is one process of a running container as the host sees it.
type ProcessInfo struct {
	Pid, Parent, UID int
	Terminal         int // device number, 0 without one
	Started          time.Time
	CPU              time.Duration // used so far
	Command          string
	Name, State      string // as in proc_pid_stat(5)
	Mapped           uint64 // bytes of address space
	Threads          int
	Memory           uint64 // bytes that are not a file's
	depth            int    // pid namespaces it has a number in
}

// clockTick is the unit of times in /proc: USER_HZ, 100 on every architecture
// that Go knows.
const clockTick = 10 * time.Millisecond

// Processes returns the processes of a running container, by pid. They are
// what descends from the supervisor, which is the init of an outer pid
// namespace, and lives in the container's own, one level further down. In another's
// pid namespace they are what shares the first one's mount namespace: what they leave
// behind descends from the other's init.
func (c *Container) Processes() ([]ProcessInfo, error) {
	switch {
	case !c.State.IsRunning():
		return nil, &NotRunningError{c.ID}
	case c.State.Status == Restarting:
		return nil, &StateError{fmt.Sprintf("Container %s is restarting, wait until the container is running", c.ID)}
	}
	all, err := allProcesses()
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	first, ok := all[c.State.Pid]
	if !ok {
		return nil, &NotRunningError{c.ID}
	}
	var list []ProcessInfo
	if c.Safety.PIDOf != "" {
		list = besides(all, first)
		all = nil
	}
	for _, p := range all {
		if p.depth >= first.depth && descends(all, p, c.State.Supervisor.Pid) && p.Parent != 0 {
			list = append(list, p)
		}
	}
	slices.SortFunc(list, func(a, b ProcessInfo) int { return a.Pid - b.Pid })
	return list, nil
}

// besides are the processes in the mount namespace of one.
func besides(all map[int]ProcessInfo, one ProcessInfo) (list []ProcessInfo) {
	mnt := func(pid int) (os.FileInfo, error) {
		return os.Stat(filepath.Join("/proc", strconv.Itoa(pid), "ns/mnt"))
	}
	first, err := mnt(one.Pid)
	if err != nil {
		return []ProcessInfo{one}
	}
	for pid, p := range all {
		if m, err := mnt(pid); err == nil && os.SameFile(m, first) {
			list = append(list, p)
		}
	}
	return list
}

// descends reports whether p has ancestor above it. A parent that ended while
// the list was read cuts the way, so the number of steps is bounded too.
func descends(all map[int]ProcessInfo, p ProcessInfo, ancestor int) bool {
	for range len(all) {
		if p.Parent == ancestor {
			return true
		}
		next, ok := all[p.Parent]
		if !ok {
			return false
		}
		p = next
	}
	return false
}

func allProcesses() (map[int]ProcessInfo, error) {
	d, err := os.Open("/proc")
	if err != nil {
		return nil, err
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	boot, err := bootTime()
	if err != nil {
		return nil, err
	}
	all := make(map[int]ProcessInfo, len(names))
	for _, n := range names {
		pid, err := strconv.Atoi(n)
		if err != nil {
			continue
		}
		if p, ok := readProcess(pid, boot); ok { // else it has ended meanwhile
			all[pid] = p
		}
	}
	return all, nil
}

// readProcess reads what is public about a process.
func readProcess(pid int, boot time.Time) (ProcessInfo, bool) {
	p := ProcessInfo{Pid: pid}
	dir := filepath.Join("/proc", strconv.Itoa(pid))
	stat, err := os.ReadFile(filepath.Join(dir, "stat"))
	if err != nil {
		return p, false
	}
	// The second field is the command in parentheses and may hold anything.
	open, end := bytes.IndexByte(stat, '('), bytes.LastIndexByte(stat, ')')
	if open < 0 || end < open {
		return p, false
	}
	f := strings.Fields(string(stat[end+1:]))
	if len(f) < 21 {
		return p, false
	}
	number := func(i int) int { n, _ := strconv.Atoi(f[i]); return n }
	p.Name, p.State, p.Mapped = string(stat[open+1:end]), f[0], uint64(number(20))
	p.Parent, p.Terminal = number(1), number(4)
	p.CPU = time.Duration(number(11)+number(12)) * clockTick
	p.Started = boot.Add(time.Duration(number(19)) * clockTick)
	status, err := os.ReadFile(filepath.Join(dir, "status"))
	if err != nil {
		return p, false
	}
	for line := range strings.Lines(string(status)) {
		key, val, _ := strings.Cut(line, ":")
		switch v := strings.Fields(val); {
		case key == "Uid" && len(v) > 1:
			p.UID, _ = strconv.Atoi(v[1])
		case key == "NSpid":
			p.depth = len(v)
		case (key == "RssAnon" || key == "RssShmem") && len(v) > 0:
			kib, _ := strconv.ParseUint(v[0], 10, 64)
			p.Memory += kib << 10
		case key == "Threads" && len(v) > 0:
			p.Threads, _ = strconv.Atoi(v[0])
		}
	}
	args, _ := os.ReadFile(filepath.Join(dir, "cmdline"))
	p.Command = strings.TrimSpace(strings.ReplaceAll(string(args), "\x00", " "))
	if p.Command == "" {
		p.Command = "[" + string(stat[open+1:end]) + "]"
	}
	return p, true
}

// bootTime is what start times in /proc count from.
func bootTime() (time.Time, error) {
	data, err := os.ReadFile("/proc/uptime")
	if err != nil {
		return time.Time{}, err
	}
	var up float64
	if _, err := fmt.Sscan(string(data), &up); err != nil {
		return time.Time{}, fmt.Errorf("read /proc/uptime: %w", err)
	}
	return time.Now().Add(-time.Duration(up * float64(time.Second))), nil
}
