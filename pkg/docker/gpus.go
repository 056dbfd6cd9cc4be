// SPDX-License-Identifier: Apache-2.0

package docker

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	moby "github.com/moby/moby/api/types/container"

	"coracle/pkg/cdi"
	"coracle/pkg/container"
)

// DriverCDI is the driver of devices that are asked for by the names that
// specification files describe (package cdi).
const DriverCDI = "cdi"

// gpuKinds are those that a request for GPUs is answered with, as in Docker, by the
// driver that has them. The first that there are devices of counts.
var gpuKinds = []struct{ driver, kind string }{{"nvidia", "nvidia.com/gpu"}, {"amd", "amd.com/gpu"}}

const allDevices = "all" // by vendors' custom, the name of all devices together

// ParseGPUs reads the value of --gpus: all, a number, or fields as in
// "device=0,2",capabilities=utility.
func ParseGPUs(v string) (moby.DeviceRequest, error) {
	r := moby.DeviceRequest{Capabilities: [][]string{{"gpu"}}, Options: map[string]string{}}
	fields, err := csv.NewReader(strings.NewReader(v)).Read()
	if err != nil {
		return r, err
	}
	seen := map[string]bool{}
	for _, f := range fields {
		key, val, has := strings.Cut(f, "=")
		if seen[key] {
			return r, fmt.Errorf("gpu request key '%s' can be specified only once", key)
		}
		seen[key] = true
		if !has {
			key, val, seen["count"] = "count", key, true
		}
		switch key {
		case "count":
			r.Count, err = parseCount(val)
		case "driver":
			r.Driver = val
		case "device":
			r.DeviceIDs = strings.Split(val, ",")
		case "capabilities":
			r.Capabilities = [][]string{append(strings.Split(val, ","), "gpu")}
		case "options":
			err = parseOptions(val, r.Options)
		default:
			return r, fmt.Errorf("unexpected key '%s' in '%s'", key, f)
		}
		if err != nil {
			return r, err
		}
	}
	if !seen["count"] && r.DeviceIDs == nil {
		r.Count = 1
	}
	return r, nil
}

// parseCount reads all, which is -1, or a number.
func parseCount(v string) (int, error) {
	if v == "all" {
		return -1, nil
	}
	n, err := strconv.Atoi(v)
	if err != nil {
		return 0, fmt.Errorf(`invalid count (%s): value must be either "all" or an integer: %w`, v, errors.Unwrap(err))
	}
	return n, nil
}

func parseOptions(v string, to map[string]string) error {
	pairs, err := csv.NewReader(strings.NewReader(v)).Read()
	if err != nil {
		return fmt.Errorf("failed to read gpu options: %w", err)
	}
	for _, p := range pairs {
		key, val, _ := strings.Cut(p, "=")
		to[key] = val
	}
	return nil
}

// setDeviceRequests finds the names that requests for devices come to, and refuses
// what no file describes. Later starts look the names up again.
func (d *draft) setDeviceRequests() error {
	h := &d.req.HostConfig
	asked := slices.Clone(h.DeviceRequests)
	for _, v := range h.Devices { // older clients know no other way
		if cdi.IsName(v.PathOnHost) {
			asked = append(asked, moby.DeviceRequest{Driver: DriverCDI, DeviceIDs: []string{v.PathOnHost}})
		}
	}
	if len(asked) == 0 {
		return nil
	}
	files := d.w.CDI()
	f := &d.rec.Safety
	f.SpecDirs = files.Dirs()
	for _, r := range asked {
		names, err := deviceNames(files, r)
		if err != nil {
			return err
		}
		f.DeviceRequests = append(f.DeviceRequests, container.DeviceRequest{
			Driver: r.Driver, Count: r.Count, IDs: r.DeviceIDs, Capabilities: r.Capabilities, Options: r.Options, Names: names,
		})
	}
	edits, err := files.Resolve(f.Injected())
	if err != nil {
		return refuse(Failure, "CDI device injection failed: %w", err)
	}
	for _, n := range edits.Nodes {
		dev := container.Device{Source: n.Source, Target: n.Target, Permissions: n.Permissions}
		if _, err := d.w.Devices(dev); errors.Is(err, fs.ErrPermission) {
			d.warn("--device %s: you may not open it: permission denied", n.Source)
		}
		if d.w.OutOfReach(dev) {
			d.warn("--device %s: you may open it as a member of its group, and a container's processes are not in that", n.Source)
		}
	}
	return nil
}

// deviceNames are the names of a request, or Docker's refusal where nobody has such
// devices.
func deviceNames(files *cdi.Registry, r moby.DeviceRequest) ([]string, error) {
	if r.Driver == DriverCDI {
		return r.DeviceIDs, nil
	}
	if r.Count != 0 && len(r.DeviceIDs) > 0 {
		return nil, invalid("cannot set both Count and DeviceIDs on device request")
	}
	for _, k := range gpuKinds {
		have := files.Of(k.kind)
		if len(have) == 0 || r.Driver != "" && r.Driver != k.driver || !wantsGPUs(r) {
			continue
		}
		return qualified(k.kind, pick(have, r)), nil
	}
	return nil, &Refusal{
		Kind: Failure, Message: fmt.Sprintf("could not select device driver %q with capabilities: %v", r.Driver, r.Capabilities),
		Remedy: "no CDI specification of nvidia.com/gpu or amd.com/gpu was found: nvidia-ctk cdi generate --output=$HOME/.config/cdi/nvidia.yaml makes one; or give the nodes by --device",
	}
}

// wantsGPUs reports whether one of the lists of a request is about GPUs. What else
// is in it (utility, compute) a vendor's file has, or not.
func wantsGPUs(r moby.DeviceRequest) bool {
	return slices.ContainsFunc(r.Capabilities, func(and []string) bool { return slices.Contains(and, "gpu") })
}

// pick are the devices that are asked for by name, number or all of them.
func pick(have []string, r moby.DeviceRequest) []string {
	switch {
	case len(r.DeviceIDs) > 0:
		return r.DeviceIDs
	case r.Count < 0 && slices.Contains(have, allDevices):
		return []string{allDevices}
	case r.Count < 0:
		return have
	}
	var names []string
	for i := range r.Count {
		if i >= len(have) { // it is said of the first that is not there
			return append(names, strconv.Itoa(i))
		}
		names = append(names, strconv.Itoa(i))
	}
	return names
}

func qualified(kind string, devices []string) []string {
	var names []string
	for _, d := range devices {
		if !cdi.IsName(d) {
			d = kind + "=" + d
		}
		names = append(names, d)
	}
	return names
}
