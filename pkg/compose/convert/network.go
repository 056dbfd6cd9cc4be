// SPDX-License-Identifier: Apache-2.0

package convert

import (
	"fmt"
	"maps"
	"net/netip"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/moby/moby/api/types/network"

	"coracle/pkg/docker"
)

// Network is the request for one of a project's networks.
func Network(p *types.Project, key string) (docker.NetworkRequest, error) {
	n := p.Networks[key]
	hash, err := NetworkHash(n)
	if err != nil {
		return docker.NetworkRequest{}, err
	}
	q := docker.NetworkRequest{
		Name: n.Name, Driver: n.Driver, Options: n.DriverOpts, Internal: n.Internal, Attachable: n.Attachable,
		EnableIPv4: n.EnableIPv4, EnableIPv6: n.EnableIPv6,
		Labels: with(n.Labels, map[string]string{LabelNetwork: key, LabelProject: p.Name, LabelVersion: Version, LabelHash: hash}),
	}
	if n.Ipam.Driver == "" && len(n.Ipam.Config) == 0 && len(n.Ipam.Options) == 0 {
		return q, nil
	}
	q.IPAM = &network.IPAM{Driver: n.Ipam.Driver, Options: n.Ipam.Options}
	for _, pool := range n.Ipam.Config {
		c, err := addressPool(pool)
		if err != nil {
			return q, fmt.Errorf("network %s: %w", key, err)
		}
		q.IPAM.Config = append(q.IPAM.Config, c)
	}
	return q, nil
}

func addressPool(pool *types.IPAMPool) (c network.IPAMConfig, err error) {
	prefix := func(text string) (netip.Prefix, error) {
		if text == "" {
			return netip.Prefix{}, nil
		}
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return p, fmt.Errorf("invalid subnet %s", text)
		}
		return p, nil
	}
	if c.Subnet, err = prefix(pool.Subnet); err != nil {
		return c, err
	}
	if c.IPRange, err = prefix(pool.IPRange); err != nil {
		return c, err
	}
	if c.Gateway, err = address(pool.Gateway); err != nil {
		return c, err
	}
	for name, text := range pool.AuxiliaryAddresses {
		a, err := address(text)
		if err != nil {
			return c, err
		}
		if c.AuxAddress == nil {
			c.AuxAddress = map[string]netip.Addr{}
		}
		c.AuxAddress[name] = a
	}
	return c, nil
}

// Volume is the request for one of a project's volumes.
func Volume(p *types.Project, key string) (docker.VolumeRequest, error) {
	v := p.Volumes[key]
	hash, err := VolumeHash(v)
	if err != nil {
		return docker.VolumeRequest{}, err
	}
	return docker.VolumeRequest{
		Name: v.Name, Driver: v.Driver, DriverOpts: v.DriverOpts,
		Labels: with(v.Labels, map[string]string{LabelVolume: key, LabelProject: p.Name, LabelVersion: Version, LabelHash: hash}),
	}, nil
}

func with(own types.Labels, more map[string]string) map[string]string {
	all := map[string]string{}
	maps.Copy(all, own)
	maps.Copy(all, more)
	return all
}
