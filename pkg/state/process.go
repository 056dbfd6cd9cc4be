// SPDX-License-Identifier: Apache-2.0

package state

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
)

// Process names one process for good: a pid alone is reused, and after a
// reboot even its start time may be. Pid is in the pid namespace of /proc.
type Process struct {
	Pid       int    `json:"pid"`
	StartTime uint64 `json:"startTime"` // clock ticks since boot, field 22 of proc_pid_stat(5)
	BootID    string `json:"bootId"`
}

// Identify returns the lasting name of the running process pid.
func Identify(pid int) (Process, error) {
	start, zombie, err := stat(pid)
	if err != nil {
		return Process{}, err
	}
	if zombie {
		return Process{}, fmt.Errorf("identify process %d: %w", pid, os.ErrProcessDone)
	}
	return Process{Pid: pid, StartTime: start, BootID: bootID()}, nil
}

// Alive reports whether the process still runs; a zombie does not.
func (p Process) Alive() bool {
	if p.Pid <= 0 || p.BootID != bootID() {
		return false
	}
	start, zombie, err := stat(p.Pid)
	return err == nil && !zombie && start == p.StartTime
}

func stat(pid int) (start uint64, zombie bool, err error) {
	data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0, false, err
	}
	// The second field is the command in parentheses and may hold anything.
	i := bytes.LastIndexByte(data, ')')
	f := strings.Fields(string(data[i+1:]))
	if i < 0 || len(f) < 20 {
		return 0, false, fmt.Errorf("read /proc/%d/stat: unexpected form", pid)
	}
	start, err = strconv.ParseUint(f[19], 10, 64)
	return start, f[0] == "Z" || f[0] == "X", err
}

var bootID = sync.OnceValue(func() string {
	data, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "unknown"
	}
	return string(bytes.TrimSpace(data))
})
