// SPDX-License-Identifier: Apache-2.0

package docker

import (
	"strings"
	"testing"
	"time"

	"coracle/pkg/container"
)

func TestPsOptions(t *testing.T) {
	for _, tt := range []struct{ args, heads, bad string }{
		{"", "UID PID PPID C STIME TTY TIME CMD", ""},
		{"-ef", "UID PID PPID C STIME TTY TIME CMD", ""},
		{"aux", "USER PID %CPU %MEM VSZ RSS TTY STAT START TIME COMMAND", ""},
		{"-o pid,comm", "PID COMMAND", ""},
		{"-opid,args", "PID ARGS", ""},
		{"-eo pid,etime -o rss", "PID ELAPSED RSS", ""},
		{"-o pid=,cmd=WHAT", "", "Couldn't find PID field in ps output"},
		{"-o cmd", "", "Couldn't find PID field in ps output"},
		{"-o pid,nosuch", "", `Error running ps: unknown user-defined format specifier "nosuch"`},
		{"-o", "", "Error running ps: format specification must follow -o"},
		{"--sort pid", "", `ps options "--sort" are not supported: -ef, aux, and -o with a list of columns are`},
	} {
		cols, err := ParseColumns(strings.Fields(tt.args))
		if (err == nil) != (tt.bad == "") || err != nil && err.Error() != tt.bad {
			t.Errorf("top %s: %v, want %q", tt.args, err, tt.bad)
			continue
		}
		if got := strings.Join(cols.Titles(), " "); err == nil && got != tt.heads {
			t.Errorf("top %s: %s, want %s", tt.args, got, tt.heads)
		}
	}
}

func TestPsValues(t *testing.T) {
	now := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	p := container.ProcessInfo{
		Pid: 7, Parent: 1, UID: 33, Started: now.Add(-100 * time.Second), CPU: 50 * time.Second, Command: "sh -c \x1b[31m", Name: "sh", State: "S",
		Memory: 2 << 20, Mapped: 4 << 20, Threads: 3,
	}
	for column, want := range map[string]string{
		"pid": "7", "ppid": "1", "uid": "33", "c": "50", "%cpu": "50.0", "time": "00:00:50", "etime": "00:01:40", "etimes": "100", "rss": "2048", "vsz": "4096",
		"stat": "S", "comm": "sh", "nlwp": "3", "tty": "?", "cmd": "sh -c \x1b[31m",
	} {
		c, ok := findColumn(column)
		if !ok {
			t.Errorf("%s is not known", column)
		} else if got := c.value(p, now); got != want {
			t.Errorf("%s: %q, want %q", column, got, want)
		}
	}
	if got := clock(49*time.Hour + time.Minute); got != "2-01:01:00" {
		t.Errorf("clock: %s", got)
	}
}
