// SPDX-License-Identifier: Apache-2.0

package cgroup

import (
	"fmt"
	"math"
	"slices"
	"strconv"
)

// Limits are what a group may use. Zero values set no limit.
type Limits struct {
	Memory            int64  `json:"memory,omitempty"`            // bytes
	MemorySwap        int64  `json:"memorySwap,omitempty"`        // bytes of memory and swap together; -1 is without limit
	MemoryReservation int64  `json:"memoryReservation,omitempty"` // bytes that are reclaimed last
	NanoCPUs          int64  `json:"nanoCpus,omitempty"`          // CPUs times 10⁹
	CPUPeriod         int64  `json:"cpuPeriod,omitempty"`         // µs
	CPUQuota          int64  `json:"cpuQuota,omitempty"`          // µs in a period; -1 is without limit
	CPUShares         int64  `json:"cpuShares,omitempty"`         // relative, 1024 is normal
	CpusetCpus        string `json:"cpusetCpus,omitempty"`        // 0-3,5
	CpusetMems        string `json:"cpusetMems,omitempty"`
	PidsLimit         int64  `json:"pidsLimit,omitempty"`   // processes and threads; -1 is without limit
	BlkioWeight       uint16 `json:"blkioWeight,omitempty"` // 10 to 1000
	IO                []Rate `json:"io,omitempty"`
}

// Rate bounds the use of one block device.
type Rate struct {
	Device string `json:"device"` // path on the host
	Key    string `json:"key"`    // of io.max: rbps, wbps, riops or wiops
	Value  uint64 `json:"value"`  // bytes or operations per second
}

// defaultPids bounds what a container without a limit of its own may fork.
const defaultPids = 2048

// defaultPeriod is the kernel's period of CPU quotas.
const defaultPeriod = 100_000 // µs

// setting is one write to one file.
type setting struct{ controller, file, value string }

// settings are the writes that bring limits about.
func (l Limits) settings() ([]setting, error) {
	list := append(l.memory(), l.cpu()...)
	add := func(controller, file, value string) {
		if value != "" {
			list = append(list, setting{controller, file, value})
		}
	}
	add("cpuset", "cpuset.cpus", l.CpusetCpus)
	add("cpuset", "cpuset.mems", l.CpusetMems)
	switch {
	case l.PidsLimit > 0:
		add("pids", "pids.max", strconv.FormatInt(l.PidsLimit, 10))
	case l.PidsLimit < 0:
		add("pids", "pids.max", "max")
	}
	if l.BlkioWeight > 0 {
		// The range of io.weight is 1 to 10000.
		add("io", "io.weight", strconv.FormatUint(1+(uint64(l.BlkioWeight)-10)*9999/990, 10))
	}
	for _, r := range l.IO {
		dev, err := deviceNumber(r.Device)
		if err != nil {
			return nil, err
		}
		add("io", "io.max", fmt.Sprintf("%s %s=%d", dev, r.Key, r.Value))
	}
	return list, nil
}

func (l Limits) memory() (list []setting) {
	if l.Memory > 0 {
		swap := strconv.FormatInt(max(l.MemorySwap-l.Memory, 0), 10)
		switch l.MemorySwap {
		case 0: // Docker's default: as much again
			swap = strconv.FormatInt(l.Memory, 10)
		case -1:
			swap = "max"
		}
		list = append(list, setting{"memory", "memory.max", strconv.FormatInt(l.Memory, 10)}, setting{"memory", "memory.swap.max", swap})
	}
	if l.MemoryReservation > 0 {
		list = append(list, setting{"memory", "memory.low", strconv.FormatInt(l.MemoryReservation, 10)})
	}
	return list
}

func (l Limits) cpu() (list []setting) {
	period := l.CPUPeriod
	if period == 0 {
		period = defaultPeriod
	}
	quota := "max"
	switch {
	case l.NanoCPUs > 0:
		quota = strconv.FormatInt(l.NanoCPUs*period/1e9, 10)
	case l.CPUQuota > 0:
		quota = strconv.FormatInt(l.CPUQuota, 10)
	}
	if quota != "max" || l.CPUPeriod > 0 || l.CPUQuota < 0 {
		list = append(list, setting{"cpu", "cpu.max", quota + " " + strconv.FormatInt(period, 10)})
	}
	if l.CPUShares > 0 {
		list = append(list, setting{"cpu", "cpu.weight", strconv.FormatUint(cpuWeight(l.CPUShares), 10)})
	}
	return list
}

// cpuWeight turns shares, 2 to 262144 with 1024 as the normal, into weights, 1
// to 10000 with 100 as the normal, along the curve through these three points
// that OCI runtimes have agreed on.
func cpuWeight(shares int64) uint64 {
	switch {
	case shares <= 2:
		return 1
	case shares >= 262144:
		return 10000
	}
	x := math.Log2(float64(shares))
	return uint64(math.Ceil(math.Pow(10, (x*x+125*x)/612-7.0/34)))
}

// Controllers names the controllers that the limits need, sorted.
func (l Limits) Controllers() []string {
	var names []string
	list, _ := l.settings()
	for _, s := range list {
		names = append(names, s.controller)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Missing names the controllers that the limits need and that are not among
// have, sorted.
func (l Limits) Missing(have []string) []string {
	return slices.DeleteFunc(l.Controllers(), func(c string) bool { return slices.Contains(have, c) })
}
