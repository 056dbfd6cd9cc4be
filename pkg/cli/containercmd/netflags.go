// SPDX-License-Identifier: Apache-2.0

package containercmd

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/command"
	"coracle/pkg/docker"
	nets "coracle/pkg/network"
)

// askNetwork takes the networks, the names of hosts and the ports.
func askNetwork(c *cli.Context, q *docker.CreateRequest) error {
	h := &q.HostConfig
	if err := askNetworks(c, q); err != nil {
		return err
	}
	ports, err := nets.ParsePublish(c.StringSlice("publish"))
	if err != nil {
		return command.Errorf("%v", err)
	}
	h.PortBindings, h.PublishAllPorts = docker.BindPorts(ports), c.Bool("publish-all")
	for _, v := range c.StringSlice("expose") {
		if _, err := nets.ParseExpose(v); err != nil {
			return command.Errorf("%v", err)
		}
		if q.ExposedPorts == nil {
			q.ExposedPorts = map[string]struct{}{}
		}
		q.ExposedPorts[v] = struct{}{}
	}
	for _, v := range c.StringSlice("dns") { // checkAddress has seen them
		if a, err := netip.ParseAddr(strings.TrimSpace(v)); err == nil {
			h.DNS = append(h.DNS, a)
		}
	}
	for _, v := range c.StringSlice("dns-search") {
		h.DNSSearch = append(h.DNSSearch, strings.Trim(v, " "))
	}
	h.ExtraHosts, h.DNSOptions, h.Links = c.StringSlice("add-host"), c.StringSlice("dns-option"), c.StringSlice("link")
	return nil
}

// badFlag is a value that its flag does not take, in the words and with the
// code of Docker's command line.
func badFlag(name, value string, err error) error {
	return command.ExitWith(125, command.Errorf("invalid argument %q for \"--%s\" flag: %v", value, name, err))
}

// askNetworks reads --network, and gives the flags that stand beside it to the
// first.
func askNetworks(c *cli.Context, q *docker.CreateRequest) error {
	n := &q.NetworkingConfig
	n.EndpointsConfig, n.Order = map[string]*network.EndpointSettings{}, []string{}
	for _, v := range c.StringSlice("network") {
		name, end, err := docker.ParseNetwork(v)
		if err != nil {
			return badFlag("network", v, err)
		}
		if name == "default" {
			name = nets.Bridge
		}
		if n.EndpointsConfig[name] != nil {
			return command.Errorf("network %q is specified multiple times", name)
		}
		n.EndpointsConfig[name], n.Order = end, append(n.Order, name)
	}
	if len(n.Order) == 0 {
		n.Order, n.EndpointsConfig[nets.Bridge] = []string{nets.Bridge}, &network.EndpointSettings{}
	}
	if len(n.Order) > 1 && slices.ContainsFunc(n.Order, func(name string) bool { return !moby.NetworkMode(name).IsUserDefined() }) {
		return command.Errorf("conflicting options: cannot attach both user-defined and non-user-defined network-modes")
	}
	q.HostConfig.NetworkMode = moby.NetworkMode(n.Order[0])
	return EndpointFlags(c, n.EndpointsConfig[n.Order[0]])
}

// EndpointFlags takes what is said of the first network by a flag of its own, once.
func EndpointFlags(c *cli.Context, e *network.EndpointSettings) error {
	conflict := func(flag, field string) error {
		return command.Errorf("conflicting options: cannot specify both --%s and per-network %s", flag, field)
	}
	ipam := e.IPAMConfig
	if ipam == nil {
		ipam = &network.EndpointIPAMConfig{}
	}
	if list := c.StringSlice("network-alias"); len(list) > 0 {
		if len(e.Aliases) > 0 {
			return conflict("network-alias", "alias")
		}
		e.Aliases = list
	}
	if v := c.String("mac-address"); v != "" {
		if len(e.MacAddress) > 0 {
			return conflict("mac-address", "MAC address")
		}
		var err error
		if e.MacAddress, err = docker.ParseMAC(v); err != nil {
			return command.Errorf("%v", err)
		}
	}
	if list := c.StringSlice("link-local-ip"); len(list) > 0 {
		if len(ipam.LinkLocalIPs) > 0 {
			return conflict("link-local-ip", "link-local IP addresses")
		}
		for _, v := range list {
			a, err := netip.ParseAddr(v)
			if err != nil {
				return badFlag("link-local-ip", v, fmt.Errorf("IP address is not correctly formatted: %s", v))
			}
			ipam.LinkLocalIPs = append(ipam.LinkLocalIPs, a)
		}
	}
	for _, f := range []struct {
		flag, field string
		six         bool
		to          *netip.Addr
	}{{"ip", "IPv4 address", false, &ipam.IPv4Address}, {"ip6", "IPv6 address", true, &ipam.IPv6Address}} {
		v := c.String(f.flag)
		if v == "" {
			continue
		}
		if f.to.IsValid() {
			return conflict(f.flag, f.field)
		}
		var err error
		if *f.to, err = docker.ParseIP(v, f.six); err != nil {
			return badFlag(f.flag, v, errors.New("invalid "+f.field))
		}
	}
	if ipam.IPv4Address.IsValid() || ipam.IPv6Address.IsValid() || len(ipam.LinkLocalIPs) > 0 {
		e.IPAMConfig = ipam
	}
	return nil
}
