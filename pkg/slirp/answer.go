// SPDX-License-Identifier: Apache-2.0

package slirp

import (
	"fmt"
	"net/netip"
	"os"
	"strings"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/checksum"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"

	"coracle/pkg/slirp/l2"
	"coracle/pkg/slirp/netns"
	"coracle/pkg/slirp/publish"
)

// A link is what ports are published on.
var _ publish.Link = (*Link)(nil)

// Place is where the container is.
func (n *Link) Place() l2.Place { return n.cfg.Place }

// HasWayOut reports whether the container's way out is here.
func (n *Link) HasWayOut() bool { return n.wayOut.Load() }

// AnswerTo gives datagrams from the container to p first, or to nobody.
func (n *Link) AnswerTo(p *publish.Ports) { n.visited.Store(p) }

// ListensUDP6 reports whether somebody in the container listens at a UDP port over
// IPv6: the second column of /proc/net/udp6 is the local address and port, in
// hexadecimal digits.
func (n *Link) ListensUDP6(port uint16) bool {
	list, err := netns.In(n.netns, func() ([]byte, error) { return os.ReadFile("/proc/thread-self/net/udp6") })
	if err != nil {
		return false
	}
	suffix := fmt.Sprintf(":%04X", port)
	for line := range strings.Lines(string(list)) {
		if f := strings.Fields(line); len(f) > 1 && strings.HasSuffix(f[1], suffix) {
			return true
		}
	}
	return false
}

// answers gives datagrams from the container to the published ports; next gets what
// answers no visitor.
func (n *Link) answers(next func(stack.TransportEndpointID, *stack.PacketBuffer) bool) func(stack.TransportEndpointID, *stack.PacketBuffer) bool {
	return func(id stack.TransportEndpointID, pkt *stack.PacketBuffer) bool {
		p := n.visited.Load()
		if p == nil || !p.Answer(id.RemotePort, netip.AddrPortFrom(addrOf(id.LocalAddress), id.LocalPort), func() []byte { return pkt.Data().AsRange().ToSlice() }) {
			return next(id, pkt)
		}
		return true
	}
}

// SendUDP writes a datagram to the container.
func (n *Link) SendUDP(from, to netip.AddrPort, data []byte) {
	src, dst := tcpip.AddrFromSlice(from.Addr().AsSlice()), tcpip.AddrFromSlice(to.Addr().AsSlice())
	proto := ipv4.ProtocolNumber
	if to.Addr().Is6() {
		proto = ipv6.ProtocolNumber
	}
	route, terr := n.stack.FindRoute(nicID, src, dst, proto, false)
	if terr != nil {
		return
	}
	defer route.Release()
	pkt := stack.NewPacketBuffer(stack.PacketBufferOptions{
		ReserveHeaderBytes: int(route.MaxHeaderLength()) + header.UDPMinimumSize,
		Payload:            buffer.MakeWithData(data),
	})
	defer pkt.DecRef()
	length := uint16(header.UDPMinimumSize + len(data))
	h := header.UDP(pkt.TransportHeader().Push(header.UDPMinimumSize))
	pkt.TransportProtocolNumber = udp.ProtocolNumber
	h.Encode(&header.UDPFields{SrcPort: from.Port(), DstPort: to.Port(), Length: length})
	sum := header.PseudoHeaderChecksum(udp.ProtocolNumber, src, dst, length)
	if h.SetChecksum(^h.CalculateChecksum(checksum.Checksum(data, sum))); h.Checksum() == 0 {
		h.SetChecksum(0xffff) // zero says that there is none (RFC 768)
	}
	_ = route.WritePacket(stack.NetworkHeaderParams{Protocol: udp.ProtocolNumber, TTL: 64}, pkt)
}
