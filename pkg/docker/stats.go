// SPDX-License-Identifier: Apache-2.0

package docker

import (
	moby "github.com/moby/moby/api/types/container"

	"coracle/pkg/container"
	nets "coracle/pkg/network"
)

// StatsResponse is what a container used (GET /containers/{id}/stats).
type StatsResponse = moby.StatsResponse

// Stats is the answer about a container of which this was counted now, and that
// before; nil is nothing, as of one that does not run. The use of the host's
// CPUs, which clients divide by, is the time that has passed on each of them since
// the container was started.
func Stats(c *container.Container, now, before *container.Usage, cpus int) StatsResponse {
	s := StatsResponse{ID: c.ID, Name: "/" + c.Name, OSType: "linux"}
	if before != nil {
		s.PreRead, s.PreCPUStats = before.At, cpuStats(c, before, cpus)
	}
	if now == nil {
		return s
	}
	s.Read, s.CPUStats = now.At, cpuStats(c, now, cpus)
	s.MemoryStats = moby.MemoryStats{Usage: now.Memory, Limit: now.MemoryLimit}
	s.PidsStats = moby.PidsStats{Current: now.Pids}
	if c.Limits.Cgroup.PidsLimit > 0 {
		s.PidsStats.Limit = uint64(c.Limits.Cgroup.PidsLimit)
	}
	s.BlkioStats.IoServiceBytesRecursive = []moby.BlkioStatEntry{{Op: "read", Value: now.Read}, {Op: "write", Value: now.Written}}
	if c.Net.Mode != nets.Host && c.Net.Mode != nets.None { // one interface, however many networks
		s.Networks = map[string]moby.NetworkStats{"eth0": {RxBytes: now.Received, TxBytes: now.Sent}}
	}
	return s
}

func cpuStats(c *container.Container, u *container.Usage, cpus int) moby.CPUStats {
	ran := max(0, u.At.Sub(c.State.StartedAt))
	return moby.CPUStats{
		CPUUsage: moby.CPUUsage{TotalUsage: uint64(u.CPU)}, OnlineCPUs: uint32(cpus), SystemUsage: uint64(ran) * uint64(cpus),
	}
}

// CPUShare is how many CPUs a container used between the two counts of an answer.
func CPUShare(s StatsResponse) float64 {
	now, before := s.CPUStats, s.PreCPUStats
	if s.PreRead.IsZero() || now.CPUUsage.TotalUsage <= before.CPUUsage.TotalUsage || now.SystemUsage <= before.SystemUsage {
		return 0
	}
	return float64(now.CPUUsage.TotalUsage-before.CPUUsage.TotalUsage) / float64(now.SystemUsage-before.SystemUsage) * float64(now.OnlineCPUs)
}

// Traffic is what a container has received and sent on all networks, and what it
// has read and written on block devices, in bytes.
func Traffic(s StatsResponse) (received, sent, read, written uint64) {
	for _, n := range s.Networks {
		received, sent = received+n.RxBytes, sent+n.TxBytes
	}
	for _, b := range s.BlkioStats.IoServiceBytesRecursive {
		switch b.Op {
		case "read":
			read += b.Value
		case "write":
			written += b.Value
		}
	}
	return received, sent, read, written
}
