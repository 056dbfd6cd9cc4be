// SPDX-License-Identifier: Apache-2.0

package l2

import (
	"os"

	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/tcpip/checksum"
	"gvisor.dev/gvisor/pkg/tcpip/header"
)

// Whoever is alone on a segment has no sockets for others: the stack's hears all
// that the container sends, and what is not for the gateway comes here. The switch opens
// the others' when somebody is met: the container asks for a neighbour who is there, or
// another member asks for the wire.

// open has the wire shared, once somebody else is met.
func (s *Switch) open() {
	if s.opened.Load() {
		return
	}
	s.opening.Lock()
	defer s.opening.Unlock()
	select {
	case <-s.done:
		return
	default:
	}
	if s.opened.Load() {
		return
	}
	sent, entry, err := s.wire.share(MACOf(s.own.Gateway))
	if err != nil {
		return // for want of descriptors, say: the next frame tries again
	}
	s.sent, s.entry = os.NewFile(uintptr(sent), "wire"), entry
	s.opened.Store(true)
	s.loops.Go(s.outbound)
}

// Overhear takes a frame that is not for the gateway from the stack's socket, which
// hears them all until somebody else has been met. It may be changed.
func (s *Switch) Overhear(ether []byte) {
	switch {
	case isARP(ether):
		s.answerARP(ether)
	case isDiscovery(ether):
		s.answerSolicitation(ether)
	case s.opened.Load() || len(ether) < EtherHeader || !s.genuine(ether): // what is heard twice is sent once
	case ether[0]&1 == 0: // somebody who was not asked for: it will come again
		if _, ok := s.peers.ByMAC(MAC(ether[:6])); ok {
			s.open()
		}
	default:
		if others := s.peers.Others(); len(others) > 0 {
			s.open()
			completeUDP(ether)
			s.sendAll(others, append(make([]byte, VnetHeader, VnetHeader+len(ether)), ether...))
		}
	}
}

// completeUDP sums a datagram up: the kernel that sent it has left that to whoever
// carries it, and what says so is gone. In IPv4 there need be no sum (RFC 768).
func completeUDP(ether []byte) {
	switch packet := ether[EtherHeader:]; etherType(ether) {
	case unix.ETH_P_IP:
		ip := header.IPv4(packet)
		if n := int(ip.HeaderLength()); ip.Protocol() == uint8(header.UDPProtocolNumber) && ip.FragmentOffset() == 0 && len(packet) >= n+header.UDPMinimumSize {
			header.UDP(packet[n:]).SetChecksum(0)
		}
	case unix.ETH_P_IPV6:
		ip := header.IPv6(packet)
		if length := len(packet) - header.IPv6MinimumSize; ip.NextHeader() == uint8(header.UDPProtocolNumber) && length >= header.UDPMinimumSize {
			udp := header.UDP(packet[header.IPv6MinimumSize:])
			udp.SetChecksum(0)
			sum := header.PseudoHeaderChecksum(header.UDPProtocolNumber, ip.SourceAddress(), ip.DestinationAddress(), uint16(length))
			udp.SetChecksum(^checksum.Combine(sum, checksum.Checksum(udp, 0)))
		}
	}
}
