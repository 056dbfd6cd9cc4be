// SPDX-License-Identifier: Apache-2.0

package cgroup

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestSettings(t *testing.T) {
	for _, tt := range []struct {
		name string
		l    Limits
		want string
	}{
		{"none", Limits{}, ""},
		{"memory and as much swap", Limits{Memory: 64 << 20}, "memory.max=67108864 memory.swap.max=67108864"},
		{"swap in the total", Limits{Memory: 64 << 20, MemorySwap: 96 << 20}, "memory.max=67108864 memory.swap.max=33554432"},
		{"no swap", Limits{Memory: 64 << 20, MemorySwap: 64 << 20}, "memory.max=67108864 memory.swap.max=0"},
		{"swap without limit", Limits{Memory: 64 << 20, MemorySwap: -1}, "memory.max=67108864 memory.swap.max=max"},
		{"reservation", Limits{MemoryReservation: 8 << 20}, "memory.low=8388608"},
		{"CPUs", Limits{NanoCPUs: 1_500_000_000}, "cpu.max=150000 100000"},
		{"quota", Limits{CPUQuota: 20000, CPUPeriod: 40000}, "cpu.max=20000 40000"},
		{"quota without limit", Limits{CPUQuota: -1}, "cpu.max=max 100000"},
		{"normal shares", Limits{CPUShares: 1024}, "cpu.weight=100"},
		{"sets", Limits{CpusetCpus: "0-1", CpusetMems: "0"}, "cpuset.cpus=0-1 cpuset.mems=0"},
		{"processes", Limits{PidsLimit: 7}, "pids.max=7"},
		{"processes without limit", Limits{PidsLimit: -1}, "pids.max=max"},
		{"least weight", Limits{BlkioWeight: 10}, "io.weight=1"},
		{"greatest weight", Limits{BlkioWeight: 1000}, "io.weight=10000"},
	} {
		list, err := tt.l.settings()
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, s := range list {
			got = append(got, s.file+"="+s.value)
			if !strings.HasPrefix(s.file, s.controller+".") {
				t.Errorf("%s: %s does not belong to controller %s", tt.name, s.file, s.controller)
			}
		}
		if g := strings.Join(got, " "); g != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, g, tt.want)
		}
	}
}

// TestWeights checks the ends and the middle of the curve, and that it rises.
func TestWeights(t *testing.T) {
	for shares, want := range map[int64]uint64{0: 1, 2: 1, 1024: 100, 262144: 10000, 1 << 40: 10000} {
		if got := cpuWeight(shares); got != want {
			t.Errorf("weight of %d shares: %d, want %d", shares, got, want)
		}
	}
	last := uint64(0)
	for s := int64(2); s <= 262144; s += 97 {
		w := cpuWeight(s)
		if w < last || w > 10000 {
			t.Fatalf("weight of %d shares: %d after %d", s, w, last)
		}
		last = w
	}
}

func TestMissing(t *testing.T) {
	l := Limits{Memory: 64 << 20, NanoCPUs: 1e9, CpusetCpus: "0", PidsLimit: 3}
	if got := l.Missing([]string{"memory", "pids"}); !slices.Equal(got, []string{"cpu", "cpuset"}) {
		t.Errorf("missing: %v", got)
	}
	if got := (Limits{}).Missing(nil); len(got) != 0 {
		t.Errorf("missing without limits: %v", got)
	}
}

func TestUnescape(t *testing.T) {
	for in, want := range map[string]string{"/sys/fs/cgroup": "/sys/fs/cgroup", `/a\040b\134c`: `/a b\c`, `\04`: `\04`, `\999`: `\999`} {
		if got := unescape(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestDeviceNumber(t *testing.T) {
	for _, path := range []string{"/dev/null", "/nosuch"} {
		if n, err := deviceNumber(path); err == nil {
			t.Errorf("%s is block device %s", path, n)
		}
	}
}

func ExampleLimits_Controllers() {
	fmt.Println(Limits{Memory: 1 << 30, PidsLimit: 100}.Controllers())
	// Output: [memory pids]
}
