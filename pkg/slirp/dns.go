// SPDX-License-Identifier: Apache-2.0

package slirp

import (
	"net"
	"net/netip"
	"os"
	"strings"
	"time"
)

// The container's resolver asks the address DNS. Questions and answers are
// passed as they are, whatever their type: nothing here reads them.

const (
	dnsTries   = 3 * time.Second // how long one server may take before the next is asked
	maxServers = 3               // resolv.conf(5), MAXNS
)

// servers are the host's, in order. Without any it is the one on the host's
// loopback, as resolv.conf(5) says.
func (n *Network) servers() []string {
	text, _ := os.ReadFile(n.cfg.ResolvConf)
	var list []string
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		if len(f) < 2 || f[0] != "nameserver" || len(list) == maxServers {
			continue
		}
		if a, err := netip.ParseAddr(f[1]); err == nil {
			list = append(list, netip.AddrPortFrom(a, 53).String())
		}
	}
	if len(list) == 0 {
		list = []string{"127.0.0.1:53"}
	}
	return list
}

// ask answers one question: from the names of the network's members, else by
// passing it on over UDP and returning the first answer, or nil.
func (n *Network) ask(question []byte) []byte {
	if m := n.cfg.Member; m != nil {
		if answer := m.answer(question, n.cfg.Internal); answer != nil {
			return answer
		}
	}
	if n.cfg.Internal {
		return nil
	}
	for _, server := range n.servers() {
		if answer := n.askOne(server, question); answer != nil {
			return answer
		}
	}
	return nil
}

func (n *Network) askOne(server string, question []byte) []byte {
	// A socket for each question: its random port is part of what protects the
	// answer from being forged.
	c, err := net.Dial("udp", server)
	if err != nil {
		return nil
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(dnsTries))
	if _, err := c.Write(question); err != nil {
		return nil
	}
	buf := make([]byte, 64<<10)
	for {
		k, err := c.Read(buf)
		if err != nil {
			return nil
		}
		if k >= 2 && len(question) >= 2 && buf[0] == question[0] && buf[1] == question[1] {
			return buf[:k]
		}
	}
}

// dialDNS connects to the first server that takes questions over TCP.
func (n *Network) dialDNS() (*net.TCPConn, error) {
	if n.cfg.Internal {
		return nil, errClosedByPolicy
	}
	var c net.Conn
	var err error
	for _, server := range n.servers() {
		d := net.Dialer{Timeout: dnsTries, KeepAlive: -1}
		if c, err = d.DialContext(n.closing(), "tcp", server); err == nil {
			return c.(*net.TCPConn), nil
		}
	}
	return nil, err
}
