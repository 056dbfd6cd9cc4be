// SPDX-License-Identifier: Apache-2.0

package l2

import (
	"net/netip"

	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
)

// Who has which hardware address is answered from what is known of the peers, in the name of
// who is asked for: nobody else is asked, and nobody can lie.

// ARP for IPv4 over Ethernet (RFC 826): 28 bytes behind the Ethernet header.
const arpLength = 28

func isARP(ether []byte) bool {
	return len(ether) >= EtherHeader+arpLength && etherType(ether) == unix.ETH_P_ARP
}

func etherType(ether []byte) uint16 { return uint16(ether[12])<<8 | uint16(ether[13]) }

// answerARP answers in the name of the member that is asked for, or the gateway.
func (s *Switch) answerARP(ether []byte) {
	arp := ether[EtherHeader : EtherHeader+arpLength]
	const request = 1
	if arp[6] != 0 || arp[7] != request {
		return
	}
	asked := netip.AddrFrom4([4]byte(arp[24:28]))
	var mac MAC
	if asked == s.own.Gateway || asked == s.own.DNS {
		mac = MACOf(s.own.Gateway)
	} else if o, ok := s.peers.ByAddr(asked); ok {
		mac = o.MAC
		s.open()
	} else {
		return
	}
	body := make([]byte, arpLength)
	copy(body[0:6], arp[0:6]) // Ethernet, IPv4, and their lengths
	body[7] = 2               // reply
	copy(body[8:14], mac[:])
	copy(body[14:18], arp[24:28])
	copy(body[18:24], arp[8:14])
	copy(body[24:28], arp[14:18])
	s.reply(MAC(arp[8:14]), mac, unix.ETH_P_ARP, body)
}

// reply writes a frame to the container.
func (s *Switch) reply(to, from MAC, kind uint16, body []byte) {
	frame := make([]byte, VnetHeader, VnetHeader+EtherHeader+len(body))
	frame = append(append(frame, to[:]...), from[:]...)
	frame = append(frame, byte(kind>>8), byte(kind))
	s.toContainer(append(frame, body...))
}

// Neighbour discovery (RFC 4861) is sent with this hop limit, and taken with no
// other.
const discoveryHops = 255

// isDiscovery reports whether a frame is of neighbour discovery: a message of
// type 133 to 137 right behind the IPv6 header.
func isDiscovery(ether []byte) bool {
	if len(ether) < EtherHeader+header.IPv6MinimumSize+header.ICMPv6MinimumSize || etherType(ether) != unix.ETH_P_IPV6 {
		return false
	}
	ip := header.IPv6(ether[EtherHeader:])
	kind := header.ICMPv6(ip[header.IPv6MinimumSize:]).Type()
	return ip.NextHeader() == uint8(header.ICMPv6ProtocolNumber) && kind >= header.ICMPv6RouterSolicit && kind <= header.ICMPv6RedirectMsg
}

// answerSolicitation answers a neighbour solicitation in the name of the member
// that is asked for, or the gateway.
func (s *Switch) answerSolicitation(ether []byte) {
	ip := header.IPv6(ether[EtherHeader:])
	msg := header.ICMPv6(ip[header.IPv6MinimumSize:])
	if msg.Type() != header.ICMPv6NeighborSolicit || len(msg) < header.ICMPv6NeighborSolicitMinimumSize || ip.SourceAddress() == header.IPv6Any {
		return // or a question whether an address is free, which is answered where addresses are given
	}
	target := header.NDPNeighborSolicit(msg.MessageBody()).TargetAddress()
	asked := netip.AddrFrom16(target.As16())
	var mac MAC
	if asked == s.own.Gateway6 {
		mac = MACOf(s.own.Gateway)
	} else if o, ok := s.peers.ByAddr(asked); ok {
		mac = o.MAC
		s.open()
	} else {
		return
	}
	options := header.NDPOptionsSerializer{header.NDPTargetLinkLayerAddressOption(tcpip.LinkAddress(mac[:]))}
	length := header.ICMPv6NeighborAdvertMinimumSize + options.Length()
	body := make([]byte, header.IPv6MinimumSize+length)
	header.IPv6(body).Encode(&header.IPv6Fields{
		PayloadLength: uint16(length), TransportProtocol: header.ICMPv6ProtocolNumber, HopLimit: discoveryHops, SrcAddr: target, DstAddr: ip.SourceAddress(),
	})
	answer := header.ICMPv6(body[header.IPv6MinimumSize:])
	answer.SetType(header.ICMPv6NeighborAdvert)
	advert := header.NDPNeighborAdvert(answer.MessageBody())
	advert.SetSolicitedFlag(true)
	advert.SetOverrideFlag(true)
	advert.SetTargetAddress(target)
	advert.Options().Serialize(options)
	answer.SetChecksum(header.ICMPv6Checksum(header.ICMPv6ChecksumParams{Header: answer, Src: target, Dst: ip.SourceAddress()}))
	s.reply(MAC(ether[6:12]), mac, unix.ETH_P_IPV6, body)
}
