// SPDX-License-Identifier: Apache-2.0

package cgroup

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Stats are what a group uses. What its controllers do not count is zero.
type Stats struct {
	CPU         time.Duration // used since the group was made
	Memory      uint64        // bytes, without the file cache that is easily given up
	MemoryLimit uint64        // bytes; 0 is without limit
	Pids        uint64
	Read        uint64 // bytes from block devices
	Written     uint64
}

// Stats reads what the group uses.
func (g *Group) Stats() (Stats, error) {
	var s Stats
	cpu, err := g.table("cpu.stat")
	if err != nil {
		return s, fmt.Errorf("read cgroup: %w", err)
	}
	s.CPU = time.Duration(cpu["usage_usec"]) * time.Microsecond
	mem, _ := g.table("memory.stat")
	if used := g.number("memory.current"); used > mem["inactive_file"] {
		s.Memory = used - mem["inactive_file"]
	}
	s.MemoryLimit = g.number("memory.max")
	s.Pids = g.number("pids.current")
	s.Read, s.Written = g.io()
	return s, nil
}

// OOMKills is how many processes of the group the kernel has killed for want
// of memory.
func (g *Group) OOMKills() uint64 {
	events, err := g.table("memory.events")
	if err != nil {
		return 0
	}
	return events["oom_kill"]
}

// table reads a file of lines "key value".
func (g *Group) table(file string) (map[string]uint64, error) {
	data, err := os.ReadFile(filepath.Join(g.dir, file))
	if err != nil {
		return nil, err
	}
	m := map[string]uint64{}
	for line := range strings.Lines(string(data)) {
		key, val, _ := strings.Cut(strings.TrimSpace(line), " ")
		if n, err := strconv.ParseUint(val, 10, 64); err == nil {
			m[key] = n
		}
	}
	return m, nil
}

// number reads a file of one number; "max", and a file that is not there, are 0.
func (g *Group) number(file string) uint64 {
	data, err := os.ReadFile(filepath.Join(g.dir, file))
	if err != nil {
		return 0
	}
	n, _ := strconv.ParseUint(strings.TrimSpace(string(data)), 10, 64)
	return n
}

// io sums up io.stat: lines "8:0 rbytes=1 wbytes=2 …".
func (g *Group) io() (read, written uint64) {
	data, err := os.ReadFile(filepath.Join(g.dir, "io.stat"))
	if err != nil {
		return 0, 0
	}
	for _, field := range strings.Fields(string(data)) {
		key, val, _ := strings.Cut(field, "=")
		n, _ := strconv.ParseUint(val, 10, 64)
		switch key {
		case "rbytes":
			read += n
		case "wbytes":
			written += n
		}
	}
	return read, written
}
