// SPDX-License-Identifier: Apache-2.0

package container

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"

	"coracle/pkg/cgroup"
)

const minMemory = 6 << 20

// CheckLimits reports, in Docker's words, why limits cannot be meant.
func CheckLimits(l cgroup.Limits) error {
	for _, check := range []func(cgroup.Limits) error{checkMemory, checkCPU, checkSets} {
		if err := check(l); err != nil {
			return err
		}
	}
	if l.BlkioWeight > 0 && (l.BlkioWeight < 10 || l.BlkioWeight > 1000) {
		return errors.New("Range of blkio weight is from 10 to 1000")
	}
	return nil
}

func checkMemory(l cgroup.Limits) error {
	switch {
	case l.Memory != 0 && l.Memory < minMemory:
		return errors.New("Minimum memory limit allowed is 6MB")
	case l.Memory == 0 && l.MemorySwap > 0:
		return errors.New("You should always set the Memory limit when using Memoryswap limit, see usage")
	case l.MemorySwap > 0 && l.MemorySwap < l.Memory:
		return errors.New("Minimum memoryswap limit should be larger than memory limit, see usage")
	case l.MemorySwap < -1:
		return fmt.Errorf("invalid memory swap limit: %d", l.MemorySwap)
	case l.MemoryReservation != 0 && l.MemoryReservation < minMemory:
		return errors.New("Minimum memory reservation allowed is 6MB")
	case l.Memory > 0 && l.MemoryReservation > l.Memory:
		return errors.New("Minimum memory limit can not be less than memory reservation limit, see usage")
	}
	return nil
}

func checkCPU(l cgroup.Limits) error {
	cpus := int64(runtime.NumCPU())
	switch {
	case l.NanoCPUs != 0 && l.CPUPeriod != 0:
		return errors.New("Conflicting options: Nano CPUs and CPU Period cannot both be set")
	case l.NanoCPUs != 0 && l.CPUQuota != 0:
		return errors.New("Conflicting options: Nano CPUs and CPU Quota cannot both be set")
	case l.NanoCPUs < 0 || l.NanoCPUs > cpus*1e9 || l.NanoCPUs > 0 && l.NanoCPUs < 1e7:
		return fmt.Errorf("range of CPUs is from 0.01 to %d.00, as there are only %d CPUs available", cpus, cpus)
	case l.CPUShares < 0:
		return fmt.Errorf("invalid CPU shares (%d): value must be a positive integer", l.CPUShares)
	case l.CPUPeriod != 0 && (l.CPUPeriod < 1000 || l.CPUPeriod > 1_000_000):
		return errors.New("CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)")
	case l.CPUQuota > 0 && l.CPUQuota < 1000:
		return errors.New("CPU cfs quota can not be less than 1ms (i.e. 1000)")
	}
	return nil
}

func checkSets(l cgroup.Limits) error {
	for _, s := range []struct{ value, what, online string }{
		{l.CpusetCpus, "CPUs", "/sys/devices/system/cpu/online"},
		{l.CpusetMems, "memory nodes", "/sys/devices/system/node/online"},
	} {
		if s.value == "" {
			continue
		}
		asked, err := parseSet(s.value)
		if err != nil {
			return fmt.Errorf("Invalid value %s for cpuset %s", s.value, map[string]string{"CPUs": "cpus", "memory nodes": "mems"}[s.what])
		}
		data, err := os.ReadFile(s.online)
		if err != nil {
			continue // without sysfs the kernel decides
		}
		online := strings.TrimSpace(string(data))
		there, err := parseSet(online)
		if err != nil {
			continue
		}
		for n := range asked {
			if !there[n] {
				return fmt.Errorf("Requested %s are not available - requested %s, available: %s", s.what, s.value, online)
			}
		}
	}
	return nil
}

// maxSet bounds the numbers of a set: the kernel's NR_CPUS is at most 8192.
const maxSet = 8192

// parseSet reads a list like 0-3,5 (cpuset(7)).
func parseSet(text string) (map[int]bool, error) {
	set := map[int]bool{}
	for _, part := range strings.Split(text, ",") {
		first, last, ranged := strings.Cut(part, "-")
		if !ranged {
			last = first
		}
		from, err := strconv.ParseUint(first, 10, 16)
		if err != nil {
			return nil, err
		}
		to, err := strconv.ParseUint(last, 10, 16)
		if err != nil {
			return nil, err
		}
		if to < from || to > maxSet {
			return nil, fmt.Errorf("%q is not a range", part)
		}
		for n := from; n <= to; n++ {
			set[int(n)] = true
		}
	}
	return set, nil
}
