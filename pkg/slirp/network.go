// SPDX-License-Identifier: Apache-2.0

package slirp

import (
	"bufio"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"sync"
	"sync/atomic"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/link/fdbased"
	"gvisor.dev/gvisor/pkg/tcpip/network/arp"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/icmp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
)

// Config is the plan of one network.
type Config struct {
	Interface    string       // in the container: eth0
	Address      netip.Prefix // the container's
	Gateway, DNS netip.Addr
	Address6     netip.Prefix // invalid where the host has no IPv6
	Gateway6     netip.Addr
	MAC          MAC // the container's
	MTU          int
	// HostLoopback makes the gateway's address lead to the host's loopback.
	HostLoopback bool
	// ResolvConf names the servers that DNS questions are passed to; the file
	// is read for every question, so that it may change.
	ResolvConf string
	// Internal closes the way out: nothing but other members is reached.
	Internal bool
	// NoDefaultRoute leaves the way out to another network of the container.
	NoDefaultRoute bool
	// Member is the container's place on a network with a name, or nil. Names
	// are those of all of its networks.
	Member *Membership
	Names  *Names

	// For tests: does without veth, or without the kernel's TCP, as where there
	// is none.
	tap, stackTCP bool
}

// DefaultConfig is the plan of the default network, with the addresses that
// other user-mode networks have made known.
func DefaultConfig() Config {
	c := Config{
		Interface:  "eth0",
		Address:    netip.MustParsePrefix("10.0.2.100/24"),
		Gateway:    netip.MustParseAddr("10.0.2.2"),
		DNS:        netip.MustParseAddr("10.0.2.3"),
		MTU:        65520,
		ResolvConf: "/etc/resolv.conf",
	}
	c.MAC = macOf(c.Address.Addr())
	if hostHasIPv6() {
		c.Address6 = netip.MustParsePrefix("fd00:c0:2::64/64")
		c.Gateway6 = netip.MustParseAddr("fd00:c0:2::2")
	}
	return c
}

// hostHasIPv6 reports whether the host has a default route for IPv6. In
// /proc/net/ipv6_route the columns are destination, prefix length, …, flags,
// device.
func hostHasIPv6() bool {
	f, err := os.Open("/proc/net/ipv6_route")
	if err != nil {
		return false
	}
	defer f.Close()
	for sc := bufio.NewScanner(f); sc.Scan(); {
		col := strings.Fields(sc.Text())
		if len(col) == 10 && col[1] == "00" && strings.Trim(col[0], "0") == "" && col[9] != "lo" {
			return true
		}
	}
	return false
}

// Addresses are those of the container.
func (c Config) Addresses() []netip.Addr {
	var list []netip.Addr
	for _, p := range []netip.Prefix{c.Address, c.Address6} {
		if p.IsValid() {
			list = append(list, p.Addr())
		}
	}
	return list
}

// Place is where a container is on a network.
type Place struct {
	Address  netip.Prefix `json:"address"`
	Gateway  netip.Addr   `json:"gateway"`
	Address6 netip.Prefix `json:"address6,omitzero"`
	Gateway6 netip.Addr   `json:"gateway6,omitzero"`
	MAC      MAC          `json:"mac,omitzero"`
}

// Place is the container's, or zero for no network.
func (c Config) Place() Place {
	return Place{Address: c.Address, Gateway: c.Gateway, Address6: c.Address6, Gateway6: c.Gateway6, MAC: c.MAC}
}

// Network is a connected namespace.
type Network struct {
	cfg   Config
	netns *os.File
	wire  wire
	peers *peerSwitch // nil without other members
	stack *stack.Stack
	links sync.WaitGroup // connections and flows that are being carried
	done  chan struct{}

	pending pendingSYNs
	flows   flowTable
	outer   outerPorts
	dns     dnsMemory

	visited atomic.Pointer[Ports] // whose visitors are led here
	wayOut  atomic.Bool           // the container's default route leads here
}

const nicID tcpip.NICID = 1

// Start connects netns: when it returns, eth0 is up with its routes. The
// calling process, which must be root in the user namespace that owns netns,
// carries the traffic until Close.
func Start(netns *os.File, cfg Config) (*Network, error) {
	n := &Network{cfg: cfg, netns: netns, wire: noWire, done: make(chan struct{})}
	n.flows.max, n.flows.idle = maxFlows, flowIdle
	n.wayOut.Store(!cfg.NoDefaultRoute)
	var err error
	if n.wire, err = newWire(netns, cfg); err != nil {
		return nil, fmt.Errorf("connect network: %w", err)
	}
	if cfg.Member != nil {
		n.peers = newPeerSwitch(n.wire.peers, n.wire.entry, cfg.Member)
		if cfg.Names != nil {
			cfg.Names.add(cfg.Member)
		}
	}
	if err := n.startStack(); err != nil {
		n.Close()
		return nil, fmt.Errorf("connect network: %w", err)
	}
	return n, nil
}

// tcpError makes netstack's errors Go's.
func tcpError(err tcpip.Error) error {
	if err == nil {
		return nil
	}
	return errors.New(err.String())
}

// startStack puts a TCP/IP stack on the packet socket, which takes every
// address for its own: whoever the container talks to, it talks to us.
func (n *Network) startStack() error {
	s := stack.New(stack.Options{
		NetworkProtocols:   []stack.NetworkProtocolFactory{ipv4.NewProtocol, ipv6.NewProtocol, arp.NewProtocol},
		TransportProtocols: []stack.TransportProtocolFactory{tcp.NewProtocolCUBIC, udp.NewProtocol, icmp.NewProtocol4, icmp.NewProtocol6},
	})
	n.stack = s
	sack, moderate := tcpip.TCPSACKEnabled(true), tcpip.TCPModerateReceiveBufferOption(true)
	rcv := tcpip.TCPReceiveBufferSizeRangeOption{Min: 4 << 10, Default: 1 << 20, Max: 8 << 20}
	snd := tcpip.TCPSendBufferSizeRangeOption{Min: 4 << 10, Default: 1 << 20, Max: 8 << 20}
	// On a wire inside of one machine nothing old comes late, and the stack would
	// ignore a request for a connection from a port that it remembers.
	wait := tcpip.TCPTimeWaitTimeoutOption(0)
	for _, o := range []tcpip.SettableTransportProtocolOption{&sack, &moderate, &rcv, &snd, &wait} {
		if err := s.SetTransportProtocolOption(tcp.ProtocolNumber, o); err != nil {
			return tcpError(err)
		}
	}
	// TXChecksumOffload stays off: with it, segments that are sent without GSO
	// options, such as the SYN-ACK, leave without any checksum, and the kernel
	// drops them. A GSOMaxSize without GVisorGSOEnabled selects host GSO, which
	// writes the virtio_net_hdr that the socket expects.
	gateway := macOf(n.cfg.Gateway)
	link, err := fdbased.New(&fdbased.Options{
		FDs: []int{n.wire.stack}, MTU: uint32(n.cfg.MTU), EthernetHeader: true, Address: tcpip.LinkAddress(gateway[:]),
		PacketDispatchMode: fdbased.RecvMMsg, GSOMaxSize: 65535, RXChecksumOffload: true,
	})
	if err != nil {
		return err
	}
	if err := s.CreateNIC(nicID, link); err != nil {
		return tcpError(err)
	}
	if err := n.addresses(); err != nil {
		return err
	}
	s.SetTransportProtocolHandler(tcp.ProtocolNumber, n.pending.forward(tcp.NewForwarder(s, 1<<20, 2*maxPending, n.acceptTCP)))
	s.SetTransportProtocolHandler(udp.ProtocolNumber, n.answers(udp.NewForwarder(s, n.acceptUDP).HandlePacket))
	s.SetTransportProtocolHandler(icmp.ProtocolNumber4, n.acceptEcho4)
	s.SetTransportProtocolHandler(icmp.ProtocolNumber6, n.acceptEcho6)
	return nil
}

// maxPending bounds the connections whose host side is not there yet.
const maxPending = 4096

func (n *Network) addresses() error {
	s := n.stack
	if err := errors.Join(tcpError(s.SetPromiscuousMode(nicID, true)), tcpError(s.SetSpoofing(nicID, true))); err != nil {
		return err
	}
	own := []netip.Addr{n.cfg.Gateway}
	if n.cfg.DNS != n.cfg.Gateway {
		own = append(own, n.cfg.DNS)
	}
	if n.cfg.Gateway6.IsValid() {
		own = append(own, n.cfg.Gateway6)
	}
	for _, a := range own {
		proto := ipv4.ProtocolNumber
		if a.Is6() {
			proto = ipv6.ProtocolNumber
		}
		err := s.AddProtocolAddress(nicID, tcpip.ProtocolAddress{
			Protocol: proto, AddressWithPrefix: tcpip.AddrFromSlice(a.AsSlice()).WithPrefix(),
		}, stack.AddressProperties{})
		if err != nil {
			return tcpError(err)
		}
	}
	s.SetRouteTable([]tcpip.Route{
		{Destination: header.IPv4EmptySubnet, NIC: nicID},
		{Destination: header.IPv6EmptySubnet, NIC: nicID},
	})
	// The container's addresses never change place.
	for _, a := range n.cfg.Addresses() {
		proto := ipv4.ProtocolNumber
		if a.Is6() {
			proto = ipv6.ProtocolNumber
		}
		if err := s.AddStaticNeighbor(nicID, proto, tcpip.AddrFromSlice(a.AsSlice()), tcpip.LinkAddress(n.cfg.MAC[:])); err != nil {
			return tcpError(err)
		}
	}
	return nil
}

// Close disconnects the namespace and ends every connection. It may be called
// again.
func (n *Network) Close() {
	select {
	case <-n.done:
	default:
		close(n.done)
	}
	if n.peers != nil {
		n.peers.close()
		if n.cfg.Names != nil {
			n.cfg.Names.remove(n.cfg.Member)
		}
		n.peers = nil
	}
	if n.stack != nil {
		n.stack.Destroy()
	}
	n.links.Wait()
	n.wire.close()
	n.wire = noWire
}

// addrOf makes netstack's address ours.
func addrOf(a tcpip.Address) netip.Addr {
	addr, _ := netip.AddrFromSlice(a.AsSlice())
	return addr
}
