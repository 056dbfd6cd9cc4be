// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"syscall"

	"coracle/pkg/cli/flags"

	"github.com/urfave/cli/v2"

	"coracle/pkg/container"
)

func stopFlags() []cli.Flag {
	return []cli.Flag{
		flags.Text("signal", flags.Short("s"), "Signal to send to the container"),
		&cli.IntFlag{Name: "timeout", Aliases: []string{"t", "time"}, Usage: "Seconds to wait before killing the container"},
	}
}

// stopOptions reads what stop and restart share.
func stopOptions(c *cli.Context) (sig syscall.Signal, timeout *int, err error) {
	if s := c.String("signal"); s != "" {
		if sig, err = container.ParseSignal(s); err != nil {
			return 0, nil, err
		}
	}
	if c.IsSet("timeout") {
		n := c.Int("timeout")
		timeout = &n
	}
	return sig, timeout, nil
}

func stopCommand(e *env) *cli.Command {
	return &cli.Command{
		Name: "stop", Usage: "Stop one or more running containers", ArgsUsage: "CONTAINER [CONTAINER...]", Flags: stopFlags(),
		Action: func(c *cli.Context) error {
			if err := needArgs(e, c, commandPath(c), 1, -1); err != nil {
				return err
			}
			sig, timeout, err := stopOptions(c)
			if err != nil {
				return err
			}
			return onContainers(e, c.Args().Slice(), func(cs *container.Store, ctr *container.Container) error {
				return cs.Stop(c.Context, ctr, sig, timeout)
			})
		},
	}
}
