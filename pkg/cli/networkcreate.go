// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"coracle/pkg/cli/flags"

	"github.com/urfave/cli/v2"

	"coracle/pkg/box"
	"coracle/pkg/events"
	"coracle/pkg/slirp"
)

func networkCreateCommand(e *env) *cli.Command {
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
			flags.List("opt", flags.Short("o"), "Driver specific options: none have an effect"),
			flags.Text("ipam-driver", nil, "IP Address Management Driver: default"),
			&cli.BoolFlag{Name: "ipv4", Value: true, Usage: "Enable IPv4 address assignment: always"},
			flags.Bool("attachable", nil, "Accepted for scripts: every network is"),
		),
		Action: func(c *cli.Context) error {
			if err := needArgs(e, c, commandPath(c), 1, 1); err != nil {
				return err
			}
			o, err := newNetwork(c)
			if err != nil {
				return err
			}
			if len(c.StringSlice("opt")) > 0 {
				e.warn("--opt has no effect: there is one network driver, and it has no options")
			}
			nets, err := e.networks()
			if err != nil {
				return err
			}
			w, err := nets.Create(c.Context, o)
			if err != nil {
				return err
			}
			event(e, events.Network, "create", w.ID, w.Name)
			fmt.Fprintln(e.stdout, w.ID)
			return nil
		},
	}
}

// swarmNetworkFlags are those of a cluster, and of other drivers.
func swarmNetworkFlags() []cli.Flag {
	return append(flags.Absent("it is a cluster's", flags.Text("config-from", nil, ""), flags.Bool("config-only", nil, ""), flags.Bool("ingress", nil, "")),
		append(flags.Absent("there is one driver for addresses, and it has no options", flags.List("ipam-opt", nil, "")),
			&cli.StringFlag{Name: "scope", Usage: "Control the network's scope: local"})...)
}

func newNetwork(c *cli.Context) (slirp.NewNamed, error) {
	o := slirp.NewNamed{Name: c.Args().First(), Internal: c.Bool("internal")}
	var err error
	switch d := c.String("driver"); d {
	case "", box.NetBridge:
	case "host", "null":
		return o, fmt.Errorf("only one instance of %q network is allowed", d)
	default:
		return o, fmt.Errorf("could not find plugin %s in v1 plugin registry: plugin %q not found", d, d)
	}
	if o.Labels, err = labels(c); err != nil {
		return o, err
	}
	if d := c.String("ipam-driver"); d != "" && d != "default" {
		return o, fmt.Errorf("could not find plugin %s in v1 plugin registry: plugin %q not found", d, d)
	}
	if s := c.String("scope"); s != "" && s != "local" {
		return o, fmt.Errorf("--scope %s is not supported: networks are of this host", s)
	}
	if !c.Bool("ipv4") {
		return o, errors.New("--ipv4=false is not supported: every network has IPv4")
	}
	o.IPv6 = c.Bool("ipv6")
	return o, setPools(c, &o)
}

// setPools takes the subnets, one of each family, and what belongs to them.
func setPools(c *cli.Context, o *slirp.NewNamed) (err error) {
	subnets, gateways := flags.SplitCommas(c.StringSlice("subnet")), flags.SplitCommas(c.StringSlice("gateway"))
	for _, s := range subnets {
		p, err := netip.ParsePrefix(s)
		if err != nil {
			return fmt.Errorf("invalid subnet %s: invalid CIDR block notation", s)
		}
		if p != p.Masked() {
			return fmt.Errorf("invalid subnet %s: it should be %s", s, p.Masked())
		}
		to := &o.Subnet
		if p.Addr().Is6() {
			to = &o.Subnet6
		}
		if to.IsValid() {
			return fmt.Errorf("invalid subnet %s: a network has one subnet of each family", s)
		}
		*to = p
	}
	if len(subnets) == 0 && (len(gateways) > 0 || c.String("ip-range") != "") {
		return errors.New("every ip-range or gateway must have a corresponding subnet")
	}
	for _, s := range gateways {
		a, err := netip.ParseAddr(s)
		if err != nil {
			return fmt.Errorf("invalid gateway %s: invalid IP address", s)
		}
		to, of := &o.Gateway, o.Subnet
		if a.Is6() {
			to, of = &o.Gateway6, o.Subnet6
		}
		if !of.IsValid() || !of.Contains(a) {
			return fmt.Errorf("no matching subnet for gateway %s", s)
		}
		*to = a
	}
	if s := c.String("ip-range"); s != "" {
		if o.Range, err = netip.ParsePrefix(s); err != nil {
			return fmt.Errorf("invalid ip-range %s: invalid CIDR block notation", s)
		}
		if !o.Subnet.IsValid() || !o.Subnet.Contains(o.Range.Addr()) {
			return fmt.Errorf("no matching subnet for range %s", s)
		}
	}
	for _, s := range c.StringSlice("aux-address") {
		_, ip, _ := strings.Cut(s, "=")
		a, err := netip.ParseAddr(ip)
		if err != nil {
			return fmt.Errorf("invalid aux-address %s: invalid IP address", s)
		}
		if !o.Subnet.Contains(a) && !o.Subnet6.Contains(a) {
			return fmt.Errorf("no matching subnet for aux-address %s", s)
		}
		o.Reserved = append(o.Reserved, a)
	}
	return nil
}
