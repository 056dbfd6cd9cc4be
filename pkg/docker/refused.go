// SPDX-License-Identifier: Apache-2.0

package docker

import (
	"slices"

	moby "github.com/moby/moby/api/types/container"

	"coracle/pkg/oci/spec"
)

// refuse goes through what can be asked for and not be given, and says what has
// no effect.
func (d *draft) refuse() error {
	h := &d.req.HostConfig
	if err := refuseResources(h.Resources); err != nil {
		return err
	}
	switch {
	case h.Cgroup != "":
		return refuse(NotSupported, "invalid cgroup mode: %s: containers share their network only", h.Cgroup)
	case len(h.StorageOpt) > 0:
		return refuse(NotSupported, "--storage-opt is supported only for overlay over xfs with 'pquota' mount option, which takes root")
	case h.VolumeDriver != "" && h.VolumeDriver != VolumeDriver:
		return noPlugin(h.VolumeDriver)
	case !h.Isolation.IsDefault():
		return invalid("invalid isolation '%s' on linux", h.Isolation)
	case d.req.NetworkDisabled:
		return &Refusal{Kind: NotSupported, Message: "NetworkDisabled is not supported", Remedy: "ask for the network none"}
	}
	if err := d.checkMasks(); err != nil {
		return err
	}
	switch h.Runtime {
	case "", Runtime:
	case "runc", "crun", "io.containerd.runc.v2":
		d.warn("--runtime %s has no effect: coracle runs containers by itself", h.Runtime)
	default:
		return invalid("unknown or invalid runtime name: %s", h.Runtime)
	}
	if h.KernelMemory != 0 || h.KernelMemoryTCP != 0 {
		d.warn("The kernel has no limit of its own memory any more. Limitation discarded.")
	}
	if len(d.req.OnBuild) > 0 {
		d.warn("OnBuild has no effect: it is for images")
	}
	return d.discardedLimits()
}

func errLinks() error {
	return Unsupported("link", "who is put on the default network later has no names there", "link when the container is made, or: coracle network create NET, then --network NET for both containers")
}

// refuseResources refuses what no user without root can be given, and what is of
// other systems.
func refuseResources(r moby.Resources) error {
	switch {
	case len(r.DeviceCgroupRules) > 0:
		return Unsupported("device-cgroup-rule", "only root may set rules for devices", "a device that you may open yourself is given by --device")
	case r.CPURealtimePeriod != 0, r.CPURealtimeRuntime != 0:
		return Unsupported("cpu-rt-period", "real-time scheduling needs cgroup v1, and root", "")
	case r.CPUCount != 0, r.CPUPercent != 0, r.IOMaximumBandwidth != 0, r.IOMaximumIOps != 0:
		return refuse(NotSupported, "CpuCount, CpuPercent, IOMaximumBandwidth and IOMaximumIOps are not supported: they are for Windows")
	case r.MemorySwappiness != nil && (*r.MemorySwappiness < -1 || *r.MemorySwappiness > 100):
		return invalid("invalid value: %d. Valid memory swappiness range is 0-100", *r.MemorySwappiness)
	}
	return nil
}

// discardedLimits says which limits no host with cgroup v2 has.
func (d *draft) discardedLimits() error {
	r := &d.req.HostConfig.Resources
	if r.MemorySwappiness != nil && *r.MemorySwappiness >= 0 {
		d.warn("cgroup v2 has no memory swappiness. Memory swappiness discarded.")
	}
	if len(r.BlkioWeightDevice) > 0 {
		d.warn("Your kernel does not support Block I/O weight_device or the cgroup is not mounted. Weight-device discarded.")
	}
	if r.OomKillDisable != nil && *r.OomKillDisable {
		d.warn("cgroup v2 cannot disable the OOM killer. OomKillDisable discarded.")
	}
	return nil
}

// checkMasks takes the paths that are hidden as they are, or none at all, which is
// what --security-opt systempaths=unconfined asks for.
func (d *draft) checkMasks() error {
	h := &d.req.HostConfig
	var throttle []string
	if len(h.MaskedPaths) > 0 {
		throttle = d.w.Throttle()
	}
	masked, readonly := spec.Masked(h.NetworkMode.IsHost(), throttle)
	for _, p := range []struct {
		name        string
		asked, have []string
	}{{"MaskedPaths", h.MaskedPaths, masked}, {"ReadonlyPaths", h.ReadonlyPaths, readonly}} {
		if len(p.asked) > 0 && !slices.Equal(p.asked, p.have) {
			return refuse(NotSupported, "%s is not supported but as it is, or empty: the lists are coracle's own", p.name)
		}
	}
	if none(h.MaskedPaths) != none(h.ReadonlyPaths) && !h.Privileged {
		return refuse(NotSupported, "MaskedPaths and ReadonlyPaths are not supported apart: both are empty, or none")
	}
	d.rec.Safety.UnmaskPaths = none(h.MaskedPaths) && !h.Privileged
	return nil
}

// none reports whether a list was sent, with nothing in it.
func none(list []string) bool { return list != nil && len(list) == 0 }

// quiet are the fields of a request without a meaning here that are passed over
// without a word, and why: whoever sends them does so always.
var quiet = map[string]string{
	"Config.ArgsEscaped":         "old builders set it in images for Linux, too, where it means nothing",
	"HostConfig.ConsoleSize":     "Docker's client sends it always; the terminal gets its size from who is attached",
	"HostConfig.Links":           "they are of the place on the first network, which is answered with them",
	"Mount.Consistency":          "it is for machines whose host is not Linux",
	"EndpointSettings.NetworkID": "it is found out, as are all that follow", "EndpointSettings.EndpointID": "", "EndpointSettings.Gateway": "",
	"EndpointSettings.IPAddress": "", "EndpointSettings.IPPrefixLen": "", "EndpointSettings.IPv6Gateway": "", "EndpointSettings.GlobalIPv6Address": "",
	"EndpointSettings.GlobalIPv6PrefixLen": "", "EndpointSettings.DNSNames": "",
}
