// SPDX-License-Identifier: Apache-2.0

package convert

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/go-units"
	"github.com/moby/moby/api/types/blkiodev"
	moby "github.com/moby/moby/api/types/container"

	"coracle/pkg/docker"
)

// Resources are a service's limits and devices.
func Resources(s types.ServiceConfig) moby.Resources {
	var q docker.CreateRequest
	setResources(&q, s)
	return q.HostConfig.Resources
}

// setResources takes limits and devices: those of deploy win. What Keys names is left out, or
// it would be named once more for each container.
func setResources(q *docker.CreateRequest, s types.ServiceConfig) {
	r := &q.HostConfig.Resources
	r.CgroupParent, r.CpusetCpus, r.DeviceCgroupRules = s.CgroupParent, s.CPUSet, s.DeviceCgroupRules
	r.Memory, r.MemorySwap, r.MemoryReservation = int64(s.MemLimit), int64(s.MemSwapLimit), int64(s.MemReservation)
	r.CPUCount, r.CPUPeriod, r.CPUQuota, r.CPUShares = s.CPUCount, s.CPUPeriod, s.CPUQuota, s.CPUShares
	r.CPURealtimePeriod, r.CPURealtimeRuntime = s.CPURTPeriod, s.CPURTRuntime
	r.CPUPercent, r.NanoCPUs = int64(s.CPUPercent*100), nano(s.CPUS)
	if s.PidsLimit != 0 {
		r.PidsLimit = &s.PidsLimit
	}
	setBlkio(r, s.BlkioConfig)
	setDeploy(r, s.Deploy)
	for _, d := range s.Devices {
		r.Devices = append(r.Devices, moby.DeviceMapping{PathOnHost: d.Source, PathInContainer: d.Target, CgroupPermissions: d.Permissions})
	}
	for _, g := range s.Gpus {
		if !slices.Contains(g.Capabilities, "gpu") {
			g.Capabilities = append(slices.Clone(g.Capabilities), "gpu")
		}
		r.DeviceRequests = append(r.DeviceRequests, deviceRequest(g))
	}
	for _, name := range slices.Sorted(maps.Keys(s.Ulimits)) {
		u := s.Ulimits[name]
		l := &units.Ulimit{Name: name, Soft: int64(u.Single), Hard: int64(u.Single)}
		if u.Single == 0 {
			l.Soft, l.Hard = int64(u.Soft), int64(u.Hard)
		}
		r.Ulimits = append(r.Ulimits, l)
	}
}

// nano is a number of CPUs as Docker counts them. A file's number is of 32 bits,
// of which 0.1 is none.
func nano(cpus float32) int64 { return int64(math.Round(float64(cpus)*1e6)) * 1e3 }

func setDeploy(r *moby.Resources, d *types.DeployConfig) {
	if d == nil {
		return
	}
	if l := d.Resources.Limits; l != nil {
		if l.MemoryBytes != 0 {
			r.Memory = int64(l.MemoryBytes)
		}
		if l.NanoCPUs != 0 {
			r.NanoCPUs = nano(float32(l.NanoCPUs))
		}
		if l.Pids > 0 {
			r.PidsLimit = &l.Pids
		}
	}
	if v := d.Resources.Reservations; v != nil {
		if v.MemoryBytes != 0 {
			r.MemoryReservation = int64(v.MemoryBytes)
		}
		for _, dev := range v.Devices {
			r.DeviceRequests = append(r.DeviceRequests, deviceRequest(dev))
		}
	}
}

func deviceRequest(d types.DeviceRequest) moby.DeviceRequest {
	q := moby.DeviceRequest{Driver: d.Driver, Count: int(d.Count), DeviceIDs: d.IDs, Capabilities: [][]string{d.Capabilities}, Options: d.Options}
	if q.Count == 0 && len(q.DeviceIDs) == 0 {
		q.Count = -1
	}
	return q
}

func setBlkio(r *moby.Resources, b *types.BlkioConfig) {
	if b == nil {
		return
	}
	r.BlkioWeight = b.Weight
	throttle := func(list []types.ThrottleDevice) (all []*blkiodev.ThrottleDevice) {
		for _, d := range list {
			all = append(all, &blkiodev.ThrottleDevice{Path: d.Path, Rate: uint64(d.Rate)})
		}
		return all
	}
	r.BlkioDeviceReadBps, r.BlkioDeviceReadIOps = throttle(b.DeviceReadBps), throttle(b.DeviceReadIOps)
	r.BlkioDeviceWriteBps, r.BlkioDeviceWriteIOps = throttle(b.DeviceWriteBps), throttle(b.DeviceWriteIOps)
}

// setSecurity takes security_opt, where a profile is the name of a file.
func setSecurity(q *docker.CreateRequest, p *types.Project, s types.ServiceConfig, o Options) error {
	for _, opt := range s.SecurityOpt {
		if opt == "systempaths=unconfined" {
			q.HostConfig.MaskedPaths, q.HostConfig.ReadonlyPaths = []string{}, []string{}
			continue
		}
		key, value, ok := strings.Cut(opt, "=")
		if !ok && key != "no-new-privileges" {
			if key, value, ok = strings.Cut(opt, ":"); !ok {
				return fmt.Errorf("invalid security-opt: %q", opt)
			}
		}
		if key == "seccomp" && value != "unconfined" {
			text, err := profile(p, value, o)
			if err != nil {
				return err
			}
			opt = "seccomp=" + text
		}
		q.HostConfig.SecurityOpt = append(q.HostConfig.SecurityOpt, opt)
	}
	return nil
}

func profile(p *types.Project, file string, o Options) (string, error) {
	if !filepath.IsAbs(file) {
		file = filepath.Join(p.WorkingDir, file)
	}
	data, err := o.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("opening seccomp profile (%s) failed: %w", file, err)
	}
	var text bytes.Buffer
	if err := json.Compact(&text, data); err != nil {
		return "", fmt.Errorf("compacting json for seccomp profile (%s) failed: %w", file, err)
	}
	return text.String(), nil
}

// address reads an address; an empty text is none.
func address(text string) (netip.Addr, error) {
	if text == "" {
		return netip.Addr{}, nil
	}
	a, err := netip.ParseAddr(text)
	if err != nil {
		return a, fmt.Errorf("invalid IP address: %s", text)
	}
	return a, nil
}
