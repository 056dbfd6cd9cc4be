// SPDX-License-Identifier: Apache-2.0

package containercmd

import (
	"fmt"

	"github.com/moby/moby/api/types/network"
	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/command"
	"coracle/pkg/container"
	"coracle/pkg/docker"
)

// Port is the command port: list port mappings or a specific mapping for the container.
func Port(e *command.Env) *cli.Command {
	return &cli.Command{
		Name: "port", Usage: "List port mappings or a specific mapping for the container", ArgsUsage: "CONTAINER [PRIVATE_PORT[/PROTO]]",
		Action: command.Takes(e, 1, 2, func(e *command.Env, c *cli.Context) error {
			_, ctr, err := e.Container(c.Args().First())
			if err != nil {
				return err
			}
			return printPorts(e, ctr, c.Args().Get(1))
		}),
	}
}

func printPorts(e *command.Env, ctr *container.Container, want string) error {
	var only network.Port
	if want != "" {
		var err error
		if only, err = network.ParsePort(want); err != nil {
			return command.Errorf("%v", err)
		}
	}
	found := false
	for _, p := range docker.PortSummaries(ctr) {
		host := docker.HostPort(p)
		switch {
		case p.PublicPort == 0: // exposed only
		case want == "":
			fmt.Fprintf(e.Stdout, "%d/%s -> %s\n", p.PrivatePort, p.Type, host)
		case p.PrivatePort == only.Num() && p.Type == string(only.Proto()):
			fmt.Fprintln(e.Stdout, host)
			found = true
		}
	}
	if want != "" && !found {
		return fmt.Errorf("no public port '%s' published for %s", want, ctr.Name)
	}
	return nil
}
