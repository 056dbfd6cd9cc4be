// SPDX-License-Identifier: Apache-2.0

package docker

import (
	"maps"
	"net/netip"
	"slices"
	"strconv"

	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/api/types/volume"

	nets "coracle/pkg/network"
)

// VolumeRequest asks for a volume (POST /volumes/create).
type VolumeRequest = volume.CreateRequest

// CheckVolume refuses what no volume can be. Its name and its options are checked
// where it is made.
func CheckVolume(q VolumeRequest) error {
	switch {
	case q.Driver != "" && q.Driver != VolumeDriver:
		return noPlugin(q.Driver)
	case q.ClusterVolumeSpec != nil:
		return refuse(NotSupported, "ClusterVolumeSpec is not supported: it is a cluster's")
	}
	return nil
}

// NetworkRequest asks for a network (POST /networks/create).
type NetworkRequest = network.CreateRequest

// NewNetwork is the network that is asked for.
func NewNetwork(q NetworkRequest) (nets.CreateOptions, []Warning, error) {
	n := nets.CreateOptions{
		Name: q.Name, Internal: q.Internal, Labels: q.Labels, IPv6: q.EnableIPv6 != nil && *q.EnableIPv6, Attachable: q.Attachable, Options: q.Options,
	}
	if err := refuseNetwork(q); err != nil {
		return n, nil, err
	}
	var warnings []Warning
	for _, name := range slices.Sorted(maps.Keys(q.Options)) {
		if name != nets.InterContainer {
			warnings = append(warnings, Warning{Text: "--opt has no effect: the one network driver has no " + name})
		} else if _, err := strconv.ParseBool(q.Options[name]); err != nil {
			return n, nil, invalid("invalid value for option %s: %q", name, q.Options[name])
		}
	}
	if q.IPAM == nil {
		return n, warnings, nil
	}
	for _, pool := range q.IPAM.Config {
		if err := addPool(&n, pool); err != nil {
			return n, nil, err
		}
	}
	return n, warnings, nil
}

// refuseNetwork refuses what is a cluster's, and drivers that are not there.
func refuseNetwork(q NetworkRequest) error {
	driver := q.Driver
	if q.IPAM != nil && driver == "" && q.IPAM.Driver != "default" {
		driver = q.IPAM.Driver
	}
	switch {
	case q.Driver == nets.Host, q.Driver == "null":
		return refuse(Forbidden, "only one instance of %q network is allowed", q.Driver)
	case driver != "" && driver != nets.Bridge:
		return refuse(NotFound, "could not find plugin %s in v1 plugin registry: plugin %q not found", driver, driver)
	case q.IPAM != nil && q.IPAM.Driver != "" && q.IPAM.Driver != "default":
		return refuse(NotFound, "could not find plugin %s in v1 plugin registry: plugin %q not found", q.IPAM.Driver, q.IPAM.Driver)
	case q.Scope != "" && q.Scope != localScope:
		return refuse(NotSupported, "--scope %s is not supported: networks are of this host", q.Scope)
	case q.EnableIPv4 != nil && !*q.EnableIPv4:
		return refuse(NotSupported, "--ipv4=false is not supported: every network has IPv4")
	case q.Ingress, q.ConfigOnly, q.ConfigFrom != nil && q.ConfigFrom.Network != "":
		return refuse(NotSupported, "Ingress, ConfigOnly and ConfigFrom are not supported: they are a cluster's")
	case q.IPAM != nil && len(q.IPAM.Options) > 0:
		return Unsupported("ipam-opt", "there is one driver for addresses, and it has no options", "")
	}
	return nil
}

// addPool takes a subnet, of which there is one of each family, and what belongs
// to it.
func addPool(n *nets.CreateOptions, p network.IPAMConfig) error {
	if !p.Subnet.IsValid() {
		if p.Gateway.IsValid() || p.IPRange.IsValid() || len(p.AuxAddress) > 0 {
			return invalid("every ip-range or gateway must have a corresponding subnet")
		}
		return nil
	}
	if p.Subnet != p.Subnet.Masked() {
		return invalid("invalid subnet %s: it should be %s", p.Subnet, p.Subnet.Masked())
	}
	subnet, gateway := &n.Subnet, &n.Gateway
	if p.Subnet.Addr().Is6() {
		subnet, gateway = &n.Subnet6, &n.Gateway6
	}
	if subnet.IsValid() {
		return invalid("invalid subnet %s: a network has one subnet of each family", p.Subnet)
	}
	*subnet = p.Subnet
	if p.Gateway.IsValid() {
		if !p.Subnet.Contains(p.Gateway) {
			return invalid("no matching subnet for gateway %s", p.Gateway)
		}
		*gateway = p.Gateway
	}
	if p.IPRange.IsValid() {
		if p.Subnet.Addr().Is6() || !p.Subnet.Contains(p.IPRange.Addr()) {
			return invalid("no matching subnet for range %s", p.IPRange)
		}
		n.Range = p.IPRange
	}
	for _, name := range slices.Sorted(maps.Keys(p.AuxAddress)) {
		a := p.AuxAddress[name]
		if !p.Subnet.Contains(a) {
			return invalid("no matching subnet for aux-address %s=%s", name, a)
		}
		put(&n.Aux, name, a)
	}
	return nil
}

// Pools gives each address to the subnet that holds it; one that no subnet holds
// is refused.
func Pools(subnets []netip.Prefix, gateways []netip.Addr, ranges []netip.Prefix, aux map[string]netip.Addr) ([]network.IPAMConfig, error) {
	if len(subnets) == 0 && len(gateways)+len(ranges) > 0 {
		return nil, invalid("every ip-range or gateway must have a corresponding subnet")
	}
	pools := make([]network.IPAMConfig, len(subnets))
	for i, s := range subnets {
		pools[i].Subnet = s
	}
	in := func(a netip.Addr) *network.IPAMConfig {
		if i := slices.IndexFunc(subnets, func(s netip.Prefix) bool { return s.Contains(a) }); i >= 0 {
			return &pools[i]
		}
		return nil
	}
	for _, a := range gateways {
		p := in(a)
		if p == nil {
			return nil, invalid("no matching subnet for gateway %s", a)
		}
		p.Gateway = a
	}
	for _, r := range ranges {
		p := in(r.Addr())
		if p == nil {
			return nil, invalid("no matching subnet for range %s", r)
		}
		p.IPRange = r
	}
	for name, a := range aux {
		p := in(a)
		if p == nil {
			return nil, invalid("no matching subnet for aux-address %s=%s", name, a)
		}
		put(&p.AuxAddress, name, a)
	}
	return pools, nil
}
