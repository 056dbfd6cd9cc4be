// SPDX-License-Identifier: Apache-2.0

package docker

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	moby "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"

	"coracle/pkg/container"
	nets "coracle/pkg/network"
)

// place is one network that is asked for.
type place struct {
	name string // as it was asked for
	end  *network.EndpointSettings
}

// places are the networks of a request, the network mode first. As in Docker, who
// names networks and no mode is on those, and not on the default one.
func (q *CreateRequest) places() []place {
	mode := networkMode(q.HostConfig.NetworkMode)
	first := place{mode, &network.EndpointSettings{}}
	names := q.NetworkingConfig.Order
	if names == nil {
		names = slices.Sorted(maps.Keys(q.NetworkingConfig.EndpointsConfig))
	}
	var rest []place
	asked := false
	for _, name := range names {
		end := q.NetworkingConfig.EndpointsConfig[name]
		if end == nil {
			end = &network.EndpointSettings{}
		}
		if networkMode(moby.NetworkMode(name)) == mode {
			first.end, asked = end, true
			continue
		}
		rest = append(rest, place{networkMode(moby.NetworkMode(name)), end})
	}
	if links := q.HostConfig.Links; len(links) > 0 && len(first.end.Links) == 0 { // they are of the network that it has first
		end := *first.end
		end.Links, first.end = links, &end
	}
	if mode == nets.Bridge && !asked && len(rest) > 0 {
		return rest
	}
	return append([]place{first}, rest...)
}

// networkMode is the name of a network mode.
func networkMode(m moby.NetworkMode) string {
	if m == "" || m.IsDefault() {
		return nets.Bridge
	}
	return string(m)
}

func (d *draft) setNetworks() error {
	n, list := &d.rec.Net, d.req.places()
	foreign := slices.ContainsFunc(list, func(p place) bool { return !moby.NetworkMode(p.name).IsUserDefined() })
	if foreign && len(list) > 1 {
		return invalid("conflicting options: cannot attach both user-defined and non-user-defined network-modes")
	}
	for i, p := range list {
		if err := d.checkPlace(p); err != nil {
			return err
		}
		name, err := d.networkName(p.name)
		if err != nil {
			return err
		}
		if i == 0 {
			n.Mode = name
		}
		if p.name != nets.Bridge && !moby.NetworkMode(p.name).IsUserDefined() {
			continue
		}
		if n.On(name) >= 0 {
			return invalid("network %q is specified multiple times", name)
		}
		end, err := endpointOf(name, p.end)
		if err != nil {
			return err
		}
		n.Networks = append(n.Networks, end)
	}
	if d.req.MacAddress == "" || len(n.Networks) == 0 || !n.Networks[0].MAC.IsZero() {
		return nil
	}
	mac, err := nets.ParseMAC(d.req.MacAddress)
	if err != nil {
		return invalid("invalid MAC address: %w", err)
	}
	n.Networks[0].MAC = mac
	return nil
}

// networkName is the whole name of a network, which is there.
func (d *draft) networkName(name string) (string, error) {
	mode := moby.NetworkMode(name)
	if mode.IsContainer() {
		other, err := d.w.Container(mode.ConnectedContainer())
		if err != nil {
			return "", err
		}
		return nets.SharedMode(other.ID), nil
	}
	if !mode.IsUserDefined() {
		return name, nil
	}
	return d.w.Network(name)
}

// checkPlace refuses what a network of this kind cannot do, and says what is
// of no effect.
func (d *draft) checkPlace(p place) error {
	mode := moby.NetworkMode(p.name)
	switch {
	case mode.IsContainer() && mode.ConnectedContainer() == "":
		return invalid("invalid network mode: invalid container format container:<name|id>")
	case (mode.IsHost() || mode.IsContainer()) && (len(p.end.MacAddress) > 0 || d.req.MacAddress != ""):
		return invalid("conflicting options: mac-address and the network mode")
	}
	for _, text := range endpointWarnings(p.end) {
		d.warn("%s", text)
	}
	end := *p.end
	if p.name == nets.Bridge { // which knows who is there when the container starts
		if err := d.checkLinks(end.Links); err != nil {
			return err
		}
		end.Links = nil
	}
	return checkEndpoint(mode, &end)
}

// checkLinks refuses links to what is not there.
func (d *draft) checkLinks(links []string) error {
	for _, text := range links {
		name, _, err := nets.ParseLink(text)
		if err != nil {
			return invalid("%w", err)
		}
		if _, err := d.w.Container(name); err != nil {
			return err
		}
	}
	return nil
}

// checkEndpoint refuses what there is on networks with a name only.
func checkEndpoint(mode moby.NetworkMode, e *network.EndpointSettings) error {
	ip := e.IPAMConfig
	switch {
	case mode.IsUserDefined():
	case len(e.Links) > 0:
		return errLinks()
	case len(e.Aliases) > 0:
		return invalid("network-scoped aliases are only supported for user-defined networks")
	case ip != nil && (ip.IPv4Address.IsValid() || ip.IPv6Address.IsValid()):
		return invalid("invalid config for network: user specified IP address is supported on user defined networks only")
	}
	return nil
}

// endpointWarnings say what has no effect.
func endpointWarnings(e *network.EndpointSettings) (list []string) {
	if e.IPAMConfig != nil && len(e.IPAMConfig.LinkLocalIPs) > 0 {
		list = append(list, "--link-local-ip has no effect: the network carries no link-local traffic")
	}
	if len(e.DriverOpts) > 0 {
		list = append(list, "driver-opt has no effect: there is one network driver, and it has no options")
	}
	return list
}

// endpointOf is the place on a network that is asked for.
func endpointOf(network string, e *network.EndpointSettings) (end container.Endpoint, err error) {
	end = container.Endpoint{Network: network, Aliases: e.Aliases, Links: e.Links, Priority: e.GwPriority}
	if ip := e.IPAMConfig; ip != nil {
		if end.IP = ip.IPv4Address; end.IP.IsValid() && !end.IP.Is4() {
			return end, invalid("invalid IPv4 address: %s", end.IP)
		}
		if end.IP6 = ip.IPv6Address; end.IP6.IsValid() && !end.IP6.Is6() {
			return end, invalid("invalid IPv6 address: %s", end.IP6)
		}
	}
	if len(e.MacAddress) > 0 {
		if end.MAC, err = nets.ParseMAC(e.MacAddress.String()); err != nil {
			return end, invalid("invalid MAC address: %w", err)
		}
	}
	return end, nil
}

// ConnectRequest puts a container on a network (POST /networks/{id}/connect).
type ConnectRequest = network.ConnectRequest

// ConnectedEndpoint is the place on the network of this name that a request asks for; nil
// settings ask for nothing.
func ConnectedEndpoint(name string, q ConnectRequest) (container.Endpoint, []Warning, error) {
	settings := q.EndpointConfig
	if settings == nil {
		settings = &network.EndpointSettings{}
	}
	if err := checkEndpoint(moby.NetworkMode(name), settings); err != nil {
		return container.Endpoint{}, nil, err
	}
	var warnings []Warning
	for _, text := range endpointWarnings(settings) {
		warnings = append(warnings, Warning{Text: text})
	}
	end, err := endpointOf(name, settings)
	return end, warnings, err
}

// DisconnectRequest takes a container off a network
// (POST /networks/{id}/disconnect).
type DisconnectRequest = network.DisconnectRequest

// setSharedNetwork refuses what belongs to the container whose network is shared,
// and takes its names.
func (d *draft) setSharedNetwork() error {
	n, h := &d.rec.Net, &d.req.HostConfig
	if n.OnNetworkOf() == "" {
		return nil
	}
	conflict := ""
	switch {
	case d.req.Hostname != "":
		conflict = "hostname and the network mode"
	case len(h.DNS)+len(h.DNSSearch)+len(h.DNSOptions) > 0:
		conflict = "dns and the network mode"
	case len(h.ExtraHosts) > 0:
		conflict = "custom host-to-IP mapping and the network mode"
	case len(h.PortBindings) > 0, h.PublishAllPorts:
		conflict = "port publishing and the container type network mode"
	case len(d.req.ExposedPorts) > 0:
		conflict = "port exposing and the container type network mode"
	}
	if conflict != "" {
		return invalid("conflicting options: %s", conflict)
	}
	for k, v := range h.Sysctls {
		if strings.HasPrefix(k, "net.") {
			return invalid("sysctl '%s=%s' is not allowed: the network is another container's", k, v)
		}
	}
	other, err := d.w.Container(n.OnNetworkOf())
	if err != nil {
		return err
	}
	d.rec.Process.Hostname, d.rec.Process.Domainname = other.Process.Hostname, other.Process.Domainname
	n.Exposed = nil
	return nil
}

func (d *draft) setNames() error {
	n, h := &d.rec.Net, &d.req.HostConfig
	n.AddHosts, n.DNSSearch, n.DNSOptions = h.ExtraHosts, h.DNSSearch, h.DNSOptions
	for _, a := range h.DNS {
		n.DNS = append(n.DNS, a.String())
	}
	if _, err := nets.ParseAddHosts(n.AddHosts); err != nil {
		return invalid("%w", err)
	}
	for _, v := range n.DNSSearch {
		if v != "." && !IsDomain(v) {
			return invalid("%s is not a valid domain", v)
		}
	}
	for _, v := range n.DNSOptions {
		if strings.ContainsAny(v, " \t\r\n\x00") {
			return invalid("invalid DNS option %q: it is one word of resolv.conf", v)
		}
	}
	return nil
}

// IsDomain is loose: what a resolver makes of the name is its business, but a
// line of resolv.conf it has to stay.
func IsDomain(v string) bool {
	for part := range strings.SplitSeq(strings.TrimSuffix(v, "."), ".") {
		if part == "" || strings.ContainsFunc(part, func(r rune) bool { return r != '-' && (r > 0x7f || !isWord(byte(r))) }) {
			return false
		}
	}
	return true
}

func isWord(b byte) bool {
	return b == '_' || b >= '0' && b <= '9' || b >= 'A' && b <= 'Z' || b >= 'a' && b <= 'z'
}

func (d *draft) setPorts() error {
	n, q := &d.rec.Net, d.req
	for _, key := range slices.Sorted(maps.Keys(q.HostConfig.PortBindings)) {
		list, err := portSpecs(key, q.HostConfig.PortBindings[key])
		if err != nil {
			return err
		}
		n.Publish = append(n.Publish, list...)
	}
	for _, from := range []map[string]struct{}{d.image.ExposedPorts, q.ExposedPorts} {
		for _, v := range slices.Sorted(maps.Keys(from)) {
			list, err := nets.ParseExpose(v)
			if err != nil {
				return invalid("%w", err)
			}
			for _, p := range list {
				if !slices.Contains(n.Exposed, p) {
					n.Exposed = append(n.Exposed, p)
				}
			}
		}
	}
	if n.PublishAll = q.HostConfig.PublishAllPorts; n.PublishAll {
		publishExposed(n)
	}
	if n.Mode != nets.Host {
		return nil
	}
	if len(n.Publish) > 0 {
		d.warn("Published ports are discarded when using host network mode")
		n.Publish = nil
	}
	if !d.w.KeepsSockets() {
		d.warn("with --network host the container reaches the host's abstract unix sockets: keeping it from them takes Landlock and Linux 6.12")
	}
	return nil
}

// publishExposed publishes what is exposed and not published.
func publishExposed(n *container.Net) {
	for _, p := range n.Exposed {
		list, err := nets.ParsePublish([]string{p})
		if err == nil && !slices.ContainsFunc(n.Publish, func(o nets.PortSpec) bool {
			return o.ContainerPort == list[0].ContainerPort && o.Proto == list[0].Proto
		}) {
			n.Publish = append(n.Publish, list...)
		}
	}
}

// portSpecs are the places on the host where a port (80/tcp) is to be.
func portSpecs(key string, bindings []PortBinding) ([]nets.PortSpec, error) {
	number, _, proto, err := portRange(key)
	switch {
	case err != nil || number == 0 || strings.Contains(key, "-"):
		return nil, invalid("invalid port specification: %q", key)
	case proto == "sctp":
		return nil, refuse(NotSupported, "publish %s: protocol sctp is not supported without root", key)
	case proto != "tcp" && proto != "udp":
		return nil, invalid("invalid proto: %s", proto)
	}
	var all []nets.PortSpec
	for _, b := range bindings {
		p := nets.PortSpec{ContainerPort: number, Proto: proto}
		if b.HostIP != "" {
			if p.HostIP, err = netip.ParseAddr(b.HostIP); err != nil {
				return nil, invalid("invalid IP address: %s", b.HostIP)
			}
		}
		if b.HostPort != "" {
			if p.HostPort, p.HostPortEnd, _, err = portRange(b.HostPort); err != nil || strings.Contains(b.HostPort, "/") {
				return nil, invalid("invalid hostPort: %s", b.HostPort)
			}
		}
		all = append(all, p)
	}
	return all, nil
}

// BindPorts is what requests say of ports to publish.
func BindPorts(list []nets.PortSpec) PortMap {
	all := PortMap{}
	for _, p := range list {
		b := PortBinding{HostPort: portText(p.HostPort)}
		if p.HostIP.IsValid() {
			b.HostIP = p.HostIP.String()
		}
		if p.HostPortEnd > p.HostPort {
			b.HostPort = fmt.Sprintf("%d-%d", p.HostPort, p.HostPortEnd)
		}
		key := portKey(p.ContainerPort, p.Proto)
		all[key] = append(all[key], b)
	}
	return all
}
