// SPDX-License-Identifier: Apache-2.0

package state

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
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
	st, err := stat(pid)
	if err != nil {
		return Process{}, err
	}
	if st.zombie {
		return Process{}, fmt.Errorf("identify process %d: %w", pid, os.ErrProcessDone)
	}
	return Process{Pid: pid, StartTime: st.start, BootID: bootID()}, nil
}

// Alive reports whether the process still runs; a zombie does not.
func (p Process) Alive() bool {
	if p.Pid <= 0 || p.BootID != bootID() {
		return false
	}
	st, err := stat(p.Pid)
	return err == nil && !st.zombie && st.start == p.StartTime
}

// Ending reports whether the process is alive and has been killed: it holds its
// locks and sockets for a moment yet.
func (p Process) Ending() bool {
	st, err := stat(p.Pid)
	return err == nil && st.ending && p.Alive()
}

// Stopped reports whether a signal, or a tracer, has stopped the process pid.
func Stopped(pid int) bool {
	st, err := stat(pid)
	return err == nil && st.stopped
}

// status is what is of interest in proc_pid_stat(5).
type status struct {
	start   uint64 // clock ticks since boot
	zombie  bool
	ending  bool // SIGKILL is pending, or PF_EXITING set
	stopped bool
}

// Bits of proc_pid_stat(5): of the field flags, and of pending signals.
const (
	pfExiting = 0x4 // include/linux/sched.h
	sigKill   = 1 << (syscall.SIGKILL - 1)
)

func stat(pid int) (status, error) {
	data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return status{}, err
	}
	// The second field is the command in parentheses and may hold anything.
	i := bytes.LastIndexByte(data, ')')
	f := strings.Fields(string(data[i+1:])) // the third field and on
	if i < 0 || len(f) < 29 {
		return status{}, fmt.Errorf("read /proc/%d/stat: unexpected form", pid)
	}
	start, err := strconv.ParseUint(f[22-3], 10, 64)
	flags, _ := strconv.ParseUint(f[9-3], 10, 64)
	pending, _ := strconv.ParseUint(f[31-3], 10, 64)
	return status{
		start:   start,
		zombie:  f[0] == "Z" || f[0] == "X",
		ending:  flags&pfExiting != 0 || pending&sigKill != 0,
		stopped: f[0] == "T" || f[0] == "t",
	}, err
}

var bootID = sync.OnceValue(func() string {
	data, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "unknown"
	}
	return string(bytes.TrimSpace(data))
})
