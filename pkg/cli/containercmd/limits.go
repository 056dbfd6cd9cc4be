// SPDX-License-Identifier: Apache-2.0

package containercmd

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/docker/go-units"
	"github.com/moby/moby/api/types/blkiodev"
	moby "github.com/moby/moby/api/types/container"
	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/command"
	"coracle/pkg/cli/flags"
	"coracle/pkg/docker"
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
		&cli.Int64Flag{Name: "memory-swappiness", Usage: "Tune container memory swappiness (0 to 100)", Value: -1},
		flags.Bool("oom-kill-disable", nil, "Disable OOM Killer"),
	)
}

// invalidValue is how the parser of flags refuses a value.
func invalidValue(value, flag string, cause any) error {
	return command.ExitWith(125, command.Errorf("invalid argument %q for %q flag: %v", value, flag, cause))
}

// askLimits takes the limits that were given.
func askLimits(c *cli.Context, r *moby.Resources) error {
	for _, f := range []struct {
		name, shown string
		to          *int64
	}{{"memory", "-m, --memory", &r.Memory}, {"memory-reservation", "--memory-reservation", &r.MemoryReservation}, {"memory-swap", "--memory-swap", &r.MemorySwap}} {
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
		n, err := docker.ParseCPUs(v)
		if err != nil {
			return invalidValue(v, "--cpus", err)
		}
		r.NanoCPUs = n
	}
	r.CPUPeriod, r.CPUQuota, r.CPUShares = c.Int64("cpu-period"), c.Int64("cpu-quota"), c.Int64("cpu-shares")
	r.CpusetCpus, r.CpusetMems = c.String("cpuset-cpus"), c.String("cpuset-mems")
	if c.IsSet("pids-limit") {
		n := c.Int64("pids-limit")
		r.PidsLimit = &n
	}
	n := c.Int("blkio-weight")
	if n < 0 || n > 1<<16-1 {
		return invalidValue(strconv.Itoa(n), "--blkio-weight", "value out of range")
	}
	r.BlkioWeight = uint16(n)
	return nil
}

// askCreateLimits takes the limits that only run and create set.
func askCreateLimits(c *cli.Context, h *docker.HostConfig) error {
	r := &h.Resources
	for _, f := range []struct {
		flag string
		to   *[]*blkiodev.ThrottleDevice
	}{
		{"device-read-bps", &r.BlkioDeviceReadBps}, {"device-read-iops", &r.BlkioDeviceReadIOps},
		{"device-write-bps", &r.BlkioDeviceWriteBps}, {"device-write-iops", &r.BlkioDeviceWriteIOps},
	} {
		for _, v := range c.StringSlice(f.flag) {
			rate, err := docker.ParseThrottle(v, strings.HasSuffix(f.flag, "bps"))
			if err != nil {
				return invalidValue(v, "--"+f.flag, err)
			}
			*f.to = append(*f.to, rate)
		}
	}
	for _, v := range c.StringSlice("blkio-weight-device") {
		weight, err := docker.ParseWeight(v)
		if err != nil {
			return invalidValue(v, "--blkio-weight-device", err)
		}
		r.BlkioWeightDevice = append(r.BlkioWeightDevice, weight)
	}
	if n := c.Int64("memory-swappiness"); c.IsSet("memory-swappiness") {
		r.MemorySwappiness = &n
	}
	if yes := c.Bool("oom-kill-disable"); yes {
		r.OomKillDisable = &yes
	}
	r.CgroupParent = c.String("cgroup-parent")
	if v := c.String("shm-size"); v != "" {
		n, err := units.RAMInBytes(v)
		if err != nil || n <= 0 {
			return invalidValue(v, "--shm-size", fmt.Sprintf("invalid size: '%s'", v))
		}
		h.ShmSize = n
	}
	for _, v := range c.StringSlice("ulimit") {
		u, err := units.ParseUlimit(v)
		if err != nil {
			return err
		}
		r.Ulimits = append(r.Ulimits, u)
	}
	h.OomScoreAdj = c.Int("oom-score-adj")
	var err error
	h.Sysctls, err = command.Pairs(c.StringSlice("sysctl"), func(kv string) error { return command.Errorf("invalid sysctl: %q", kv) })
	if err != nil {
		return err
	}
	return askLimits(c, r)
}
