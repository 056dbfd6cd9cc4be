// SPDX-License-Identifier: Apache-2.0

package docker

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/moby/moby/api/types/network"

	"coracle/pkg/container"
	nets "coracle/pkg/network"
)

// localScope is the scope of what is on one host.
const localScope = "local"

// Address is where something is on one network, as texts that are empty where
// there is none.
type Address struct {
	EndpointID          string
	Gateway             string
	GlobalIPv6Address   string
	GlobalIPv6PrefixLen int
	IPAddress           string
	IPPrefixLen         int
	IPv6Gateway         string
	MacAddress          string
}

// NetworkSettings is where a container is: [moby.NetworkSettings] with what was
// dropped from it in API 1.52, which is about the first network.
type NetworkSettings struct {
	Bridge                 string
	SandboxID              string
	SandboxKey             string // the network namespace, for nsenter(1)
	Ports                  PortMap
	HairpinMode            bool
	LinkLocalIPv6Address   string
	LinkLocalIPv6PrefixLen int
	SecondaryIPAddresses   []string
	SecondaryIPv6Addresses []string
	Address
	Networks map[string]*Endpoint
}

// Endpoint is a container's place on a network: [network.EndpointSettings] with
// its addresses as texts.
type Endpoint struct {
	IPAMConfig          *EndpointIPAM
	Links               []string
	Aliases             []string
	MacAddress          string
	DriverOpts          map[string]string
	GwPriority          int
	NetworkID           string
	EndpointID          string
	Gateway             string
	IPAddress           string
	IPPrefixLen         int
	IPv6Gateway         string
	GlobalIPv6Address   string
	GlobalIPv6PrefixLen int
	DNSNames            []string
}

// EndpointIPAM are the addresses that were asked for.
type EndpointIPAM struct {
	IPv4Address  string   `json:",omitempty"`
	IPv6Address  string   `json:",omitempty"`
	LinkLocalIPs []string `json:",omitempty"`
}

func networkSettings(c *container.Container, at Places) *NetworkSettings {
	s := &NetworkSettings{Ports: ports(c), Networks: map[string]*Endpoint{}}
	if c.State.IsRunning() && c.State.Pid > 0 {
		s.SandboxID = hash(c.ID)
		s.SandboxKey = fmt.Sprintf("/proc/%d/ns/net", c.State.Pid)
	}
	on := c.Net.Networks
	if !c.Net.Own() && c.Net.OnNetworkOf() == "" {
		on = []container.Endpoint{{Network: c.Net.Mode}}
	}
	for i, e := range on {
		a := address(c, e.Network)
		if i == 0 {
			s.Address = a
		}
		end := &Endpoint{
			IPAMConfig: endpointIPAM(e), Links: e.Links, Aliases: e.Aliases, MacAddress: a.MacAddress, GwPriority: e.Priority,
			NetworkID: at.network(e.Network), EndpointID: a.EndpointID, Gateway: a.Gateway, IPAddress: a.IPAddress, IPPrefixLen: a.IPPrefixLen,
			IPv6Gateway: a.IPv6Gateway, GlobalIPv6Address: a.GlobalIPv6Address, GlobalIPv6PrefixLen: a.GlobalIPv6PrefixLen,
		}
		if e.Network != nets.Bridge && c.Net.Own() {
			end.DNSNames = nets.Member{Container: c.ID, Name: c.Name, Hostname: c.Process.Hostname, Aliases: e.Aliases}.Names()
		}
		s.Networks[e.Network] = end
	}
	return s
}

// ports are those that are listened on, and those that are exposed only.
func ports(c *container.Container) PortMap {
	all := PortMap{}
	if !c.State.IsRunning() {
		return all
	}
	for _, p := range c.Net.Exposed {
		all[p] = nil
	}
	for _, p := range c.State.Ports {
		key := portKey(p.ContainerPort, p.Proto)
		all[key] = append(all[key], PortBinding{HostIP: p.HostIP.String(), HostPort: portText(p.HostPort)})
	}
	return all
}

// address is empty while the container does not run.
func address(c *container.Container, name string) (a Address) {
	if !c.State.IsRunning() {
		return a
	}
	a.EndpointID = EndpointID(c.ID, name)
	p := c.State.Networks[name]
	if !p.Address.IsValid() {
		return a
	}
	a.IPAddress, a.IPPrefixLen, a.Gateway = p.Address.Addr().String(), p.Address.Bits(), p.Gateway.String()
	a.MacAddress = p.MAC.String()
	if p.Address6.IsValid() {
		a.GlobalIPv6Address, a.GlobalIPv6PrefixLen, a.IPv6Gateway = p.Address6.Addr().String(), p.Address6.Bits(), p.Gateway6.String()
	}
	return a
}

func endpointIPAM(e container.Endpoint) *EndpointIPAM {
	if !e.IP.IsValid() && !e.IP6.IsValid() {
		return nil
	}
	return &EndpointIPAM{IPv4Address: addrText(e.IP), IPv6Address: addrText(e.IP6)}
}

func addrText(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

func prefixText(p netip.Prefix) string {
	if !p.IsValid() {
		return ""
	}
	return p.String()
}

// EndpointID is the same whenever it is asked for: nothing has to keep it.
func EndpointID(container, network string) string { return hash(container + " " + network) }

func hash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

// Network is Docker's answer about one network (GET /networks/{id}):
// [network.Inspect] with its addresses as texts.
type Network struct {
	Name       string
	ID         string `json:"Id"`
	Created    time.Time
	Scope      string
	Driver     string
	EnableIPv4 bool
	EnableIPv6 bool
	IPAM       IPAM
	Internal   bool
	Attachable bool
	Ingress    bool
	ConfigFrom network.ConfigReference
	ConfigOnly bool
	Containers map[string]Member
	Options    map[string]string
	Labels     map[string]string
}

// IPAM is how addresses of a network are given.
type IPAM struct {
	Driver  string
	Options map[string]string
	Config  []Pool
}

// Pool is one range of addresses of a network.
type Pool struct {
	Subnet     string            `json:",omitempty"`
	IPRange    string            `json:",omitempty"`
	Gateway    string            `json:",omitempty"`
	AuxAddress map[string]string `json:"AuxiliaryAddresses,omitempty"`
}

// Member is a running container on a network.
type Member struct {
	Name        string
	EndpointID  string
	MacAddress  string
	IPv4Address string // with the length of its prefix
	IPv6Address string
}

// InspectNetwork is the answer about a network that somebody made.
func InspectNetwork(w nets.Network, members []nets.Member) *Network {
	n := &Network{
		Name: w.Name, ID: w.ID, Created: w.Created, Scope: localScope, Driver: nets.Bridge, EnableIPv4: true, EnableIPv6: w.Subnet6.IsValid(),
		IPAM:     IPAM{Driver: "default", Options: map[string]string{}, Config: []Pool{{Subnet: w.Subnet.String(), IPRange: prefixText(w.Range), Gateway: w.Gateway.String()}}},
		Internal: w.Internal, Attachable: w.Attachable, Containers: map[string]Member{}, Options: table(w.Options), Labels: table(w.Labels),
	}
	if w.Subnet6.IsValid() {
		n.IPAM.Config = append(n.IPAM.Config, Pool{Subnet: w.Subnet6.String(), Gateway: w.Gateway6.String()})
	}
	for i, a := range w.Reserved {
		put(&n.IPAM.Config[0].AuxAddress, fmt.Sprintf("reserved%d", i), a.String())
	}
	for name, a := range w.Aux {
		pool := &n.IPAM.Config[0]
		if a.Is6() {
			pool = &n.IPAM.Config[len(n.IPAM.Config)-1]
		}
		put(&pool.AuxAddress, name, a.String())
	}
	for _, m := range members {
		end := Member{Name: m.Name, EndpointID: EndpointID(m.Container, w.Name), MacAddress: m.MAC.String(), IPv4Address: netip.PrefixFrom(m.Addr, w.Subnet.Bits()).String()}
		if m.Addr6.IsValid() {
			end.IPv6Address = netip.PrefixFrom(m.Addr6, w.Subnet6.Bits()).String()
		}
		n.Containers[m.Container] = end
	}
	return n
}

// PredefinedID is the same on every host: a network that nobody made has no ID
// of its own. It is "" for other names.
func PredefinedID(name string) string {
	if !slices.Contains(nets.Predefined(), name) {
		return ""
	}
	return container.PredefinedNetworkID(name)
}

// PredefinedNetwork is the answer about one of them; those of all that run may be
// on it. On bridge every container is alone, at the place that all have; created
// is when the engine began.
func PredefinedNetwork(name string, bridge nets.Place, created time.Time, all []*container.Container) *Network {
	n := &Network{
		Name: name, ID: PredefinedID(name), Created: created, Scope: localScope, Driver: name, EnableIPv4: true,
		IPAM: IPAM{Driver: "default", Config: []Pool{}}, Containers: map[string]Member{}, Options: map[string]string{}, Labels: map[string]string{},
	}
	for _, c := range all {
		if c.State.IsRunning() && slices.Contains(NetworkNames(c), name) {
			p := c.State.Networks[name]
			m := Member{Name: c.Name, EndpointID: EndpointID(c.ID, name), IPv4Address: prefixText(p.Address), IPv6Address: prefixText(p.Address6)}
			if !p.MAC.IsZero() {
				m.MacAddress = p.MAC.String()
			}
			n.Containers[c.ID] = m
		}
	}
	switch name {
	case nets.None:
		n.Driver = "null"
	case nets.Bridge:
		n.IPAM.Config = append(n.IPAM.Config, Pool{Subnet: bridge.Address.Masked().String(), Gateway: bridge.Gateway.String()})
		if bridge.Address6.IsValid() {
			n.EnableIPv6 = true
			n.IPAM.Config = append(n.IPAM.Config, Pool{Subnet: bridge.Address6.Masked().String(), Gateway: bridge.Gateway6.String()})
		}
	}
	return n
}
