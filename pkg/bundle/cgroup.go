// SPDX-License-Identifier: Apache-2.0

package bundle

import specs "github.com/opencontainers/runtime-spec/specs-go"

// cgroup returns the descriptor of the cgroup2 directory that the container is
// born in, or -1. It is the only place that looks at linux.cgroupsPath and
// linux.resources.
func (s *Store) cgroup(sp *specs.Spec) int {
	if limited(sp.Linux.Resources) {
		s.Warn("linux.resources: limits are not enforced, for no cgroup is delegated to this user")
	}
	return -1
}

// limited reports whether there is any limit. Rules for devices are none: a
// user namespace can make no device.
func limited(r *specs.LinuxResources) bool {
	if r == nil {
		return false
	}
	return r.Memory != nil && (r.Memory.Limit != nil || r.Memory.Reservation != nil || r.Memory.Swap != nil) ||
		r.CPU != nil && (r.CPU.Shares != nil || r.CPU.Quota != nil || r.CPU.Cpus != "" || r.CPU.Mems != "") ||
		r.Pids != nil && r.Pids.Limit != nil && *r.Pids.Limit > 0 || r.BlockIO != nil || len(r.HugepageLimits) > 0 || len(r.Unified) > 0
}
