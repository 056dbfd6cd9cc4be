// SPDX-License-Identifier: Apache-2.0

package slirp

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"

	"github.com/vishvananda/netlink"
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

	"coracle/pkg/slirp/dns"
	"coracle/pkg/slirp/kerneltcp"
	"coracle/pkg/slirp/l2"
	"coracle/pkg/slirp/publish"
)

// Link connects a namespace.
type Link struct {
	cfg    Config
	netns  *os.File
	wire   l2.Wire
	peers  *l2.Switch         // nil without other members
	kernel *kerneltcp.Carrier // nil: the stack carries the data of TCP
	stack  *stack.Stack
	busy   sync.WaitGroup // connections and flows that are being carried
	done   chan struct{}

	pending pendingSYNs
	flows   flowTable
	outer   outerPorts
	dns     *dns.Resolver

	visited atomic.Pointer[publish.Ports] // whose visitors are led here
	wayOut  atomic.Bool                   // the container's default route leads here
}

const nicID tcpip.NICID = 1

// Start connects netns: when it returns, eth0 is up with its routes. The
// calling process, which must be root in the user namespace that owns netns,
// carries the traffic until Close.
func Start(netns *os.File, cfg Config) (*Link, error) {
	n := &Link{cfg: cfg, netns: netns, wire: l2.NoWire, done: make(chan struct{})}
	n.flows.max, n.flows.idle = maxFlows, cmp.Or(cfg.idle, flowIdle)
	n.wayOut.Store(!cfg.NoDefaultRoute)
	n.dns = dns.NewResolver(n.closing(), cfg.ResolvConf, cfg.Names, cfg.Internal)
	plan := cfg.Config
	plan.Shared = cfg.Peers != nil
	if !cfg.stackTCP {
		plan.KernelTCP = n.startKernel
	}
	var err error
	if n.wire, err = l2.Open(netns, plan); err != nil {
		n.Close()
		return nil, fmt.Errorf("connect network: %w", err)
	}
	if cfg.Peers != nil {
		n.peers = l2.NewSwitch(n.wire, cfg.Config, cfg.Peers)
	}
	if err := n.startStack(); err != nil {
		n.Close()
		return nil, fmt.Errorf("connect network: %w", err)
	}
	return n, nil
}

// startKernel has the kernel of the wire's namespace, which is the calling
// thread's, carry TCP.
func (n *Link) startKernel(wire netlink.Link) (err error) {
	n.kernel, err = kerneltcp.New(wire, n.cfg.Place, n.cfg.DNS)
	return err
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
func (n *Link) startStack() error {
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
	gateway := l2.MACOf(n.cfg.Gateway)
	link, err := fdbased.New(&fdbased.Options{
		FDs: []int{n.wire.Stack}, MTU: uint32(n.cfg.MTU), EthernetHeader: true, Address: tcpip.LinkAddress(gateway[:]),
		PacketDispatchMode: fdbased.RecvMMsg, GSOMaxSize: 65535, RXChecksumOffload: true,
	})
	if err != nil {
		return err
	}
	if n.peers != nil {
		link = newSorted(link, n.peers, gateway)
	}
	// From CreateNIC on frames are read.
	s.SetTransportProtocolHandler(tcp.ProtocolNumber, n.pending.forward(tcp.NewForwarder(s, 1<<20, 2*maxPending, n.acceptTCP)))
	s.SetTransportProtocolHandler(udp.ProtocolNumber, n.answers(udp.NewForwarder(s, n.acceptUDP).HandlePacket))
	s.SetTransportProtocolHandler(icmp.ProtocolNumber4, n.acceptEcho4)
	s.SetTransportProtocolHandler(icmp.ProtocolNumber6, n.acceptEcho6)
	if err := s.CreateNIC(nicID, link); err != nil {
		return tcpError(err)
	}
	return n.addresses()
}

// maxPending bounds the connections whose host side is not there yet.
const maxPending = 4096

func (n *Link) addresses() error {
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
func (n *Link) Close() {
	select {
	case <-n.done:
	default:
		close(n.done)
	}
	if n.peers != nil {
		n.peers.Close()
		n.peers = nil
	}
	if n.stack != nil {
		n.stack.Destroy()
	}
	n.busy.Wait()
	n.wire.Close()
	n.wire = l2.NoWire
	if n.kernel != nil {
		n.kernel.Close()
		n.kernel = nil
	}
}

// TakeWayOut makes this link the container's way out, or takes that from it: there
// is one at a time, and none on an internal network.
func (n *Link) TakeWayOut(take bool) error {
	if n.wayOut.Swap(take) == take {
		return nil
	}
	return l2.SetWayOut(n.netns, n.cfg.Config, take)
}

// Disconnect takes the container off the link: it closes it, and the interface is
// gone. Close leaves that to the end of the namespace.
func (n *Link) Disconnect() {
	l2.Remove(n.netns, n.cfg.Interface)
	n.Close()
}

// addrOf makes netstack's address ours.
func addrOf(a tcpip.Address) netip.Addr {
	addr, _ := netip.AddrFromSlice(a.AsSlice())
	return addr
}
