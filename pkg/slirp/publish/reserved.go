// SPDX-License-Identifier: Apache-2.0

package publish

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// BindReserved binds the ports below the kernel's limit for users that specs ask
// for by number, for [Ports.Inherit]: the caller may, and a process in a user
// namespace of its own may not (CAP_NET_BIND_SERVICE counts in the namespace
// that the network belongs to). The files are the caller's to close.
func BindReserved(specs []Spec) (files []*os.File, err error) {
	defer func() {
		if err != nil {
			for _, f := range files {
				f.Close()
			}
			files = nil
		}
	}()
	limit := unprivilegedPorts()
	for _, s := range specs {
		if s.HostPort == 0 || s.HostPort >= limit || s.HostPortEnd > s.HostPort {
			continue
		}
		for i, ip := range s.hostIPs() {
			f, err := bind(s.Proto, netip.AddrPortFrom(ip, s.HostPort))
			if i > 0 && (errors.Is(err, unix.EADDRNOTAVAIL) || errors.Is(err, unix.EAFNOSUPPORT)) {
				continue // IPv6 is compiled in but switched off
			}
			if err != nil {
				return files, newPortError(ip, s.HostPort, s.Proto, err)
			}
			files = append(files, f)
		}
	}
	return files, nil
}

// bind makes one listening socket, or one of UDP.
func bind(proto string, at netip.AddrPort) (*os.File, error) {
	version := "4"
	if at.Addr().Is6() {
		version = "6"
	}
	if proto == "udp" {
		c, err := net.ListenUDP("udp"+version, net.UDPAddrFromAddrPort(at))
		if err != nil {
			return nil, err
		}
		defer c.Close()
		return c.File()
	}
	l, err := net.ListenTCP("tcp"+version, net.TCPAddrFromAddrPort(at))
	if err != nil {
		return nil, err
	}
	defer l.Close()
	return l.File()
}

// unprivilegedPorts is the first port that every user may bind (ip(7)).
func unprivilegedPorts() uint16 {
	data, err := os.ReadFile("/proc/sys/net/ipv4/ip_unprivileged_port_start")
	if err != nil {
		return 1024
	}
	n, err := strconv.ParseUint(strings.TrimSpace(string(data)), 10, 16)
	if err != nil {
		return 1024
	}
	return uint16(n)
}
