// SPDX-License-Identifier: Apache-2.0

package slirp

import (
	"bytes"
	"errors"
	"sync"

	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/checksum"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/icmp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"

	"coracle/pkg/slirp/kerneltcp"
)

// pendingSYNs holds every connection request that waits for the host's side: an
// ICMP error quotes its beginning, and the container's kernel looks at the
// sequence number in the quotation.
type pendingSYNs struct {
	mu   sync.Mutex
	open map[stack.TransportEndpointID]request
}

// forward hands requests on to f, each one once. It sees only packets that
// belong to no connection.
func (p *pendingSYNs) forward(f *tcp.Forwarder) func(stack.TransportEndpointID, *stack.PacketBuffer) bool {
	return func(id stack.TransportEndpointID, pkt *stack.PacketBuffer) bool {
		h := header.TCP(pkt.TransportHeader().Slice())
		if len(h) < header.TCPMinimumSize || int(h.DataOffset()) < header.TCPMinimumSize || int(h.DataOffset()) > len(h) ||
			h.Flags()&(header.TCPFlagSyn|header.TCPFlagAck) != header.TCPFlagSyn {
			return f.HandlePacket(id, pkt)
		}
		const quoted = 8 // of what is behind the IP header, RFC 792
		p.mu.Lock()
		_, known := p.open[id]
		if known || len(p.open) >= maxPending {
			p.mu.Unlock()
			return true // it comes again
		}
		if p.open == nil {
			p.open = map[stack.TransportEndpointID]request{}
		}
		p.open[id] = request{
			quoted:    append(bytes.Clone(pkt.NetworkHeader().Slice()), h[:quoted]...),
			Handshake: kerneltcp.Handshake{Seq: h.SequenceNumber(), Window: h.WindowSize(), Options: header.ParseSynOptions(h.Options(), false)},
		}
		p.mu.Unlock()
		taken := f.HandlePacket(id, pkt)
		if !taken {
			p.done(id)
		}
		return taken
	}
}

// get returns a request that waits.
func (p *pendingSYNs) get(id stack.TransportEndpointID) request {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.open[id]
}

// done forgets a request.
func (p *pendingSYNs) done(id stack.TransportEndpointID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.open, id)
}

// refuse tells the container why there is no connection: what the host's
// kernel said becomes what the container's says. Where the host heard nothing,
// or has no descriptor to spare, the container hears nothing either.
func (n *Link) refuse(r *tcp.ForwarderRequest, err error) {
	id := r.ID()
	v4, v6 := header.ICMPv4HostUnreachable, header.ICMPv6AddressUnreachable
	switch {
	case errors.Is(err, unix.ETIMEDOUT), errors.Is(err, unix.EMFILE), errors.Is(err, unix.ENFILE), errors.Is(err, unix.ENOBUFS):
		r.Complete(false)
		n.pending.done(id)
		return
	case errors.Is(err, unix.ENETUNREACH):
		v4, v6 = header.ICMPv4NetUnreachable, header.ICMPv6NetworkUnreachable
	case errors.Is(err, unix.EHOSTUNREACH), errors.Is(err, unix.EHOSTDOWN):
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		v4, v6 = header.ICMPv4AdminProhibited, header.ICMPv6Prohibited
	default:
		r.Complete(true)
		n.pending.done(id)
		return
	}
	r.Complete(false)
	if quoted := n.pending.get(id).quoted; quoted != nil {
		n.sendUnreachable(id, v4, v6, quoted)
	}
	n.pending.done(id)
}

// refuseDatagram tells the container that nobody takes its datagrams, by an ICMP
// error that quotes the beginning of one.
func (n *Link) refuseDatagram(id stack.TransportEndpointID) {
	u := header.UDP(make([]byte, header.UDPMinimumSize))
	u.Encode(&header.UDPFields{SrcPort: id.RemotePort, DstPort: id.LocalPort, Length: header.UDPMinimumSize})
	var quoted []byte
	if addrOf(id.RemoteAddress).Is4() {
		h := header.IPv4(make([]byte, header.IPv4MinimumSize))
		h.Encode(&header.IPv4Fields{
			TotalLength: header.IPv4MinimumSize + header.UDPMinimumSize, TTL: 64, Protocol: uint8(header.UDPProtocolNumber),
			SrcAddr: id.RemoteAddress, DstAddr: id.LocalAddress,
		})
		h.SetChecksum(^h.CalculateChecksum())
		quoted = h
	} else {
		h := header.IPv6(make([]byte, header.IPv6MinimumSize))
		h.Encode(&header.IPv6Fields{
			PayloadLength: header.UDPMinimumSize, TransportProtocol: header.UDPProtocolNumber, HopLimit: 64,
			SrcAddr: id.RemoteAddress, DstAddr: id.LocalAddress,
		})
		quoted = h
	}
	n.sendUnreachable(id, header.ICMPv4PortUnreachable, header.ICMPv6PortUnreachable, append(quoted, u...))
}

// sendUnreachable is an ICMP error about a packet, from the gateway.
func (n *Link) sendUnreachable(id stack.TransportEndpointID, v4 header.ICMPv4Code, v6 header.ICMPv6Code, quoted []byte) {
	if addrOf(id.RemoteAddress).Is4() {
		h := header.ICMPv4(make([]byte, header.ICMPv4MinimumSize))
		h.SetType(header.ICMPv4DstUnreachable)
		h.SetCode(v4)
		h.SetChecksum(^checksum.Checksum(h, checksum.Checksum(quoted, 0)))
		n.sendICMP(tcpip.AddrFromSlice(n.cfg.Gateway.AsSlice()), id.RemoteAddress, h, quoted)
		return
	}
	src := tcpip.AddrFromSlice(n.cfg.Gateway6.AsSlice())
	h := header.ICMPv6(make([]byte, header.ICMPv6DstUnreachableMinimumSize))
	h.SetType(header.ICMPv6DstUnreachable)
	h.SetCode(v6)
	h.SetChecksum(header.ICMPv6Checksum(header.ICMPv6ChecksumParams{
		Header: h, Src: src, Dst: id.RemoteAddress, PayloadCsum: checksum.Checksum(quoted, 0), PayloadLen: len(quoted),
	}))
	n.sendICMP(src, id.RemoteAddress, h, quoted)
}

// sendICMP writes a complete message to the container.
func (n *Link) sendICMP(src, dst tcpip.Address, hdr, payload []byte) {
	netProto, proto := ipv4.ProtocolNumber, icmp.ProtocolNumber4
	if addrOf(dst).Is6() {
		netProto, proto = ipv6.ProtocolNumber, icmp.ProtocolNumber6
	}
	route, terr := n.stack.FindRoute(nicID, src, dst, netProto, false)
	if terr != nil {
		return
	}
	defer route.Release()
	pkt := stack.NewPacketBuffer(stack.PacketBufferOptions{
		ReserveHeaderBytes: int(route.MaxHeaderLength()) + len(hdr),
		Payload:            buffer.MakeWithData(payload),
	})
	defer pkt.DecRef()
	copy(pkt.TransportHeader().Push(len(hdr)), hdr)
	pkt.TransportProtocolNumber = proto
	_ = route.WritePacket(stack.NetworkHeaderParams{Protocol: proto, TTL: 64}, pkt)
}
