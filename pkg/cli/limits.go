// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"strconv"
	"strings"

	"coracle/pkg/cli/flags"

	"github.com/docker/go-units"
	"github.com/urfave/cli/v2"

	"coracle/pkg/cgroup"
	"coracle/pkg/container"
)

// limitFlags are the limits that update can change too.
func limitFlags() []cli.Flag {
	hidden := flags.Text("kernel-memory", nil, "Kernel memory limit")
	hidden.Hidden = true // the kernel has none any more, and Docker says so
	return append(flags.Absent("real-time scheduling needs cgroup v1, and root", flags.Text("cpu-rt-period", nil, ""), flags.Text("cpu-rt-runtime", nil, "")),
		hidden,
		&cli.IntFlag{Name: "blkio-weight", Usage: "Block IO (relative weight), between 10 and 1000, or 0 to disable (default 0)"},
		&cli.Int64Flag{Name: "cpu-period", Usage: "Limit CPU CFS (Completely Fair Scheduler) period"},
		&cli.Int64Flag{Name: "cpu-quota", Usage: "Limit CPU CFS (Completely Fair Scheduler) quota"},
		&cli.Int64Flag{Name: "cpu-shares", Aliases: flags.Short("c"), Usage: "CPU shares (relative weight)"},
		flags.Text("cpus", nil, "Number of CPUs"),
		flags.Text("cpuset-cpus", nil, "CPUs in which to allow execution (0-3, 0,1)"),
		flags.Text("cpuset-mems", nil, "MEMs in which to allow execution (0-3, 0,1)"),
		flags.Text("memory", flags.Short("m"), "Memory limit"),
		flags.Text("memory-reservation", nil, "Memory soft limit"),
		flags.Text("memory-swap", nil, "Swap limit equal to memory plus swap: '-1' to enable unlimited swap"),
		&cli.Int64Flag{Name: "pids-limit", Usage: "Tune container pids limit (set -1 for unlimited)"},
	)
}

// createLimitFlags are the limits that only run and create set.
func createLimitFlags() []cli.Flag {
	return append(append(limitFlags(), flags.Absent("it is for Windows", flags.Text("cpu-count", nil, ""), flags.Text("cpu-percent", nil, ""), flags.Text("io-maxbandwidth", nil, ""), flags.Text("io-maxiops", nil, ""))...),
		flags.List("blkio-weight-device", nil, "Block IO weight (relative device weight): discarded, with a warning"),
		flags.List("device-read-bps", nil, "Limit read rate (bytes per second) from a device"),
		flags.List("device-read-iops", nil, "Limit read rate (IO per second) from a device"),
		flags.List("device-write-bps", nil, "Limit write rate (bytes per second) to a device"),
		flags.List("device-write-iops", nil, "Limit write rate (IO per second) to a device"),
		flags.Text("cgroup-parent", nil, "Optional parent cgroup for the container: a slice of the user's systemd"),
		&cli.IntFlag{Name: "memory-swappiness", Usage: "Tune container memory swappiness (0 to 100)", Value: -1},
		flags.Bool("oom-kill-disable", nil, "Disable OOM Killer"),
	)
}

// invalidValue is how the parser of flags refuses a value.
func invalidValue(value, flag string, cause any) error {
	return &exitError{125, cliErrorf("invalid argument %q for %q flag: %v", value, flag, cause)}
}

// readLimits changes l by the flags that were given, and checks the result.
func readLimits(c *cli.Context, l *cgroup.Limits) error {
	for _, f := range []struct {
		name, shown string
		to          *int64
	}{{"memory", "-m, --memory", &l.Memory}, {"memory-reservation", "--memory-reservation", &l.MemoryReservation}, {"memory-swap", "--memory-swap", &l.MemorySwap}} {
		v := c.String(f.name)
		if v == "" {
			continue
		}
		if v == "-1" && f.name == "memory-swap" {
			*f.to = -1
			continue
		}
		n, err := units.RAMInBytes(v)
		if err != nil {
			return invalidValue(v, f.shown, err)
		}
		*f.to = n
	}
	if v := c.String("cpus"); v != "" {
		n, err := flags.ParseCPUs(v)
		if err != nil {
			return invalidValue(v, "--cpus", err)
		}
		l.NanoCPUs = n
	}
	for name, to := range map[string]*int64{"cpu-period": &l.CPUPeriod, "cpu-quota": &l.CPUQuota, "cpu-shares": &l.CPUShares, "pids-limit": &l.PidsLimit} {
		if c.IsSet(name) {
			*to = c.Int64(name)
		}
	}
	if c.IsSet("pids-limit") && l.PidsLimit <= 0 {
		l.PidsLimit = -1 // 0 and -1 are without limit
	}
	for name, to := range map[string]*string{"cpuset-cpus": &l.CpusetCpus, "cpuset-mems": &l.CpusetMems} {
		if c.IsSet(name) {
			*to = c.String(name)
		}
	}
	if c.IsSet("blkio-weight") {
		n := c.Int("blkio-weight")
		if n < 0 || n > 1<<16-1 {
			return invalidValue(strconv.Itoa(n), "--blkio-weight", "value out of range")
		}
		l.BlkioWeight = uint16(n)
	}
	return container.CheckLimits(*l)
}

// setCgroup reads the limits of run and create.
func setCgroup(c *cli.Context, r *container.Record) error {
	l := &r.Limits.Cgroup
	for _, f := range []struct{ flag, key string }{
		{"device-read-bps", "rbps"}, {"device-read-iops", "riops"}, {"device-write-bps", "wbps"}, {"device-write-iops", "wiops"},
	} {
		for _, v := range c.StringSlice(f.flag) {
			rate, err := flags.ParseRate(v, f.key)
			if err != nil {
				return invalidValue(v, "--"+f.flag, err)
			}
			if err := cgroup.CheckDevice(rate.Device); err != nil {
				return err
			}
			l.IO = append(l.IO, rate)
		}
	}
	if n := c.Int("memory-swappiness"); c.IsSet("memory-swappiness") && (n < -1 || n > 100) {
		return cliErrorf("invalid value: %d. Valid memory swappiness range is 0-100", n)
	}
	if p := c.String("cgroup-parent"); p != "" {
		if !strings.HasSuffix(p, ".slice") || strings.Contains(p, "/") {
			return fmt.Errorf("cgroup-parent for systemd cgroup should be a valid slice named as \"xxx.slice\"")
		}
		r.Limits.CgroupParent = p
	}
	return readLimits(c, l)
}

// instead is what is done about a limit without its controller.
var instead = map[string]string{
	"cpu":    "Limitation discarded.",
	"cpuset": "The CPUs are set by affinity, which programs in the container can change; memory nodes are not limited.",
	"io":     "Limitation discarded.",
	"memory": "The supervisor looks four times a second, and kills the largest process when there are more bytes in use; swap and reservation are not limited.",
	"pids":   "The limit is for each user of the container on its own (RLIMIT_NPROC), and approximate.",
}

// warnLimits says which limits this host cannot give, and what is done in
// their place.
func warnLimits(e *env, c *cli.Context, l cgroup.Limits) {
	have, delegated := availableControllers()
	missing := l.Missing(have)
	for _, name := range missing {
		fmt.Fprintf(e.stderr, "WARNING: the cgroup controller %q is not delegated to you. %s\n", name, instead[name])
	}
	if len(missing) > 0 && !delegated {
		fmt.Fprintln(e.stderr, "hint: "+delegationHint)
	}
	if c.IsSet("memory-swappiness") && c.Int("memory-swappiness") >= 0 {
		fmt.Fprintln(e.stderr, "WARNING: cgroup v2 has no memory swappiness. Memory swappiness discarded.")
	}
	if len(c.StringSlice("blkio-weight-device")) > 0 {
		fmt.Fprintln(e.stderr, "WARNING: Your kernel does not support Block I/O weight_device or the cgroup is not mounted. Weight-device discarded.")
	}
	if c.Bool("oom-kill-disable") {
		fmt.Fprintln(e.stderr, "WARNING: cgroup v2 cannot disable the OOM killer. OomKillDisable discarded.")
	}
}

const delegationHint = "limits need a part of the cgroup v2 tree of your own: a systemd user session (loginctl), a unit with Delegate=yes, or a directory of /sys/fs/cgroup that the administrator gave you"

// availableControllers are the controllers that a container's cgroup would
// have, and whether there would be one at all.
func availableControllers() (names []string, delegated bool) {
	if t, err := cgroup.Find(); err == nil {
		return t.Controllers(), true
	}
	names = cgroup.ScopeControllers()
	return names, len(names) > 0
}
