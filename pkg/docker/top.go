// SPDX-License-Identifier: Apache-2.0

package docker

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"coracle/pkg/container"
)

// Columns are what a list of a container's processes shows of each.
type Columns []psColumn

// Titles are the heads of the columns.
func (cols Columns) Titles() []string {
	titles := []string{}
	for _, c := range cols {
		titles = append(titles, c.head)
	}
	return titles
}

// Rows are the processes of a list at the time now. What programs call themselves is
// as they say it.
func (cols Columns) Rows(list []container.ProcessInfo, now time.Time) [][]string {
	rows := [][]string{}
	for _, p := range list {
		row := make([]string, len(cols))
		for i, c := range cols {
			row[i] = c.value(p, now)
		}
		rows = append(rows, row)
	}
	return rows
}

// psColumn is a column of ps(1).
type psColumn struct {
	head  string
	value func(p container.ProcessInfo, now time.Time) string
}

// The formats that ps has names for, in its words for columns.
var (
	psFull = strings.Split("uid,pid,ppid,c,stime,tty,time,cmd", ",")                      // -ef
	psUser = strings.Split("user,pid,%cpu,%mem,vsz,rss,tty,stat,start,time,command", ",") // aux
)

// findColumn knows what ps -o can be asked for.
func findColumn(name string) (psColumn, bool) {
	number := func(f func(container.ProcessInfo) int) func(container.ProcessInfo, time.Time) string {
		return func(p container.ProcessInfo, _ time.Time) string { return strconv.Itoa(f(p)) }
	}
	command := func(p container.ProcessInfo, _ time.Time) string { return p.Command }
	uid := number(func(p container.ProcessInfo) int { return p.UID })
	switch name {
	case "pid":
		return psColumn{"PID", number(func(p container.ProcessInfo) int { return p.Pid })}, true
	case "ppid":
		return psColumn{"PPID", number(func(p container.ProcessInfo) int { return p.Parent })}, true
	case "uid", "user", "euser", "ruser", "euid":
		return psColumn{strings.ToUpper(name), uid}, true
	case "nlwp", "thcount":
		return psColumn{strings.ToUpper(name), number(func(p container.ProcessInfo) int { return p.Threads })}, true
	case "rss", "rssize", "rsz":
		return psColumn{"RSS", func(p container.ProcessInfo, _ time.Time) string { return strconv.FormatUint(p.Memory>>10, 10) }}, true
	case "c":
		return psColumn{"C", func(p container.ProcessInfo, now time.Time) string { return strconv.Itoa(int(cpuShare(p, now))) }}, true
	case "%cpu", "pcpu":
		return psColumn{"%CPU", func(p container.ProcessInfo, now time.Time) string { return fmt.Sprintf("%.1f", cpuShare(p, now)) }}, true
	case "stime", "start", "bsdstart":
		return psColumn{strings.ToUpper(strings.TrimPrefix(name, "bsd")), func(p container.ProcessInfo, now time.Time) string { return startText(p.Started, now) }}, true
	case "lstart":
		return psColumn{"STARTED", func(p container.ProcessInfo, _ time.Time) string { return p.Started.Local().Format(time.ANSIC) }}, true
	case "etime", "etimes":
		return psColumn{"ELAPSED", func(p container.ProcessInfo, now time.Time) string {
			if name == "etimes" {
				return strconv.Itoa(int(now.Sub(p.Started).Seconds()))
			}
			return clock(now.Sub(p.Started))
		}}, true
	case "tty", "tt", "tname":
		return psColumn{"TTY", func(p container.ProcessInfo, _ time.Time) string { return terminalName(p.Terminal) }}, true
	case "time", "cputime":
		return psColumn{"TIME", func(p container.ProcessInfo, _ time.Time) string { return clock(p.CPU) }}, true
	case "stat", "s", "state":
		return psColumn{strings.ToUpper(name), func(p container.ProcessInfo, _ time.Time) string { return p.State }}, true
	case "vsz", "vsize":
		return psColumn{"VSZ", func(p container.ProcessInfo, _ time.Time) string { return strconv.FormatUint(p.Mapped>>10, 10) }}, true
	case "%mem", "pmem":
		return psColumn{"%MEM", func(p container.ProcessInfo, _ time.Time) string { return memoryShare(p.Memory) }}, true
	case "cmd", "args", "command":
		return psColumn{strings.ToUpper(name), command}, true
	case "comm", "ucmd", "ucomm":
		return psColumn{"COMMAND", func(p container.ProcessInfo, _ time.Time) string { return p.Name }}, true
	}
	return psColumn{}, false
}

// ParseColumns reads the options of ps(1): those that choose columns. Which processes
// to show is settled.
func ParseColumns(args []string) (Columns, error) {
	names := psFull
	asked := []string{}
	for i := 0; i < len(args); i++ {
		arg := args[i]
		switch list, glued := strings.CutPrefix(arg, "-o"); {
		case arg == "-o" || arg == "o" || arg == "-eo" || arg == "--format":
			if i++; i == len(args) {
				return nil, invalid("Error running ps: format specification must follow -o")
			}
			asked = append(asked, strings.FieldsFunc(args[i], func(r rune) bool { return r == ',' || r == ' ' })...)
		case glued:
			asked = append(asked, strings.Split(list, ",")...)
		case slices.Contains([]string{"aux", "-aux", "u", "ux"}, arg):
			names = psUser
		case slices.Contains([]string{"-ef", "-e", "-f", "-A", "ax", "axf", "-eaf"}, arg):
		default:
			return nil, invalid("ps options %q are not supported: -ef, aux, and -o with a list of columns are", arg)
		}
	}
	if len(asked) > 0 {
		names = asked
	}
	var cols Columns
	for _, n := range names {
		n, head, renamed := strings.Cut(strings.ToLower(n), "=")
		c, ok := findColumn(n)
		if !ok {
			return nil, invalid("Error running ps: unknown user-defined format specifier %q", n)
		}
		if renamed {
			c.head = head
		}
		cols = append(cols, c)
	}
	if !slices.ContainsFunc(cols, func(c psColumn) bool { return c.head == "PID" }) {
		return nil, invalid("Couldn't find PID field in ps output")
	}
	return cols, nil
}

func cpuShare(p container.ProcessInfo, now time.Time) float64 {
	age := now.Sub(p.Started)
	if age <= 0 {
		return 0
	}
	return min(100*float64(p.CPU)/float64(age), 99)
}

func memoryShare(bytes uint64) string {
	total := container.HostMemory()
	if total == 0 {
		return "0.0"
	}
	return fmt.Sprintf("%.1f", 100*float64(bytes)/float64(total))
}

func startText(started, now time.Time) string {
	if now.Sub(started) > 24*time.Hour {
		return started.Local().Format("Jan02")
	}
	return started.Local().Format("15:04")
}

// clock is [DAYS-]HH:MM:SS.
func clock(d time.Duration) string {
	s := int(d / time.Second)
	text := fmt.Sprintf("%02d:%02d:%02d", s/3600%24, s/60%60, s%60)
	if days := s / 86400; days > 0 {
		text = strconv.Itoa(days) + "-" + text
	}
	return text
}

// terminalName is ps's name for a terminal's device number: pseudo terminals
// have the majors 136 to 143.
func terminalName(dev int) string {
	major, minor := dev>>8&0xfff, dev&0xff|dev>>12&0xfff00
	if major < 136 || major > 143 {
		return "?"
	}
	return "pts/" + strconv.Itoa((major-136)<<8+minor)
}
