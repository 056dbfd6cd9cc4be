// SPDX-License-Identifier: Apache-2.0

package network

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	moby "github.com/moby/moby/api/types/network"
)

// ParsePublish reads the values of -p:
//
//	[[IP:][HOSTPORT[-END]]:]PORT[-END][/tcp|udp]
//	published=PORT,target=PORT,protocol=PROTO
//
// A range of container ports gives one spec for each.
func ParsePublish(values []string) ([]PortSpec, error) {
	var all []PortSpec
	for _, v := range values {
		list, err := parsePublish(v)
		if err != nil {
			return nil, err
		}
		all = append(all, list...)
	}
	return all, nil
}

func parsePublish(v string) ([]PortSpec, error) {
	if strings.Contains(v, "=") {
		short, err := longToShort(v)
		if err != nil {
			return nil, err
		}
		v = short
	}
	rest, proto, hasProto := strings.Cut(v, "/")
	if !hasProto {
		proto = "tcp"
	}
	proto = strings.ToLower(proto)
	switch proto {
	case "tcp", "udp":
	case "sctp":
		return nil, fmt.Errorf("publish %s: protocol sctp is not supported without root", v)
	default:
		return nil, fmt.Errorf("invalid proto: %s", proto)
	}
	ip, host, target, err := splitPublish(rest)
	if err != nil {
		return nil, err
	}
	if target == "" {
		return nil, fmt.Errorf("no port specified: %s<empty>", v)
	}
	base := PortSpec{Proto: proto}
	if ip != "" {
		if base.HostIP, err = netip.ParseAddr(ip); err != nil {
			return nil, fmt.Errorf("invalid IP address: %s", ip)
		}
	}
	first, last, err := parseRange(target)
	if err != nil || first == 0 {
		return nil, fmt.Errorf("invalid containerPort: %s", target)
	}
	var hostFirst, hostLast uint16
	if host != "" {
		if hostFirst, hostLast, err = parseRange(host); err != nil {
			return nil, fmt.Errorf("invalid hostPort: %s", host)
		}
	}
	if host != "" && last != first && hostLast-hostFirst != last-first {
		return nil, fmt.Errorf("invalid ranges specified for container and host Ports: %s and %s", target, host)
	}
	var list []PortSpec
	for i := 0; i <= int(last-first); i++ {
		p := base
		p.ContainerPort = first + uint16(i)
		switch {
		case host == "":
		case last == first:
			p.HostPort, p.HostPortEnd = hostFirst, hostLast
		default:
			p.HostPort = hostFirst + uint16(i)
			p.HostPortEnd = p.HostPort
		}
		list = append(list, p)
	}
	return list, nil
}

// splitPublish takes [IP:][HOST]:PORT apart; an IPv6 address is in brackets.
func splitPublish(v string) (ip, host, target string, err error) {
	if rest, ok := strings.CutPrefix(v, "["); ok {
		addr, after, ok := strings.Cut(rest, "]:")
		if !ok {
			return "", "", "", fmt.Errorf("invalid IP address: %s", v)
		}
		host, target, ok = strings.Cut(after, ":")
		if !ok {
			return "", "", "", fmt.Errorf("no port specified: %s", v)
		}
		return addr, host, target, nil
	}
	switch parts := strings.Split(v, ":"); len(parts) {
	case 1:
		return "", "", parts[0], nil
	case 2:
		return "", parts[0], parts[1], nil
	case 3:
		return parts[0], parts[1], parts[2], nil
	}
	return "", "", "", fmt.Errorf("invalid hostPort: %s", v)
}

// parseRange reads PORT[-PORT].
func parseRange(s string) (first, last uint16, err error) {
	r, err := moby.ParsePortRange(s)
	return r.Start(), r.End(), err
}

func longToShort(v string) (string, error) {
	var published, target, proto, ip string
	for _, f := range strings.Split(v, ",") {
		key, val, ok := strings.Cut(f, "=")
		if !ok {
			return "", fmt.Errorf("invalid field: %s", f)
		}
		switch strings.ToLower(key) {
		case "published":
			published = val
		case "target":
			target = val
		case "protocol":
			proto = "/" + val
		case "host_ip":
			ip = val + ":"
		case "mode":
		default:
			return "", fmt.Errorf("invalid field key: %s", key)
		}
	}
	if target == "" {
		return "", fmt.Errorf("invalid publish %q: no target port", v)
	}
	if published == "" && ip == "" {
		return target + proto, nil
	}
	return ip + published + ":" + target + proto, nil
}

// ParseExpose reads PORT[-END][/PROTO] into entries such as 80/tcp.
func ParseExpose(v string) ([]string, error) {
	rest, proto, ok := strings.Cut(v, "/")
	if !ok {
		proto = "tcp"
	}
	proto = strings.ToLower(proto)
	if proto != "tcp" && proto != "udp" && proto != "sctp" {
		return nil, fmt.Errorf("invalid proto: %s", proto)
	}
	first, last, err := parseRange(rest)
	if err != nil || first == 0 {
		return nil, fmt.Errorf("invalid range format for --expose: %s", v)
	}
	var list []string
	for p := int(first); p <= int(last); p++ {
		list = append(list, strconv.Itoa(p)+"/"+proto)
	}
	return list, nil
}
