// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"net/netip"

	"coracle/pkg/container"
	"coracle/pkg/container/sandbox"
	"coracle/pkg/slirp"
)

// networkSettings is Docker's view of where a container is.
func networkSettings(cs *container.Store, c *container.Container) obj {
	ports := obj{}
	for _, p := range c.Net.Exposed {
		ports[p] = nil
	}
	for _, p := range c.State.Ports {
		key := fmt.Sprintf("%d/%s", p.ContainerPort, p.Proto)
		list, _ := ports[key].([]obj)
		ports[key] = append(list, obj{"HostIp": p.HostIP.String(), "HostPort": portText(p.HostPort)})
	}
	on := c.Net.Networks
	if !c.Net.Own() && c.Net.OnNetworkOf() == "" {
		on = []container.Endpoint{{Network: c.Net.Mode}}
	}
	settings, all := obj{"Ports": ports}, obj{}
	maps.Copy(settings, endpoint(c, slirp.Place{}))
	for i, e := range on {
		end := endpoint(c, c.State.Networks[e.Network])
		if i == 0 {
			maps.Copy(settings, end)
		}
		end["NetworkID"] = networkID(cs, e.Network)
		end["EndpointID"] = ""
		if c.State.IsRunning() {
			end["EndpointID"] = endpointID(c.ID, e.Network)
		}
		end["IPAMConfig"], end["Links"], end["DriverOpts"], end["DNSNames"] = ipamConfig(e), nil, nil, nil
		end["Aliases"], end["GwPriority"] = e.Aliases, e.Priority
		if e.Network != sandbox.NetBridge && c.Net.Own() {
			end["DNSNames"] = append(append([]string{c.Name}, e.Aliases...), c.ID[:12])
		}
		all[e.Network] = end
	}
	settings["Networks"] = all
	return settings
}

// networkID is empty for a network that is gone.
func networkID(cs *container.Store, name string) string {
	switch name {
	case sandbox.NetBridge, sandbox.NetHost, sandbox.NetNone:
		return container.PredefinedNetworkID(name)
	}
	w, err := slirp.NewNetworks(cs.Dirs()).Lookup(name)
	if err != nil {
		return ""
	}
	return w.ID
}

// endpointID is the same whenever it is asked for: nothing has to keep it.
func endpointID(container, network string) string {
	return fmt.Sprintf("%x", sha256.Sum256([]byte(container+" "+network)))
}

func ipamConfig(e container.Endpoint) any {
	o := obj{}
	for key, a := range map[string]netip.Addr{"IPv4Address": e.IP, "IPv6Address": e.IP6} {
		if a.IsValid() {
			o[key] = a.String()
		}
	}
	if len(o) == 0 {
		return nil
	}
	return o
}

// endpoint is where a container is on a network, under Docker's names; nothing is
// there while the container does not run.
func endpoint(c *container.Container, p slirp.Place) obj {
	o := obj{
		"IPAddress": "", "IPPrefixLen": 0, "Gateway": "", "MacAddress": "",
		"GlobalIPv6Address": "", "GlobalIPv6PrefixLen": 0, "IPv6Gateway": "",
	}
	if !c.State.IsRunning() || !p.Address.IsValid() {
		return o
	}
	o["IPAddress"], o["IPPrefixLen"], o["Gateway"] = p.Address.Addr().String(), p.Address.Bits(), p.Gateway.String()
	o["MacAddress"] = p.MAC.String()
	if p.Address6.IsValid() {
		o["GlobalIPv6Address"], o["GlobalIPv6PrefixLen"], o["IPv6Gateway"] = p.Address6.Addr().String(), p.Address6.Bits(), p.Gateway6.String()
	}
	return o
}
