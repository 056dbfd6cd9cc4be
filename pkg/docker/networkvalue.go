// SPDX-License-Identifier: Apache-2.0

package docker

import (
	"encoding/csv"
	"net/netip"
	"strconv"
	"strings"

	"github.com/moby/moby/api/types/network"

	nets "coracle/pkg/network"
)

// ParseNetwork reads the text that people write for a network that a container is
// to be on: its name, or key=value fields separated by commas.
func ParseNetwork(v string) (name string, e *network.EndpointSettings, err error) {
	p := networkParser{e: &network.EndpointSettings{}}
	if !isLong(v) {
		return v, p.e, nil
	}
	fields, err := csv.NewReader(strings.NewReader(v)).Read()
	if err != nil {
		return "", nil, invalid("%w", err)
	}
	for _, f := range fields {
		key, val, ok := strings.Cut(strings.ToLower(f), "=")
		if !ok || key == "" {
			return "", nil, invalid("invalid field %s", f)
		}
		if err := p.set(strings.TrimSpace(key), strings.TrimSpace(val)); err != nil {
			return "", nil, err
		}
	}
	if p.name == "" {
		return "", nil, invalid("network name/id is not specified")
	}
	return p.name, p.e, nil
}

// isLong tells the form of fields from a name, as Docker does.
func isLong(v string) bool {
	for i := 1; i < len(v)-1; i++ {
		if v[i] == '=' && isWord(v[i-1]) && isWord(v[i+1]) {
			return true
		}
	}
	return false
}

type networkParser struct {
	name string
	e    *network.EndpointSettings
}

func (p *networkParser) set(key, val string) (err error) {
	switch key {
	case "name":
		p.name = val
	case "alias":
		p.e.Aliases = append(p.e.Aliases, val)
	case "ip":
		of(&p.e.IPAMConfig).IPv4Address, err = ParseIP(val, false)
	case "ip6":
		of(&p.e.IPAMConfig).IPv6Address, err = ParseIP(val, true)
	case "mac-address":
		p.e.MacAddress, err = ParseMAC(val)
	case "link-local-ip":
		a, err := netip.ParseAddr(val)
		if err != nil {
			return invalid("%w", err)
		}
		o := of(&p.e.IPAMConfig)
		o.LinkLocalIPs = append(o.LinkLocalIPs, a)
	case "driver-opt":
		k, v, ok := strings.Cut(val, "=")
		if !ok || k == "" {
			return invalid("invalid key value pair format in driver options")
		}
		put(&p.e.DriverOpts, k, v)
	case "gw-priority":
		if p.e.GwPriority, err = strconv.Atoi(val); err != nil {
			return invalid("invalid gw-priority: %w", err)
		}
	default:
		return invalid("invalid field key %s", key)
	}
	return err
}

// ParseIP reads an address of one family.
func ParseIP(v string, six bool) (netip.Addr, error) {
	a, err := netip.ParseAddr(v)
	switch {
	case err != nil:
		return a, invalid("invalid IP address: %s", v)
	case six && !a.Is6():
		return a, invalid("invalid IPv6 address: %s", v)
	case !six && !a.Is4():
		return a, invalid("invalid IPv4 address: %s", v)
	}
	return a, nil
}

// ParseMAC reads a hardware address that an interface can have.
func ParseMAC(v string) (network.HardwareAddr, error) {
	m, err := nets.ParseMAC(v)
	if err != nil {
		return nil, invalid("%w", err)
	}
	return m[:], nil
}
