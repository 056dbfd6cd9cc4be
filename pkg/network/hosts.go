// SPDX-License-Identifier: Apache-2.0

package network

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"
)

// HostEntry is a line for /etc/hosts.
type HostEntry struct {
	Name        string
	Addr        netip.Addr
	HostGateway bool // Addr is to be the address that leads to the host
}

// ParseAddHosts reads the values of --add-host: NAME:IP or NAME=IP, where IP
// may be in brackets or the word host-gateway.
func ParseAddHosts(values []string) ([]HostEntry, error) {
	var list []HostEntry
	for _, v := range values {
		i := strings.IndexAny(v, ":=")
		if i <= 0 {
			return nil, fmt.Errorf("bad format for add-host: %q", v)
		}
		e := HostEntry{Name: v[:i]}
		addr := v[i+1:]
		if addr == "host-gateway" {
			e.HostGateway = true
		} else {
			var err error
			if e.Addr, err = netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(addr, "["), "]")); err != nil {
				return nil, fmt.Errorf("invalid IP address in add-host: %q", addr)
			}
		}
		if strings.ContainsAny(e.Name, " \t\n#") {
			return nil, fmt.Errorf("bad format for add-host: %q", v)
		}
		list = append(list, e)
	}
	return list, nil
}

// ResolveHosts puts the gateway's address, which is invalid with the host's own
// network, in the entries that ask for it.
func ResolveHosts(list []HostEntry, gateway netip.Addr) []HostEntry {
	out := make([]HostEntry, len(list))
	for i, e := range list {
		if e.HostGateway {
			e.Addr = gateway
			if !e.Addr.IsValid() { // the host's own network
				e.Addr = netip.AddrFrom4([4]byte{127, 0, 0, 1})
			}
		}
		out[i] = e
	}
	return out
}

// HostsFile is the content of /etc/hosts: a host name with a domain is known by its
// first part, too.
func HostsFile(hostname string, own []netip.Addr, extra []HostEntry) []byte {
	var b bytes.Buffer
	b.WriteString("127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nfe00::\tip6-localnet\nff00::\tip6-mcastprefix\nff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n")
	for _, e := range extra {
		fmt.Fprintf(&b, "%s\t%s\n", e.Addr, e.Name)
	}
	if short, _, ok := strings.Cut(hostname, "."); ok && short != "" {
		hostname += " " + short
	}
	for _, a := range own {
		fmt.Fprintf(&b, "%s\t%s\n", a, hostname)
	}
	return b.Bytes()
}

// ResolvConf is the content of /etc/resolv.conf: the user's servers, else our
// own proxy unless it is invalid, else, with the host's network, the host's; with the host's search
// list and options unless the user gives others.
func ResolvConf(proxy netip.Addr, dns, search, options []string, host []byte) []byte {
	var b bytes.Buffer
	var hostServers, hostSearch, hostOptions []string
	for line := range strings.Lines(string(host)) {
		f := strings.Fields(line)
		if len(f) < 2 {
			continue
		}
		switch f[0] {
		case "nameserver":
			hostServers = append(hostServers, f[1])
		case "search", "domain": // the last one counts (resolv.conf(5))
			hostSearch = f[1:]
		case "options":
			hostOptions = append(hostOptions, f[1:]...)
		}
	}
	if len(search) == 0 {
		search = hostSearch
	}
	if len(options) == 0 {
		options = hostOptions
	}
	servers := dns
	if len(servers) == 0 && proxy.IsValid() {
		servers = []string{proxy.String()}
	}
	if len(servers) == 0 {
		servers = hostServers
	}
	for _, s := range servers {
		fmt.Fprintf(&b, "nameserver %s\n", s)
	}
	if len(search) > 0 && search[0] != "." {
		fmt.Fprintf(&b, "search %s\n", strings.Join(search, " "))
	}
	if len(options) > 0 {
		fmt.Fprintf(&b, "options %s\n", strings.Join(options, " "))
	}
	return b.Bytes()
}
