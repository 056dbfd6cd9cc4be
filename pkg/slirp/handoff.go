// SPDX-License-Identifier: Apache-2.0

package slirp

import (
	"net"
	"net/netip"

	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"

	"coracle/pkg/slirp/kerneltcp"
)

// request is a connection that the container asks for.
type request struct {
	quoted []byte // the beginning of the packet, as an ICMP error quotes it
	kerneltcp.Handshake
}

// kernelCarries reports whether the kernel carries a connection: the filter of the
// stack's socket says the same.
func (n *Link) kernelCarries(id stack.TransportEndpointID) bool {
	src, dst := addrOf(id.RemoteAddress), addrOf(id.LocalAddress)
	return n.kernel != nil && (src == n.cfg.Address.Addr() || src == n.cfg.Address6.Addr()) &&
		dst != n.cfg.Gateway && dst != n.cfg.DNS && dst != n.cfg.Gateway6
}

// handOff answers a request whose host's side is conn, and has the kernel carry
// the connection. It takes conn over.
func (n *Link) handOff(conn *net.TCPConn, id stack.TransportEndpointID, r request) error {
	local, remote := netip.AddrPortFrom(addrOf(id.LocalAddress), id.LocalPort), netip.AddrPortFrom(addrOf(id.RemoteAddress), id.RemotePort)
	return n.kernel.Establish(conn, local, remote, r.Handshake, func(isn uint32) { n.sendSynAck(id, r, isn) })
}

// sendSynAck accepts a request.
func (n *Link) sendSynAck(id stack.TransportEndpointID, r request, isn uint32) {
	netProto, overhead := ipv4.ProtocolNumber, header.IPv4MinimumSize+header.TCPMinimumSize
	if addrOf(id.LocalAddress).Is6() {
		netProto, overhead = ipv6.ProtocolNumber, header.IPv6MinimumSize+header.TCPMinimumSize
	}
	route, terr := n.stack.FindRoute(nicID, id.LocalAddress, id.RemoteAddress, netProto, false)
	if terr != nil {
		return
	}
	defer route.Release()
	var opts [12]byte
	size := header.EncodeMSSOption(uint32(n.cfg.MTU-overhead), opts[:])
	if r.Options.WS >= 0 {
		size += header.EncodeNOP(opts[size:])
		size += header.EncodeWSOption(kerneltcp.WindowScale, opts[size:])
	}
	if r.Options.SACKPermitted {
		size += header.EncodeNOP(opts[size:])
		size += header.EncodeNOP(opts[size:])
		size += header.EncodeSACKPermittedOption(opts[size:])
	}
	length := header.TCPMinimumSize + size
	pkt := stack.NewPacketBuffer(stack.PacketBufferOptions{ReserveHeaderBytes: int(route.MaxHeaderLength()) + length})
	defer pkt.DecRef()
	h := header.TCP(pkt.TransportHeader().Push(length))
	pkt.TransportProtocolNumber = tcp.ProtocolNumber
	h.Encode(&header.TCPFields{
		SrcPort: id.LocalPort, DstPort: id.RemotePort, SeqNum: isn, AckNum: r.Seq + 1, DataOffset: uint8(length),
		Flags: header.TCPFlagSyn | header.TCPFlagAck, WindowSize: kerneltcp.Window,
	})
	copy(h[header.TCPMinimumSize:], opts[:size])
	sum := header.PseudoHeaderChecksum(tcp.ProtocolNumber, id.LocalAddress, id.RemoteAddress, uint16(length))
	h.SetChecksum(^h.CalculateChecksum(sum))
	_ = route.WritePacket(stack.NetworkHeaderParams{Protocol: tcp.ProtocolNumber, TTL: 64}, pkt)
}
