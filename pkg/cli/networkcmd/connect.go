// SPDX-License-Identifier: Apache-2.0

package networkcmd

import (
	"github.com/moby/moby/api/types/network"
	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/command"
	"coracle/pkg/cli/containercmd"
	"coracle/pkg/cli/flags"
	"coracle/pkg/container"
	"coracle/pkg/container/client"
	"coracle/pkg/docker"
)

// Connect is the command connect: connect a container to a network.
func Connect(e *command.Env) *cli.Command {
	return &cli.Command{
		Name: "connect", Usage: "Connect a container to a network", ArgsUsage: "NETWORK CONTAINER",
		Flags: []cli.Flag{
			flags.List("link", nil, "Add link to another container"), flags.List("alias", nil, "Add network-scoped alias for the container"),
			flags.List("driver-opt", nil, "driver options for the network"),
			&cli.IntFlag{Name: "gw-priority", Usage: "Highest gw-priority provides the default gateway. Accepts positive and negative values"},
			flags.Text("ip", nil, "IPv4 address (e.g., \"172.30.100.104\")"), flags.Text("ip6", nil, "IPv6 address (e.g., \"2001:db8::33\")"),
			flags.List("link-local-ip", nil, "Add a link-local address for the container"),
		},
		Action: command.Takes(e, 2, 2, func(e *command.Env, c *cli.Context) error {
			options, err := command.Pairs(c.StringSlice("driver-opt"), func(string) error { return command.Errorf("invalid key value pair format in driver options") })
			if err != nil {
				return err
			}
			q := docker.ConnectRequest{EndpointConfig: &network.EndpointSettings{Aliases: c.StringSlice("alias"), Links: c.StringSlice("link"), DriverOpts: options, GwPriority: c.Int("gw-priority")}}
			if err := containercmd.EndpointFlags(c, q.EndpointConfig); err != nil {
				return err
			}
			return onNetwork(e, c, func(cs *container.Store, ctr *container.Container, network string) error {
				end, warnings, err := docker.ConnectedEndpoint(network, q)
				if err != nil {
					return err
				}
				command.WarnAll(e, warnings)
				return client.Connect(c.Context, cs, ctr, end)
			})
		}),
	}
}

// Disconnect is the command disconnect: disconnect a container from a network.
func Disconnect(e *command.Env) *cli.Command {
	return &cli.Command{
		Name: "disconnect", Usage: "Disconnect a container from a network", ArgsUsage: "NETWORK CONTAINER",
		Flags: []cli.Flag{flags.Bool("force", flags.Short("f"), "Accepted for scripts")},
		Action: command.Takes(e, 2, 2, func(e *command.Env, c *cli.Context) error {
			return onNetwork(e, c, func(cs *container.Store, ctr *container.Container, network string) error {
				return client.Disconnect(c.Context, cs, ctr, network)
			})
		}),
	}
}

// onNetwork finds the network and the container that two arguments name.
func onNetwork(e *command.Env, c *cli.Context, f func(*container.Store, *container.Container, string) error) error {
	nets, err := command.Networks(e)
	if err != nil {
		return err
	}
	network, err := nets.Connectable(c.Args().First())
	if err != nil {
		return err
	}
	cs, ctr, err := e.Container(c.Args().Get(1))
	if err != nil {
		return err
	}
	return f(cs, ctr, network)
}
