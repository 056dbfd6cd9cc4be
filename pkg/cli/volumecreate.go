// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"strings"

	"coracle/pkg/cli/flags"

	"github.com/urfave/cli/v2"
)

func volumeCreateCommand(e *env) *cli.Command {
	return &cli.Command{
		Name: "create", Usage: "Create a volume", ArgsUsage: "[VOLUME]",
		Flags: []cli.Flag{
			flags.Text("driver", flags.Short("d"), "Specify volume driver name"), flags.List("label", nil, "Set metadata for a volume"),
			flags.List("opt", flags.Short("o"), "Set driver specific options: type, device and o, as for mount(8)"),
		},
		Action: func(c *cli.Context) error {
			if err := needArgs(e, c, commandPath(c), 0, 1); err != nil {
				return err
			}
			if d := c.String("driver"); d != "" && d != "local" {
				return fmt.Errorf("error looking up volume plugin %s: plugin %q not found", d, d)
			}
			l, err := labels(c)
			if err != nil {
				return err
			}
			return createVolume(e, c, l)
		},
	}
}

func createVolume(e *env, c *cli.Context, labels map[string]string) error {
	var options map[string]string
	for _, kv := range c.StringSlice("opt") {
		k, v, _ := strings.Cut(kv, "=") // a name that is not known is refused below, with or without a value
		if options == nil {
			options = map[string]string{}
		}
		options[k] = v
	}
	cs, err := e.containers()
	if err != nil {
		return err
	}
	lock, err := cs.HoldVolumes(c.Context)
	if err != nil {
		return err
	}
	defer lock.Release()
	v, _, err := cs.EnsureVolume(c.Args().First(), labels, options)
	if err != nil {
		return err
	}
	fmt.Fprintln(e.stdout, v.Name)
	return nil
}
