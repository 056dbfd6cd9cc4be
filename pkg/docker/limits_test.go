// SPDX-License-Identifier: Apache-2.0

package docker

import (
	"strings"
	"testing"

	"coracle/pkg/cgroup"
)

func TestCheckLimits(t *testing.T) {
	for _, tt := range []struct {
		l    cgroup.Limits
		want string
	}{
		{cgroup.Limits{}, ""},
		{cgroup.Limits{Memory: 6 << 20, MemorySwap: -1}, ""},
		{cgroup.Limits{Memory: 6<<20 - 1}, "Minimum memory limit allowed is 6MB"},
		{cgroup.Limits{Memory: 8 << 20, MemorySwap: 7 << 20}, "Minimum memoryswap limit should be larger than memory limit, see usage"},
		{cgroup.Limits{MemorySwap: 8 << 20}, "You should always set the Memory limit when using Memoryswap limit, see usage"},
		{cgroup.Limits{MemoryReservation: 1}, "Minimum memory reservation allowed is 6MB"},
		{cgroup.Limits{Memory: 8 << 20, MemoryReservation: 9 << 20}, "Minimum memory limit can not be less than memory reservation limit, see usage"},
		{cgroup.Limits{NanoCPUs: 1e9, CPUPeriod: 1000}, "Conflicting options: Nano CPUs and CPU Period cannot both be set"},
		{cgroup.Limits{NanoCPUs: 1e9, CPUQuota: 1000}, "Conflicting options: Nano CPUs and CPU Quota cannot both be set"},
		{cgroup.Limits{NanoCPUs: 1}, "range of CPUs is from 0.01 to "},
		{cgroup.Limits{NanoCPUs: 1e15}, "range of CPUs is from 0.01 to "},
		{cgroup.Limits{CPUShares: -1}, "invalid CPU shares (-1): value must be a positive integer"},
		{cgroup.Limits{CPUPeriod: 999}, "CPU cfs period can not be less than 1ms"},
		{cgroup.Limits{CPUQuota: 999}, "CPU cfs quota can not be less than 1ms"},
		{cgroup.Limits{CpusetCpus: "a"}, "Invalid value a for cpuset cpus"},
		{cgroup.Limits{CpusetMems: "1-0"}, "Invalid value 1-0 for cpuset mems"},
		{cgroup.Limits{CpusetCpus: "8191"}, "Requested CPUs are not available - requested 8191, available: "},
		{cgroup.Limits{BlkioWeight: 9}, "Range of blkio weight is from 10 to 1000"},
		{cgroup.Limits{BlkioWeight: 1001}, "Range of blkio weight is from 10 to 1000"},
	} {
		err := checkLimits(tt.l, testWorld())
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.HasPrefix(err.Error(), tt.want)) {
			t.Errorf("%+v: %v, want %q", tt.l, err, tt.want)
		}
	}
}

// FuzzSet checks that a set never holds what its text does not name.
func FuzzSet(f *testing.F) {
	for _, s := range []string{"0", "0-3,5", "1-0", "", ",", "0-", "-1", "99999", "8192", "0-8192", "１"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		set, err := parseSet(text)
		if err != nil {
			return
		}
		if len(set) == 0 || strings.Trim(text, "0123456789-,") != "" {
			t.Errorf("%q is a set of %d", text, len(set))
		}
		for n := range set {
			if n < 0 || n > maxSet {
				t.Errorf("%q holds %d", text, n)
			}
		}
	})
}
