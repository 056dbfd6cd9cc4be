// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/moby/moby/api/types/network"
)

// exposed reads [[IP:]HOSTPORT:]PORT[-END][/PROTO] into the form that
// configurations keep: 80/tcp. The host's part, as in -p, says nothing here, but
// it must be right.
func exposed(spec string) ([]string, error) {
	ip, host, ports := splitPort(spec)
	ports, proto, _ := strings.Cut(ports, "/")
	proto = strings.ToLower(proto)
	switch {
	case ports == "":
		return nil, fmt.Errorf("invalid port: %q: no port specified", spec)
	case proto == "":
		proto = "tcp"
	case proto != "tcp" && proto != "udp" && proto != "sctp":
		return nil, fmt.Errorf("invalid port: %q: invalid proto: %s", spec, proto)
	}
	if ip = strings.Trim(ip, "[]"); ip != "" {
		if _, err := netip.ParseAddr(ip); err != nil {
			return nil, errors.New("invalid IP address: " + ip)
		}
	}
	first, last, ok := portRange(ports)
	if !ok {
		return nil, errors.New("invalid containerPort: " + ports)
	}
	if host != "" {
		a, z, ok := portRange(host)
		if !ok {
			return nil, errors.New("invalid hostPort: " + host)
		}
		if first != last && z-a != last-first {
			return nil, fmt.Errorf("invalid ranges specified for container and host Ports: %s and %s", ports, host)
		}
	}
	var list []string
	for p := first; p <= last; p++ {
		list = append(list, fmt.Sprintf("%d/%s", p, proto))
	}
	return list, nil
}

// splitPort takes IP:HOSTPORT:PORT apart; an IP may have colons of its own.
func splitPort(spec string) (ip, host, port string) {
	f := strings.Split(spec, ":")
	n := len(f)
	switch n {
	case 1:
		return "", "", f[0]
	case 2:
		return "", f[0], f[1]
	}
	return strings.Join(f[:n-2], ":"), f[n-2], f[n-1]
}

// portRange reads PORT[-END].
func portRange(ports string) (first, last int, ok bool) {
	r, err := network.ParsePortRange(ports)
	return int(r.Start()), int(r.End()), err == nil && !strings.Contains(ports, "/")
}
