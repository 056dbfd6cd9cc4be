// SPDX-License-Identifier: Apache-2.0

package containercmd

import (
	"syscall"

	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/command"
	"coracle/pkg/cli/flags"
	"coracle/pkg/container"
	"coracle/pkg/container/client"
	"coracle/pkg/docker"
)

func stopFlags() []cli.Flag {
	return []cli.Flag{
		flags.Text("signal", flags.Short("s"), "Signal to send to the container"),
		&cli.IntFlag{Name: "timeout", Aliases: []string{"t", "time"}, Usage: "Seconds to wait before killing the container"},
	}
}

// stopRequest reads what stop and restart share.
func stopRequest(c *cli.Context) (q docker.StopRequest, sig syscall.Signal, err error) {
	q.Signal = c.String("signal")
	if c.IsSet("timeout") {
		n := c.Int("timeout")
		q.Timeout = &n
	}
	sig, err = q.Number()
	return q, sig, err
}

// Stop is the command stop: stop one or more running containers.
func Stop(e *command.Env) *cli.Command {
	return &cli.Command{
		Name: "stop", Usage: "Stop one or more running containers", ArgsUsage: "CONTAINER [CONTAINER...]", Flags: stopFlags(),
		Action: command.Takes(e, 1, -1, func(e *command.Env, c *cli.Context) error {
			q, sig, err := stopRequest(c)
			if err != nil {
				return err
			}
			return command.OnContainers(e, c.Args().Slice(), func(cs *container.Store, ctr *container.Container) error {
				return client.Stop(c.Context, ctr, sig, q.Timeout)
			})
		}),
	}
}
