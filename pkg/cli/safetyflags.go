// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"coracle/pkg/container"
	"coracle/pkg/ids"
	"coracle/pkg/oci/spec"
)

// setSafety takes what the container is kept from, and what it is let near.
func setSafety(e *env, c *cli.Context, r *container.Record) error {
	f := &r.Safety
	f.CapAdd, f.CapDrop = c.StringSlice("cap-add"), c.StringSlice("cap-drop")
	if _, err := spec.Capabilities(f.CapAdd, f.CapDrop, false); err != nil {
		return err
	}
	f.Privileged, f.ReadOnlyRootfs = c.Bool("privileged"), c.Bool("read-only")
	if err := setNamespaces(e, c, f); err != nil {
		return err
	}
	if err := setDevices(e, c, f); err != nil {
		return err
	}
	for _, o := range c.StringSlice("security-opt") {
		if err := securityOption(f, o); err != nil {
			return err
		}
	}
	return nil
}

// setNamespaces takes --pid, --ipc, --uts, --userns and --cgroupns.
func setNamespaces(e *env, c *cli.Context, f *container.Safety) error {
	for _, o := range []struct {
		flag, kind, own string
		host            *bool
	}{
		{"pid", "PID", "", &f.HostPID}, {"uts", "UTS", "", &f.HostUTS},
		{"cgroupns", "CGROUP", "private", &f.HostCgroup}, {"userns", "USER", "", new(bool)},
	} {
		v := c.String(o.flag)
		switch {
		case v == "", v == o.own:
		case v == "host":
			*o.host = true
		case strings.HasPrefix(v, "container:") && o.own == "" && o.flag != "userns":
			return foreignNamespace(o.flag, v)
		default:
			return cliErrorf("--%s: invalid %s mode", o.flag, o.kind)
		}
	}
	switch v := c.String("ipc"); {
	case v == "", v == "private":
	case v == "shareable":
		e.warn("--ipc shareable is private here: no other container can join")
	case v == "host":
		f.HostIPC = true
	case v == "none":
		f.NoShm = true
	case strings.HasPrefix(v, "container:"):
		return foreignNamespace("ipc", v)
	default:
		return fmt.Errorf("invalid IPC mode: %s", v)
	}
	return nil
}

func foreignNamespace(flag, v string) error {
	return fmt.Errorf("--%s %s is not supported: containers share their network only", flag, v)
}

// setDevices takes --device: nodes of the host that the user may open.
func setDevices(e *env, c *cli.Context, f *container.Safety) error {
	for _, v := range c.StringSlice("device") {
		d, err := container.ParseDevice(v)
		if err != nil {
			return &cliError{err.Error()}
		}
		list, err := d.Nodes()
		if err != nil {
			return err
		}
		if d.Permissions != "rwm" {
			e.warn("--device %s: the permissions have no effect: only root may set rules for devices", v)
		}
		for _, n := range list {
			if maps, err := ids.HostMaps(); err == nil && !maps.Single() && n.ThroughGroup() {
				e.warn("--device %s: you may open it as a member of its group, and a container's processes are not in that", n.Source)
			}
		}
		f.Devices = append(f.Devices, list...)
	}
	return nil
}

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
			return fmt.Errorf("invalid --security-opt 2: %q", o)
		}
		f.NoNewPrivs = val == "" || b
	case key == "seccomp" && (val == "unconfined" || val == "builtin"):
		f.Seccomp = strings.TrimSuffix(val, "builtin")
	case key == "seccomp":
		data, err := os.ReadFile(val)
		if err != nil {
			return cliErrorf("opening seccomp profile (%s) failed: %v", val, err)
		}
		if !json.Valid(data) {
			return cliErrorf("compacting json for seccomp profile (%s) failed", val)
		}
		f.Seccomp = string(data)
	case o == "systempaths=unconfined":
		f.UnmaskPaths = true
	case key == "label" && val == "disable", key == "apparmor" && val == "unconfined":
		// There is no label to disable: neither can be set without root.
	case key == "label", key == "apparmor":
		return fmt.Errorf("--security-opt %s is not supported without root", o)
	case i < 0:
		return cliErrorf("Invalid --security-opt: %q", o)
	default:
		return fmt.Errorf("invalid --security-opt 2: %q", o)
	}
	return nil
}
