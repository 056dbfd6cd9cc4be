// SPDX-License-Identifier: Apache-2.0

package docker

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	moby "github.com/moby/moby/api/types/container"

	"coracle/pkg/cdi"
	"coracle/pkg/container"
	"coracle/pkg/oci/spec"
)

// ofContainer begins a mode that is another container's namespace.
const ofContainer = "container:"

// setNamespaces takes the modes of the namespaces: a container's own, the host's, or
// for some of them another container's.
func (d *draft) setNamespaces() error {
	f, h := &d.rec.Safety, &d.req.HostConfig
	for _, o := range []struct {
		flag, kind, own, value string
		host                   *bool
	}{
		{"pid", "PID", "", string(h.PidMode), &f.HostPID}, {"uts", "UTS", "", string(h.UTSMode), &f.HostUTS},
		{"cgroupns", "CGROUP", "private", string(h.CgroupnsMode), &f.HostCgroup},
	} {
		switch {
		case o.value == "", o.value == o.own:
		case o.value == "host":
			*o.host = true
		case o.flag == "pid" && h.PidMode.Container() != "":
		default:
			return invalid("--%s: invalid %s mode", o.flag, o.kind)
		}
	}
	switch v := h.IpcMode; {
	case v.IsEmpty(), v.IsPrivate():
	case v.IsShareable():
		f.ShareableIPC = true
	case v.IsHost():
		f.HostIPC = true
	case v.IsNone():
		f.NoShm = true
	case v.IsContainer():
	default:
		return invalid("invalid IPC mode: %s", v)
	}
	var err error
	if h.PidMode.IsContainer() {
		f.PIDOf, err = d.neighbour(h.PidMode.Container())
	}
	if err == nil && h.IpcMode.IsContainer() {
		f.IPCOf, err = d.neighbour(h.IpcMode.Container())
	}
	return err
}

// neighbour is the ID of a container whose namespace is to be joined. Whether it
// runs is asked at the start.
func (d *draft) neighbour(ref string) (string, error) {
	other, err := d.w.Container(ref)
	if Missing(err) {
		return "", invalid("%w", err) // of the request, as in Docker: the address names another
	}
	if err != nil {
		return "", err
	}
	return other.ID, nil
}

// EffectiveCapabilities are lists of capabilities to add and to drop as Docker's command
// line sends them, sorted: by their whole names, each once, and without dropping what is
// added.
func EffectiveCapabilities(add, drop []string) (adds, drops []string) {
	adds, drops = NormalCapabilities(add), NormalCapabilities(drop)
	for _, list := range []*[]string{&adds, &drops} {
		if slices.Contains(*list, "ALL") {
			*list = []string{"ALL"}
		}
	}
	return adds, slices.DeleteFunc(drops, func(name string) bool { return slices.Contains(adds, name) })
}

// NormalCapabilities are the whole names of capabilities, sorted, each once.
func NormalCapabilities(list []string) (names []string) {
	for _, name := range list {
		name = strings.ToUpper(strings.TrimSpace(name))
		if name != "ALL" && !strings.HasPrefix(name, "CAP_") {
			name = "CAP_" + name
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// setSafety takes what the container is kept from, and what it is let near.
func (d *draft) setSafety() error {
	f, h := &d.rec.Safety, &d.req.HostConfig
	f.CapAdd, f.CapDrop = h.CapAdd, h.CapDrop
	if _, err := spec.Capabilities(f.CapAdd, f.CapDrop, false); err != nil {
		return invalid("%w", err)
	}
	f.Privileged, f.ReadOnlyRootfs = h.Privileged, h.ReadonlyRootfs
	for _, v := range h.Devices {
		if cdi.IsName(v.PathOnHost) { // setDeviceRequests
			continue
		}
		if err := d.addDevice(v); err != nil {
			return err
		}
	}
	for _, o := range h.SecurityOpt {
		if err := securityOption(f, o); err != nil {
			return err
		}
	}
	return nil
}

// addDevice takes nodes of the host that the user may open.
func (d *draft) addDevice(v moby.DeviceMapping) error {
	dev := container.Device{Source: v.PathOnHost, Target: v.PathInContainer, Permissions: v.CgroupPermissions}
	if dev.Target == "" {
		dev.Target = dev.Source
	}
	if dev.Permissions == "" {
		dev.Permissions = "rwm"
	}
	if err := dev.Check(); err != nil {
		return invalid("%w", err)
	}
	list, err := d.w.Devices(dev)
	if err != nil {
		return err
	}
	if dev.Permissions != "rwm" {
		d.warn("--device %s: the permissions have no effect: only root may set rules for devices", deviceText(v))
	}
	for _, n := range list {
		if d.w.OutOfReach(n) {
			d.warn("--device %s: you may open it as a member of its group, and a container's processes are not in that", n.Source)
		}
	}
	d.rec.Safety.Devices = append(d.rec.Safety.Devices, list...)
	return nil
}

// deviceText is a device in the form of --device.
func deviceText(v moby.DeviceMapping) string {
	text := v.PathOnHost
	if v.PathInContainer != "" && v.PathInContainer != v.PathOnHost {
		text += ":" + v.PathInContainer
	}
	return text + ":" + v.CgroupPermissions
}

// ParseDevice reads the text that people write for a device:
// SOURCE[:TARGET][:PERMISSIONS].
func ParseDevice(spec string) (moby.DeviceMapping, error) {
	d, err := container.ParseDevice(spec)
	if err != nil {
		return moby.DeviceMapping{}, invalid("%w", err)
	}
	return moby.DeviceMapping{PathOnHost: d.Source, PathInContainer: d.Target, CgroupPermissions: d.Permissions}, nil
}

// securityOption takes one of SecurityOpt. A profile for seccomp is the text of
// it: clients read the file.
func securityOption(f *container.Safety, o string) error {
	i := strings.IndexAny(o, "=:")
	key, val := o, ""
	if i >= 0 {
		key, val = o[:i], o[i+1:]
	}
	switch {
	case key == "no-new-privileges":
		b, err := strconv.ParseBool(val)
		if val != "" && err != nil {
			return invalid("invalid --security-opt 2: %q", o)
		}
		f.NoNewPrivs = val == "" || b
	case key == "seccomp" && (val == "unconfined" || val == "builtin"):
		f.Seccomp = strings.TrimSuffix(val, "builtin")
	case key == "seccomp":
		if !json.Valid([]byte(val)) {
			return invalid("Decoding seccomp profile failed: it is no JSON")
		}
		f.Seccomp = val
	case o == "systempaths=unconfined":
		f.UnmaskPaths = true
	case key == "label" && val == "disable", key == "apparmor" && val == "unconfined":
		// There is no label to disable: neither can be set without root.
	case key == "label", key == "apparmor":
		return refuse(NotSupported, "--security-opt %s is not supported without root", o)
	case i < 0:
		return invalid("Invalid --security-opt: %q", o)
	default:
		return invalid("invalid --security-opt 2: %q", o)
	}
	return nil
}
