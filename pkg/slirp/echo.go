// SPDX-License-Identifier: Apache-2.0

package slirp

import (
	"net"
	"net/netip"
	"time"

	xicmp "golang.org/x/net/icmp"
	xipv4 "golang.org/x/net/ipv4"
	xipv6 "golang.org/x/net/ipv6"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/checksum"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// echoWait is how long an answer to an echo request is waited for.
const echoWait = 10 * time.Second

// acceptEcho4 passes an echo request on through a ping socket (icmp(7)), which
// the host's net.ipv4.ping_group_range allows or not. Without it, only the
// gateway answers: the stack does that by itself when the packet is not taken.
func (n *Link) acceptEcho4(id stack.TransportEndpointID, pkt *stack.PacketBuffer) bool {
	h := header.ICMPv4(pkt.TransportHeader().Slice())
	dst := addrOf(id.LocalAddress)
	if len(h) < header.ICMPv4MinimumSize || h.Type() != header.ICMPv4Echo || n.answersItself(dst) {
		return false
	}
	e := echo{n: n, dst: dst, src: addrOf(id.RemoteAddress), ident: h.Ident(), seq: h.Sequence(), payload: payloadOf(pkt)}
	return e.start()
}

// acceptEcho6 is the same for IPv6.
func (n *Link) acceptEcho6(id stack.TransportEndpointID, pkt *stack.PacketBuffer) bool {
	h := header.ICMPv6(pkt.TransportHeader().Slice())
	dst := addrOf(id.LocalAddress)
	if len(h) < header.ICMPv6EchoMinimumSize || h.Type() != header.ICMPv6EchoRequest || n.answersItself(dst) {
		return false
	}
	e := echo{n: n, dst: dst, src: addrOf(id.RemoteAddress), ident: h.Ident(), seq: h.Sequence(), payload: payloadOf(pkt)}
	return e.start()
}

func (n *Link) answersItself(a netip.Addr) bool {
	return a == n.cfg.Gateway || a == n.cfg.DNS || a == n.cfg.Gateway6
}

// payloadOf is the data behind the echo header. For ICMPv6 the stack leaves
// identifier and sequence number with the header, as for ICMPv4.
func payloadOf(pkt *stack.PacketBuffer) []byte {
	return pkt.Data().AsRange().ToSlice()
}

// echo is one request on its way.
type echo struct {
	n          *Link
	src, dst   netip.Addr
	ident, seq uint16
	payload    []byte
}

// start takes the request; what is not answered is silence, as on any network.
func (e *echo) start() bool {
	host, ok := e.n.cfg.target(e.dst)
	if !ok || !e.n.flows.enter() {
		return true
	}
	e.n.busy.Add(1)
	go func() {
		defer e.n.busy.Done()
		defer e.n.flows.leave()
		if e.ask(host) {
			e.answer()
		}
	}()
	return true
}

// ask sends the request from the host and waits for the answer.
func (e *echo) ask(host netip.Addr) bool {
	network, proto := "udp4", 1
	var kind xicmp.Type = xipv4.ICMPTypeEcho
	var want xicmp.Type = xipv4.ICMPTypeEchoReply
	if host.Is6() {
		network, proto, kind, want = "udp6", 58, xipv6.ICMPTypeEchoRequest, xipv6.ICMPTypeEchoReply
	}
	c, err := xicmp.ListenPacket(network, "")
	if err != nil {
		return false
	}
	defer c.Close()
	msg := xicmp.Message{Type: kind, Body: &xicmp.Echo{ID: int(e.ident), Seq: int(e.seq), Data: e.payload}}
	b, err := msg.Marshal(nil)
	if err != nil {
		return false
	}
	_ = c.SetDeadline(time.Now().Add(echoWait))
	if _, err := c.WriteTo(b, &net.UDPAddr{IP: host.AsSlice(), Zone: host.Zone()}); err != nil {
		return false
	}
	buf := make([]byte, 64<<10)
	for {
		k, _, err := c.ReadFrom(buf)
		if err != nil {
			return false
		}
		m, err := xicmp.ParseMessage(proto, buf[:k])
		if err != nil || m.Type != want {
			continue
		}
		if body, ok := m.Body.(*xicmp.Echo); ok && body.Seq == int(e.seq) {
			e.payload = body.Data
			return true
		}
	}
}

// answer writes the reply to the container, in the name of who was asked.
func (e *echo) answer() {
	src, dst := tcpip.AddrFromSlice(e.dst.AsSlice()), tcpip.AddrFromSlice(e.src.AsSlice())
	var hdr []byte
	if e.dst.Is4() {
		h := header.ICMPv4(make([]byte, header.ICMPv4MinimumSize))
		h.SetType(header.ICMPv4EchoReply)
		h.SetIdent(e.ident)
		h.SetSequence(e.seq)
		h.SetChecksum(^checksum.Checksum(h, checksum.Checksum(e.payload, 0)))
		hdr = h
	} else {
		h := header.ICMPv6(make([]byte, header.ICMPv6EchoMinimumSize))
		h.SetType(header.ICMPv6EchoReply)
		h.SetIdent(e.ident)
		h.SetSequence(e.seq)
		h.SetChecksum(header.ICMPv6Checksum(header.ICMPv6ChecksumParams{
			Header: h, Src: src, Dst: dst, PayloadCsum: checksum.Checksum(e.payload, 0), PayloadLen: len(e.payload),
		}))
		hdr = h
	}
	e.n.sendICMP(src, dst, hdr, e.payload)
}
