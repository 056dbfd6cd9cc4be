// SPDX-License-Identifier: Apache-2.0

package docker

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/moby/moby/api/types/blkiodev"
	moby "github.com/moby/moby/api/types/container"

	"coracle/pkg/cgroup"
	"coracle/pkg/container"
	"coracle/pkg/hint"
)

// setLimits takes what bounds the container.
func (d *draft) setLimits() error {
	l, h := &d.rec.Limits, &d.req.HostConfig
	if l.ShmSize = h.ShmSize; l.ShmSize < 0 {
		return invalid("SHM size can not be less than 0")
	}
	for _, u := range h.Ulimits {
		if u != nil {
			l.Ulimits = append(l.Ulimits, container.Ulimit{Name: u.Name, Soft: u.Soft, Hard: u.Hard})
		}
	}
	for k := range h.Sysctls {
		if !NamespacedSysctl(k) {
			return invalid("sysctl '%s=%s' is not allowed", k, h.Sysctls[k])
		}
	}
	l.Sysctls = h.Sysctls
	if n := h.OomScoreAdj; n < -1000 || n > 1000 {
		return invalid("Invalid value %d, range for oom score adj is [-1000, 1000]", n)
	} else if n != 0 {
		l.OomScoreAdj = &n
	}
	if l.CgroupParent = h.CgroupParent; l.CgroupParent != "" && (!strings.HasSuffix(l.CgroupParent, ".slice") || strings.Contains(l.CgroupParent, "/")) {
		return invalid("cgroup-parent for systemd cgroup should be a valid slice named as \"xxx.slice\"")
	}
	for _, r := range throttles(&h.Resources) {
		for _, t := range *r.devices {
			if t == nil {
				continue
			}
			if err := d.w.CheckDisk(t.Path); err != nil {
				return invalid("%w", err)
			}
			l.Cgroup.IO = append(l.Cgroup.IO, cgroup.Rate{Device: t.Path, Key: r.key, Value: t.Rate})
		}
	}
	if err := changeLimits(&l.Cgroup, h.Resources, d.w); err != nil {
		return err
	}
	d.warnings = append(d.warnings, LimitWarnings(l.Cgroup, d.w)...)
	return nil
}

// throttles are the lists of a request that bound the use of devices, with their
// keys in io.max.
func throttles(r *moby.Resources) []throttle {
	return []throttle{
		{"rbps", &r.BlkioDeviceReadBps}, {"riops", &r.BlkioDeviceReadIOps}, {"wbps", &r.BlkioDeviceWriteBps}, {"wiops", &r.BlkioDeviceWriteIOps},
	}
}

type throttle struct {
	key     string
	devices *[]*blkiodev.ThrottleDevice
}

// changeLimits takes the limits that create and update share, where there are
// any, and checks what comes of it.
func changeLimits(l *cgroup.Limits, r moby.Resources, w World) error {
	for _, n := range []struct {
		to *int64
		is int64
	}{
		{&l.Memory, r.Memory}, {&l.MemoryReservation, r.MemoryReservation}, {&l.MemorySwap, r.MemorySwap}, {&l.NanoCPUs, r.NanoCPUs},
		{&l.CPUPeriod, r.CPUPeriod}, {&l.CPUQuota, r.CPUQuota}, {&l.CPUShares, r.CPUShares},
	} {
		if n.is != 0 {
			*n.to = n.is
		}
	}
	if r.PidsLimit != nil {
		if l.PidsLimit = *r.PidsLimit; l.PidsLimit <= 0 {
			l.PidsLimit = -1 // 0 and -1 are without limit
		}
	}
	if r.CpusetCpus != "" {
		l.CpusetCpus = r.CpusetCpus
	}
	if r.CpusetMems != "" {
		l.CpusetMems = r.CpusetMems
	}
	if r.BlkioWeight != 0 {
		l.BlkioWeight = r.BlkioWeight
	}
	return checkLimits(*l, w)
}

// UpdateRequest changes a container (POST /containers/{id}/update). What is zero
// stays.
type UpdateRequest = moby.UpdateConfig

// Update is what the limits and the restart policy of a container become.
func Update(c *container.Container, q UpdateRequest, w World) (cgroup.Limits, container.Restart, []Warning, error) {
	l, p := c.Limits.Cgroup, c.Life.Restart
	refused := func(err error) (cgroup.Limits, container.Restart, []Warning, error) {
		return c.Limits.Cgroup, p, nil, err
	}
	if err := refuseResources(q.Resources); err != nil {
		return refused(err)
	}
	if field := notUpdated(q.Resources); field != "" {
		return refused(refuse(NotSupported, "%s cannot be updated", field))
	}
	if q.NanoCPUs != 0 { // a quota in one form takes the place of the other
		l.CPUPeriod, l.CPUQuota = 0, 0
	}
	if err := changeLimits(&l, q.Resources, w); err != nil {
		return refused(err)
	}
	if q.RestartPolicy.Name != "" || q.RestartPolicy.MaximumRetryCount != 0 {
		next, err := restartOf(q.RestartPolicy)
		if err != nil {
			return refused(err)
		}
		if c.Life.AutoRemove && next.Name != "no" {
			return refused(invalid("Restart policy cannot be updated because AutoRemove is enabled for the container"))
		}
		p = next
	}
	return l, p, LimitWarnings(l, w), nil
}

// notUpdated is a field of a request that is for create alone, or "".
func notUpdated(r moby.Resources) string {
	for _, f := range []struct {
		name string
		set  bool
	}{
		{"CgroupParent", r.CgroupParent != ""}, {"Devices", len(r.Devices) > 0}, {"Ulimits", len(r.Ulimits) > 0},
		{"BlkioWeightDevice", len(r.BlkioWeightDevice) > 0}, {"MemorySwappiness", r.MemorySwappiness != nil}, {"OomKillDisable", r.OomKillDisable != nil},
		{"BlkioDeviceReadBps", len(r.BlkioDeviceReadBps) > 0}, {"BlkioDeviceWriteBps", len(r.BlkioDeviceWriteBps) > 0},
		{"BlkioDeviceReadIOps", len(r.BlkioDeviceReadIOps) > 0}, {"BlkioDeviceWriteIOps", len(r.BlkioDeviceWriteIOps) > 0},
	} {
		if f.set {
			return f.name
		}
	}
	return ""
}

// instead is what is done about a limit without its controller.
func instead(controller string) string {
	switch controller {
	case "cpuset":
		return "The CPUs are set by affinity, which programs in the container can change; memory nodes are not limited."
	case "memory":
		return "The supervisor looks four times a second, and kills the largest process when there are more bytes in use; swap and reservation are not limited."
	case "pids":
		return "The limit is for each user of the container on its own (RLIMIT_NPROC), and approximate."
	}
	return "Limitation discarded."
}

const delegationHint = "limits need a part of the cgroup v2 tree of your own: a systemd user session (loginctl), a unit with Delegate=yes, or a directory of /sys/fs/cgroup that the administrator gave you"

// LimitWarnings say which limits this host cannot give, and what is done in
// their place.
func LimitWarnings(l cgroup.Limits, w World) (list []Warning) {
	if len(l.Controllers()) == 0 {
		return nil
	}
	have, delegated := w.Controllers()
	for _, name := range l.Missing(have) {
		list = append(list, Warning{Text: fmt.Sprintf("the cgroup controller %q is not delegated to you. %s", name, instead(name))})
	}
	if len(list) > 0 && !delegated {
		list[len(list)-1].Hint = hint.Cgroup.After(delegationHint)
	}
	return list
}

// NamespacedSysctl reports whether a sysctl belongs to a namespace of the
// container: namespaces(7), "IPC" and "network".
func NamespacedSysctl(key string) bool {
	switch key {
	case "kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.sem", "kernel.shmall", "kernel.shmmax", "kernel.shmmni", "kernel.shm_rmid_forced":
		return true
	}
	return strings.HasPrefix(key, "net.") || strings.HasPrefix(key, "fs.mqueue.")
}

const minMemory = 6 << 20

// checkLimits reports, in Docker's words, why limits cannot be meant.
func checkLimits(l cgroup.Limits, w World) error {
	for _, check := range []func() error{func() error { return checkMemory(l) }, func() error { return checkCPU(l, w.CPUs) }, func() error { return checkSets(l, w.Online) }} {
		if err := check(); err != nil {
			return err
		}
	}
	if l.BlkioWeight > 0 && (l.BlkioWeight < 10 || l.BlkioWeight > 1000) {
		return invalid("Range of blkio weight is from 10 to 1000")
	}
	return nil
}

func checkMemory(l cgroup.Limits) error {
	switch {
	case l.Memory != 0 && l.Memory < minMemory:
		return invalid("Minimum memory limit allowed is 6MB")
	case l.Memory == 0 && l.MemorySwap > 0:
		return invalid("You should always set the Memory limit when using Memoryswap limit, see usage")
	case l.MemorySwap > 0 && l.MemorySwap < l.Memory:
		return invalid("Minimum memoryswap limit should be larger than memory limit, see usage")
	case l.MemorySwap < -1:
		return invalid("invalid memory swap limit: %d", l.MemorySwap)
	case l.MemoryReservation != 0 && l.MemoryReservation < minMemory:
		return invalid("Minimum memory reservation allowed is 6MB")
	case l.Memory > 0 && l.MemoryReservation > l.Memory:
		return invalid("Minimum memory limit can not be less than memory reservation limit, see usage")
	}
	return nil
}

func checkCPU(l cgroup.Limits, there int) error {
	cpus := int64(there)
	switch {
	case l.NanoCPUs != 0 && l.CPUPeriod != 0:
		return invalid("Conflicting options: Nano CPUs and CPU Period cannot both be set")
	case l.NanoCPUs != 0 && l.CPUQuota != 0:
		return invalid("Conflicting options: Nano CPUs and CPU Quota cannot both be set")
	case l.NanoCPUs < 0 || l.NanoCPUs > cpus*1e9 || l.NanoCPUs > 0 && l.NanoCPUs < 1e7:
		return invalid("range of CPUs is from 0.01 to %d.00, as there are only %d CPUs available", cpus, cpus)
	case l.CPUShares < 0:
		return invalid("invalid CPU shares (%d): value must be a positive integer", l.CPUShares)
	case l.CPUPeriod != 0 && (l.CPUPeriod < 1000 || l.CPUPeriod > 1_000_000):
		return invalid("CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)")
	case l.CPUQuota > 0 && l.CPUQuota < 1000:
		return invalid("CPU cfs quota can not be less than 1ms (i.e. 1000)")
	}
	return nil
}

func checkSets(l cgroup.Limits, online func(string) string) error {
	for _, s := range []struct{ value, what, set, short string }{{l.CpusetCpus, "CPUs", "cpu", "cpus"}, {l.CpusetMems, "memory nodes", "node", "mems"}} {
		if s.value == "" {
			continue
		}
		asked, err := parseSet(s.value)
		if err != nil {
			return invalid("Invalid value %s for cpuset %s", s.value, s.short)
		}
		text := online(s.set)
		there, err := parseSet(text)
		if err != nil {
			continue // without sysfs the kernel decides
		}
		for n := range asked {
			if !there[n] {
				return invalid("Requested %s are not available - requested %s, available: %s", s.what, s.value, text)
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
