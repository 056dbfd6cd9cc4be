// SPDX-License-Identifier: Apache-2.0

package l2

import (
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/checksum"
	"gvisor.dev/gvisor/pkg/tcpip/header"
)

// TestCompleteUDP: a datagram whose sum its kernel has left to others has one that its
// receiver takes; what is no datagram stays as it is.
func TestCompleteUDP(t *testing.T) {
	const text = "hello"
	src, dst := tcpip.AddrFrom16(netip.MustParseAddr("fd12::2").As16()), tcpip.AddrFrom16(netip.MustParseAddr("ff02::1").As16())
	length := header.UDPMinimumSize + len(text)
	frame := make([]byte, EtherHeader+header.IPv6MinimumSize+length)
	frame[12], frame[13] = unix.ETH_P_IPV6>>8, unix.ETH_P_IPV6&0xff
	header.IPv6(frame[EtherHeader:]).Encode(&header.IPv6Fields{PayloadLength: uint16(length), TransportProtocol: header.UDPProtocolNumber, SrcAddr: src, DstAddr: dst})
	udp := header.UDP(frame[EtherHeader+header.IPv6MinimumSize:])
	udp.Encode(&header.UDPFields{SrcPort: 1, DstPort: 2, Length: uint16(length), Checksum: 0x1234})
	copy(udp.Payload(), text)
	completeUDP(frame)
	sum := header.PseudoHeaderChecksum(header.UDPProtocolNumber, src, dst, uint16(length))
	if sum = checksum.Combine(sum, checksum.Checksum(udp, 0)); sum != 0xffff {
		t.Errorf("the sum over IPv6 is wrong: %#x", sum)
	}

	frame = make([]byte, EtherHeader+header.IPv4MinimumSize+length)
	frame[12] = 0x08
	ip := header.IPv4(frame[EtherHeader:])
	ip.Encode(&header.IPv4Fields{TotalLength: uint16(header.IPv4MinimumSize + length), Protocol: uint8(header.UDPProtocolNumber)})
	udp = header.UDP(frame[EtherHeader+header.IPv4MinimumSize:])
	udp.SetChecksum(0x1234)
	completeUDP(frame)
	if udp.Checksum() != 0 {
		t.Errorf("over IPv4 there is a sum: %#x", udp.Checksum())
	}
	for what, spoil := range map[string]func(){
		"another protocol": func() { ip[9] = uint8(header.ICMPv4ProtocolNumber) },
		"a later fragment": func() { ip[9], ip[7] = uint8(header.UDPProtocolNumber), 8 },
	} {
		spoil()
		udp.SetChecksum(0x1234)
		completeUDP(frame)
		if udp.Checksum() != 0x1234 {
			t.Errorf("%s is changed", what)
		}
	}
	completeUDP(frame[:EtherHeader+header.IPv4MinimumSize]) // no panic where there is nothing
}
