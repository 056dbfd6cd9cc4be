// SPDX-License-Identifier: Apache-2.0

package containercmd

import (
	"strings"

	moby "github.com/moby/moby/api/types/container"
	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/command"
	"coracle/pkg/cli/flags"
	"coracle/pkg/docker"
)

// refusedFlags are the options of run and create that coracle cannot give, or
// that change nothing here.
func refusedFlags() []cli.Flag {
	return []cli.Flag{
		flags.List("device-cgroup-rule", nil, "Not supported: device rules need root"),
		flags.Bool("disable-content-trust", nil, "Accepted for scripts: there is no content trust to skip"),
		flags.Text("isolation", nil, "Container isolation technology: default"),
		flags.Text("runtime", nil, "Accepted for scripts: coracle runs containers by itself"),
		flags.List("storage-opt", nil, "Not supported: quotas need root"),
		flags.Text("volume-driver", nil, "Volume driver for the container: local"),
	}
}

// askOthers takes what coracle mostly refuses.
func askOthers(e *command.Env, c *cli.Context, h *docker.HostConfig) (err error) {
	if c.IsSet("disable-content-trust") {
		e.Warn("--disable-content-trust has no effect: there is no content trust to skip")
	}
	h.DeviceCgroupRules, h.VolumeDriver, h.Runtime = c.StringSlice("device-cgroup-rule"), c.String("volume-driver"), c.String("runtime")
	h.Isolation = moby.Isolation(strings.ToLower(c.String("isolation")))
	h.StorageOpt, err = command.Pairs(c.StringSlice("storage-opt"), func(kv string) error { return command.Errorf("invalid storage option: %q", kv) })
	return err
}
