// SPDX-License-Identifier: Apache-2.0

package networkcmd

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/moby/moby/api/types/network"
	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/command"
	"coracle/pkg/cli/flags"
	"coracle/pkg/docker"
)

// Create is the command create: create a network.
func Create(e *command.Env) *cli.Command {
	return &cli.Command{
		Name: "create", Usage: "Create a network", ArgsUsage: "NETWORK",
		Flags: append(swarmNetworkFlags(),
			flags.Text("driver", flags.Short("d"), "Driver to manage the Network: bridge"),
			flags.List("gateway", nil, "IPv4 or IPv6 Gateway for the subnet"),
			flags.Bool("internal", nil, "Restrict external access to the network"),
			flags.List("label", nil, "Set metadata on a network"),
			flags.List("subnet", nil, "Subnet in CIDR format that represents a network segment"),
			flags.Text("ip-range", nil, "Allocate container ip from a sub-range"),
			flags.Bool("ipv6", nil, "Enable IPv6 networking"),
			flags.List("aux-address", nil, "Auxiliary IPv4 or IPv6 addresses that no container gets: NAME=IP"),
			flags.List("opt", flags.Short("o"), "Driver specific options: com.docker.network.bridge.enable_icc=false keeps members apart"),
			flags.Text("ipam-driver", nil, "IP Address Management Driver: default"),
			&cli.BoolFlag{Name: "ipv4", Value: true, Usage: "Enable IPv4 address assignment: always"},
			flags.Bool("ignore", nil, "Do not fail if the network is there already"),
			flags.Bool("attachable", nil, "Accepted for scripts: every network is"),
		),
		Action: command.Takes(e, 1, 1, func(e *command.Env, c *cli.Context) error {
			q, err := networkRequest(c)
			if err != nil {
				return err
			}
			o, warnings, err := docker.NewNetwork(q)
			if err != nil {
				return err
			}
			command.WarnAll(e, warnings)
			nets, err := command.Networks(e)
			if err != nil {
				return err
			}
			if w, err := nets.Lookup(o.Name); c.Bool("ignore") && err == nil && w.Name == o.Name {
				fmt.Fprintln(e.Stdout, w.ID)
				return nil
			}
			w, err := nets.Create(c.Context, o)
			if err != nil {
				return err
			}
			fmt.Fprintln(e.Stdout, w.ID)
			return nil
		}),
	}
}

// swarmNetworkFlags are those of a cluster, and of other drivers.
func swarmNetworkFlags() []cli.Flag {
	return append(flags.Absent("it is a cluster's", flags.Text("config-from", nil, ""), flags.Bool("config-only", nil, ""), flags.Bool("ingress", nil, "")),
		append(flags.Absent("there is one driver for addresses, and it has no options", flags.List("ipam-opt", nil, "")),
			&cli.StringFlag{Name: "scope", Usage: "Control the network's scope: local"})...)
}

// networkRequest is the network that the flags ask for.
func networkRequest(c *cli.Context) (q docker.NetworkRequest, err error) {
	q.Name, q.Driver, q.Scope, q.Internal, q.Attachable = c.Args().First(), c.String("driver"), c.String("scope"), c.Bool("internal"), c.Bool("attachable")
	if q.Labels, err = command.Labels(c); err != nil {
		return q, err
	}
	v4, v6 := c.Bool("ipv4"), c.Bool("ipv6")
	q.EnableIPv4, q.EnableIPv6 = &v4, &v6
	for _, kv := range c.StringSlice("opt") {
		if q.Options == nil {
			q.Options = map[string]string{}
		}
		k, v, _ := strings.Cut(kv, "=")
		q.Options[k] = v
	}
	q.IPAM = &network.IPAM{Driver: c.String("ipam-driver")}
	q.IPAM.Config, err = askPools(c)
	return q, err
}

// askPools takes the subnets, and what belongs to them.
func askPools(c *cli.Context) ([]network.IPAMConfig, error) {
	var subnets, ranges []netip.Prefix
	var gateways []netip.Addr
	aux := map[string]netip.Addr{}
	for _, s := range flags.SplitCommas(c.StringSlice("subnet")) {
		p, err := netip.ParsePrefix(s)
		if err != nil {
			return nil, fmt.Errorf("invalid subnet %s: invalid CIDR block notation", s)
		}
		subnets = append(subnets, p)
	}
	for _, s := range flags.SplitCommas(c.StringSlice("gateway")) {
		a, err := netip.ParseAddr(s)
		if err != nil {
			return nil, fmt.Errorf("invalid gateway %s: invalid IP address", s)
		}
		gateways = append(gateways, a)
	}
	if s := c.String("ip-range"); s != "" {
		p, err := netip.ParsePrefix(s)
		if err != nil {
			return nil, fmt.Errorf("invalid ip-range %s: invalid CIDR block notation", s)
		}
		ranges = append(ranges, p)
	}
	for _, s := range c.StringSlice("aux-address") {
		name, ip, _ := strings.Cut(s, "=")
		a, err := netip.ParseAddr(ip)
		if err != nil {
			return nil, fmt.Errorf("invalid aux-address %s: invalid IP address", s)
		}
		aux[name] = a
	}
	return docker.Pools(subnets, gateways, ranges, aux)
}
