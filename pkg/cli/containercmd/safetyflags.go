// SPDX-License-Identifier: Apache-2.0

package containercmd

import (
	"encoding/json"
	"os"
	"strings"

	moby "github.com/moby/moby/api/types/container"
	"github.com/urfave/cli/v2"

	"coracle/pkg/cdi"
	"coracle/pkg/cli/command"
	"coracle/pkg/docker"
)

// askSafety takes what the container is kept from, and what it is let near.
func askSafety(c *cli.Context, h *docker.HostConfig) error {
	h.CapAdd, h.CapDrop = docker.EffectiveCapabilities(c.StringSlice("cap-add"), c.StringSlice("cap-drop"))
	h.Privileged, h.ReadonlyRootfs = c.Bool("privileged"), c.Bool("read-only")
	h.PidMode, h.UTSMode, h.IpcMode = moby.PidMode(c.String("pid")), moby.UTSMode(c.String("uts")), moby.IpcMode(c.String("ipc"))
	h.CgroupnsMode, h.UsernsMode = moby.CgroupnsMode(c.String("cgroupns")), moby.UsernsMode(c.String("userns"))
	var names []string
	for _, v := range c.StringSlice("device") {
		if cdi.IsName(v) {
			names = append(names, v)
			continue
		}
		d, err := docker.ParseDevice(v)
		if err != nil {
			return command.Errorf("%v", err)
		}
		h.Devices = append(h.Devices, d)
	}
	if len(names) > 0 {
		h.DeviceRequests = append(h.DeviceRequests, moby.DeviceRequest{Driver: docker.DriverCDI, DeviceIDs: names})
	}
	if v := c.String("gpus"); v != "" {
		r, err := docker.ParseGPUs(v)
		if err != nil {
			return command.Errorf("%v", err)
		}
		h.DeviceRequests = append(h.DeviceRequests, r)
	}
	for _, o := range c.StringSlice("security-opt") {
		if err := askSecurity(h, o); err != nil {
			return err
		}
	}
	return nil
}

// askSecurity takes one --security-opt. Where it names a file, its text is what
// is asked for.
func askSecurity(h *docker.HostConfig, o string) error {
	key, file, ok := strings.Cut(o, "=")
	if !ok {
		key, file, _ = strings.Cut(o, ":")
	}
	switch {
	case o == "systempaths=unconfined":
		h.MaskedPaths, h.ReadonlyPaths = []string{}, []string{}
		return nil
	case key == "seccomp" && file != "unconfined" && file != "builtin":
		data, err := os.ReadFile(file)
		if err != nil {
			return command.Errorf("opening seccomp profile (%s) failed: %v", file, err)
		}
		if !json.Valid(data) {
			return command.Errorf("compacting json for seccomp profile (%s) failed", file)
		}
		o = "seccomp=" + string(data)
	}
	h.SecurityOpt = append(h.SecurityOpt, o)
	return nil
}
