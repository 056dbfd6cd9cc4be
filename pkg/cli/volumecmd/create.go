// SPDX-License-Identifier: Apache-2.0

package volumecmd

import (
	"context"
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/command"
	"coracle/pkg/cli/flags"
	"coracle/pkg/docker"
)

// Create is the command create: create a volume.
func Create(e *command.Env) *cli.Command {
	return &cli.Command{
		Name: "create", Usage: "Create a volume", ArgsUsage: "[VOLUME]",
		Flags: []cli.Flag{
			flags.Text("driver", flags.Short("d"), "Specify volume driver name"), flags.List("label", nil, "Set metadata for a volume"),
			flags.List("opt", flags.Short("o"), "Set driver specific options: type, device and o, as for mount(8)"),
		},
		Action: command.Takes(e, 0, 1, func(e *command.Env, c *cli.Context) error {
			q := docker.VolumeRequest{Name: c.Args().First(), Driver: c.String("driver")}
			if err := docker.CheckVolume(q); err != nil {
				return err
			}
			var err error
			if q.Labels, err = command.Labels(c); err != nil {
				return err
			}
			for _, kv := range c.StringSlice("opt") {
				if q.DriverOpts == nil {
					q.DriverOpts = map[string]string{}
				}
				k, v, _ := strings.Cut(kv, "=") // a name that is not known is refused below, with or without a value
				q.DriverOpts[k] = v
			}
			return createVolume(c.Context, e, q)
		}),
	}
}

func createVolume(ctx context.Context, e *command.Env, q docker.VolumeRequest) error {
	vs, err := command.Volumes(e)
	if err != nil {
		return err
	}
	v, err := vs.Create(ctx, q.Name, q.Labels, q.DriverOpts)
	if err != nil {
		return err
	}
	fmt.Fprintln(e.Stdout, v.Name)
	return nil
}
