// SPDX-License-Identifier: Apache-2.0

package containercmd

import (
	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/command"
	"coracle/pkg/docker"
)

// askLife takes what happens around the process.
func askLife(c *cli.Context, q *docker.CreateRequest) (err error) {
	h := &q.HostConfig
	h.AutoRemove = c.Bool("rm")
	if yes := c.Bool("init"); yes {
		h.Init = &yes
	}
	if h.RestartPolicy, err = docker.ParseRestart(c.String("restart")); err != nil {
		return err
	}
	if h.AutoRemove && !h.RestartPolicy.IsNone() {
		return command.Errorf("conflicting options: cannot specify both --restart and --rm")
	}
	q.StopSignal = c.String("stop-signal")
	if c.IsSet("stop-timeout") {
		n := c.Int("stop-timeout")
		q.StopTimeout = &n
	}
	h.Annotations, err = command.Pairs(c.StringSlice("annotation"), func(kv string) error {
		return command.Errorf("invalid annotation %q: must be formatted as KEY=VALUE", kv)
	})
	if err != nil {
		return err
	}
	h.LogConfig.Type = c.String("log-driver")
	h.LogConfig.Config, err = command.Pairs(c.StringSlice("log-opt"), func(kv string) error {
		return command.Errorf("invalid logging opts: %q: must be formatted as KEY=VALUE", kv)
	})
	if err == nil && h.LogConfig.Type == "none" && len(h.LogConfig.Config) > 0 {
		return command.Errorf("invalid logging opts for driver none")
	}
	return err
}
