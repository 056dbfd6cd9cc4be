// SPDX-License-Identifier: Apache-2.0

// Package trace tells how long the stages of a command take, when the
// environment variable CORACLE_TRACE names a file to tell it to. Lines of all
// processes of a command are appended to it:
//
//	12.345 ms     1.234  coracle-supervise  mounted root file system
//
// which are the time since the command's first mark, the time since the last
// mark of this process, and who it is. Without the variable a mark costs one comparison.
package trace

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"
)

// Variable names the file; begin carries the time of the first mark to the
// processes that a command starts.
const (
	Variable = "CORACLE_TRACE"
	begin    = "CORACLE_TRACE_BEGIN"
)

var state = sync.OnceValue(open)

type tracer struct {
	mu    sync.Mutex
	file  *os.File
	begin int64 // nanoseconds of CLOCK_MONOTONIC, which all processes share
	last  int64
	role  string
}

func open() *tracer {
	name := os.Getenv(Variable)
	if name == "" {
		return nil
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil // who traces will notice
	}
	t := &tracer{file: f, role: filepath.Base(os.Args[0]), last: monotonic()}
	if t.begin, err = strconv.ParseInt(os.Getenv(begin), 10, 64); err != nil {
		t.begin = t.last
		_ = os.Setenv(begin, strconv.FormatInt(t.begin, 10))
	}
	return t
}

func monotonic() int64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		return 0
	}
	return ts.Nano()
}

// Mark says that something is done.
func Mark(what string) {
	t := state()
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	now := monotonic()
	t.write(now, t.last, t.role, what)
	t.last = now
}

// Moment is something that was done in a process which cannot write the trace
// itself.
type Moment struct {
	What string `json:"what"`
	At   int64  `json:"at"` // nanoseconds of CLOCK_MONOTONIC
}

// Now is a moment of now.
func Now(what string) Moment { return Moment{what, monotonic()} }

// Report writes down what another process has done, in order. All but the first
// moment count from the one before.
func Report(role string, moments []Moment) {
	t := state()
	if t == nil || len(moments) == 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	last := moments[0].At
	for _, m := range moments {
		t.write(m.At, last, role, m.What)
		last = m.At
	}
}

// On reports whether anybody wants a trace.
func On() bool { return state() != nil }

func (t *tracer) write(now, last int64, role, what string) {
	fmt.Fprintf(t.file, "%9.3f ms  %8.3f  %-18s %s\n", float64(now-t.begin)/1e6, float64(now-last)/1e6, role, what)
}

// Env returns the variables that a process of the same command needs.
func Env() []string {
	if state() == nil {
		return nil
	}
	name, err := filepath.Abs(os.Getenv(Variable))
	if err != nil {
		return nil
	}
	return []string{Variable + "=" + name, begin + "=" + os.Getenv(begin)}
}
