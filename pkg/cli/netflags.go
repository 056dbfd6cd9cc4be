// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"encoding/csv"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"coracle/pkg/cli/flags"

	"github.com/urfave/cli/v2"

	"coracle/pkg/box"
	"coracle/pkg/container"
	"coracle/pkg/ns/child"
	"coracle/pkg/slirp"
)

func setNet(e *env, c *cli.Context, r *container.Record, exposed []string) error {
	n := &r.Net
	if err := setNetworks(e, c, n); err != nil {
		return err
	}
	var err error
	if n.Publish, err = slirp.ParsePublish(c.StringSlice("publish")); err != nil {
		return &cliError{err.Error()}
	}
	if err := setNames(c, n); err != nil {
		return err
	}
	seen := map[string]bool{}
	for _, v := range append(exposed, c.StringSlice("expose")...) {
		list, err := slirp.ParseExpose(v)
		if err != nil {
			return &cliError{err.Error()}
		}
		for _, p := range list {
			if !seen[p] {
				seen[p] = true
				n.Exposed = append(n.Exposed, p)
			}
		}
	}
	if n.PublishAll = c.Bool("publish-all"); n.PublishAll {
		for _, p := range n.Exposed {
			list, err := slirp.ParsePublish([]string{p})
			if err == nil && !slices.ContainsFunc(n.Publish, func(o slirp.PortSpec) bool {
				return o.ContainerPort == list[0].ContainerPort && o.Proto == list[0].Proto
			}) {
				n.Publish = append(n.Publish, list...)
			}
		}
	}
	if n.Mode == box.NetHost && len(n.Publish) > 0 {
		e.warn("Published ports are discarded when using host network mode")
		n.Publish = nil
	}
	if n.Mode == box.NetHost && !child.ClosesAbstract() {
		e.warn("with --network host the container reaches the host's abstract unix sockets: keeping it from them takes Landlock and Linux 6.12")
	}
	if n.OnNetworkOf() != "" {
		return onNetworkOf(e, c, r)
	}
	return nil
}

// onNetworkOf refuses what belongs to the container whose network is shared,
// and takes its names.
func onNetworkOf(e *env, c *cli.Context, r *container.Record) error {
	for _, o := range []struct{ flag, what string }{
		{"hostname", "hostname"}, {"dns", "dns"}, {"dns-search", "dns"}, {"dns-option", "dns"}, {"add-host", "custom host-to-IP mapping"},
		{"publish", "port publishing"}, {"publish-all", "port publishing"}, {"expose", "port exposing"},
	} {
		if c.IsSet(o.flag) {
			kind := "the network mode"
			if strings.HasPrefix(o.what, "port ") {
				kind = "the container type network mode"
			}
			return fmt.Errorf("conflicting options: %s and %s", o.what, kind)
		}
	}
	for _, kv := range c.StringSlice("sysctl") {
		if strings.HasPrefix(kv, "net.") {
			return fmt.Errorf("sysctl '%s' is not allowed: the network is another container's", kv)
		}
	}
	_, other, err := e.container(r.Net.OnNetworkOf())
	if err != nil {
		return err
	}
	r.Process.Hostname, r.Process.Domainname = other.Process.Hostname, other.Process.Domainname
	r.Net.Exposed = nil
	return nil
}

// setNames takes the flags about names of hosts.
func setNames(c *cli.Context, n *container.Net) error {
	n.AddHosts, n.DNS = c.StringSlice("add-host"), c.StringSlice("dns")
	n.DNSSearch, n.DNSOptions = c.StringSlice("dns-search"), c.StringSlice("dns-option")
	if _, err := slirp.ParseAddHosts(n.AddHosts); err != nil {
		return &cliError{err.Error()}
	}
	for _, v := range n.DNSOptions {
		if strings.ContainsFunc(v, unicode.IsControl) {
			return badFlag("dns-option", v, errors.New("a line of resolv.conf it has to stay"))
		}
	}
	return nil
}

// badFlag is a value that its flag does not take, in the words and with the
// code of Docker's command line.
func badFlag(name, value string, err error) error {
	return &exitError{125, cliErrorf("invalid argument %q for \"--%s\" flag: %v", value, name, err)}
}

// netPlace is one --network: the name of a network, or fields.
type netPlace struct {
	name       string
	aliases    []string
	ip, ip6    netip.Addr
	mac        slirp.MAC
	linkLocal  []string
	driverOpts []string
	gwPriority int
}

// isLong tells the form of fields from a name, as Docker does.
func isLong(v string) bool {
	for i := 1; i < len(v)-1; i++ {
		if v[i] == '=' && flags.IsWord(v[i-1]) && flags.IsWord(v[i+1]) {
			return true
		}
	}
	return false
}

// parsePlace reads the value of --network: NAME, or key=value fields separated
// by commas.
func parsePlace(v string) (netPlace, error) {
	if !isLong(v) {
		return netPlace{name: v}, nil
	}
	fields, err := csv.NewReader(strings.NewReader(v)).Read()
	if err != nil {
		return netPlace{}, err
	}
	var p netPlace
	for _, f := range fields {
		key, val, ok := strings.Cut(strings.ToLower(f), "=")
		if !ok || key == "" {
			return netPlace{}, fmt.Errorf("invalid field %s", f)
		}
		if err := p.set(strings.TrimSpace(key), strings.TrimSpace(val)); err != nil {
			return netPlace{}, err
		}
	}
	if p.name == "" {
		return netPlace{}, errors.New("network name/id is not specified")
	}
	return p, nil
}

func (p *netPlace) set(key, val string) (err error) {
	switch key {
	case "name":
		p.name = val
	case "alias":
		p.aliases = append(p.aliases, val)
	case "ip":
		p.ip, err = parseIP(val, false)
	case "ip6":
		p.ip6, err = parseIP(val, true)
	case "mac-address":
		p.mac, err = slirp.ParseMAC(val)
	case "link-local-ip":
		p.linkLocal = append(p.linkLocal, val)
		_, err = netip.ParseAddr(val)
	case "driver-opt":
		if k, _, ok := strings.Cut(val, "="); !ok || k == "" {
			return errors.New("invalid key value pair format in driver options")
		}
		p.driverOpts = append(p.driverOpts, val)
	case "gw-priority":
		if p.gwPriority, err = strconv.Atoi(val); err != nil {
			return fmt.Errorf("invalid gw-priority: %w", err)
		}
	default:
		return errors.New("invalid field key " + key)
	}
	return err
}

// parseIP reads an address of one family.
func parseIP(v string, six bool) (netip.Addr, error) {
	a, err := netip.ParseAddr(v)
	switch {
	case err != nil:
		return a, fmt.Errorf("invalid IP address: %s", v)
	case six && !a.Is6():
		return a, fmt.Errorf("invalid IPv6 address: %s", v)
	case !six && !a.Is4():
		return a, fmt.Errorf("invalid IPv4 address: %s", v)
	}
	return a, nil
}

// places reads --network, and gives the flags that stand beside it to the
// first.
func places(c *cli.Context) ([]netPlace, error) {
	var list []netPlace
	for _, v := range c.StringSlice("network") {
		p, err := parsePlace(v)
		if err != nil {
			return nil, badFlag("network", v, err)
		}
		list = append(list, p)
	}
	if len(list) == 0 {
		list = []netPlace{{name: box.NetBridge}}
	}
	for i := range list {
		if list[i].name == "default" {
			list[i].name = box.NetBridge
		}
	}
	return list, list[0].takeFlags(c)
}

// takeFlags takes what is said by a flag of its own, once.
func (p *netPlace) takeFlags(c *cli.Context) error {
	conflict := func(flag, field string) error {
		return cliErrorf("conflicting options: cannot specify both --%s and per-network %s", flag, field)
	}
	if list := c.StringSlice("network-alias"); len(list) > 0 {
		if len(p.aliases) > 0 {
			return conflict("network-alias", "alias")
		}
		p.aliases = list
	}
	if v := c.String("mac-address"); v != "" {
		if !p.mac.IsZero() {
			return conflict("mac-address", "MAC address")
		}
		var err error
		if p.mac, err = slirp.ParseMAC(v); err != nil {
			return &cliError{err.Error()}
		}
	}
	if list := c.StringSlice("link-local-ip"); len(list) > 0 {
		if len(p.linkLocal) > 0 {
			return conflict("link-local-ip", "link-local IP addresses")
		}
		for _, v := range list {
			if _, err := netip.ParseAddr(v); err != nil {
				return badFlag("link-local-ip", v, fmt.Errorf("IP address is not correctly formatted: %s", v))
			}
		}
		p.linkLocal = list
	}
	for _, f := range []struct {
		flag, field string
		six         bool
		to          *netip.Addr
	}{{"ip", "IPv4 address", false, &p.ip}, {"ip6", "IPv6 address", true, &p.ip6}} {
		v := c.String(f.flag)
		if v == "" {
			continue
		}
		if f.to.IsValid() {
			return conflict(f.flag, f.field)
		}
		var err error
		if *f.to, err = parseIP(v, f.six); err != nil {
			return badFlag(f.flag, v, errors.New("invalid "+f.field))
		}
	}
	return nil
}

func (p netPlace) endpoint(network string) container.Endpoint {
	return container.Endpoint{Network: network, Aliases: p.aliases, IP: p.ip, IP6: p.ip6, MAC: p.mac, Priority: p.gwPriority}
}

// userDefined reports whether the network has a name that somebody gave it.
func (p netPlace) userDefined() bool {
	switch p.name {
	case box.NetBridge, box.NetHost, box.NetNone:
		return false
	}
	return !strings.HasPrefix(p.name, "container:")
}

// setNetworks finds the networks and settles what the container is on each.
func setNetworks(e *env, c *cli.Context, n *container.Net) error {
	list, err := places(c)
	if err != nil {
		return err
	}
	seen := map[string]bool{}
	foreign := false
	for _, p := range list {
		if seen[p.name] {
			return cliErrorf("network %q is specified multiple times", p.name)
		}
		seen[p.name] = true
		foreign = foreign || !p.userDefined()
		if err := checkPlace(e, p); err != nil {
			return err
		}
	}
	if foreign && len(list) > 1 {
		return cliErrorf("conflicting options: cannot attach both user-defined and non-user-defined network-modes")
	}
	for i, p := range list {
		name, err := networkName(e, p)
		if err != nil {
			return err
		}
		if i == 0 {
			n.Mode = name
		}
		if p.name == box.NetBridge || p.userDefined() {
			n.Networks = append(n.Networks, p.endpoint(name))
		}
	}
	return nil
}

// networkName is the whole name of a network, which is there.
func networkName(e *env, p netPlace) (string, error) {
	if other, ok := strings.CutPrefix(p.name, "container:"); ok {
		_, ctr, err := e.container(other)
		if err != nil {
			return "", err
		}
		return container.ShareNetwork(ctr.ID), nil
	}
	if !p.userDefined() {
		return p.name, nil
	}
	nets, err := e.networks()
	if err != nil {
		return "", err
	}
	w, err := nets.Lookup(p.name)
	return w.Name, err
}

// checkPlace refuses what a network of this kind cannot do, and says what is
// of no effect.
func checkPlace(e *env, p netPlace) error {
	switch {
	case p.name == "container:":
		return errors.New("invalid network mode: invalid container format container:<name|id>")
	case !p.userDefined() && len(p.aliases) > 0:
		return errors.New("network-scoped aliases are only supported for user-defined networks")
	case !p.userDefined() && (p.ip.IsValid() || p.ip6.IsValid()):
		return errors.New("invalid config for network: user specified IP address is supported on user defined networks only")
	case (p.name == box.NetHost || strings.HasPrefix(p.name, "container:")) && !p.mac.IsZero():
		return cliErrorf("conflicting options: mac-address and the network mode")
	}
	if len(p.linkLocal) > 0 {
		e.warn("--link-local-ip has no effect: the network carries no link-local traffic")
	}
	if len(p.driverOpts) > 0 {
		e.warn("driver-opt has no effect: there is one network driver, and it has no options")
	}
	return nil
}
