// SPDX-License-Identifier: Apache-2.0

package slirp

import (
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/link/nested"
	"gvisor.dev/gvisor/pkg/tcpip/stack"

	"coracle/pkg/slirp/l2"
)

// sorted is the stack's link on a segment: what the container sends to another
// hardware address than the gateway's is the switch's.
type sorted struct {
	nested.Endpoint
	peers   *l2.Switch
	gateway l2.MAC
}

func newSorted(link stack.LinkEndpoint, peers *l2.Switch, gateway l2.MAC) stack.LinkEndpoint {
	s := &sorted{peers: peers, gateway: gateway}
	s.Init(link, s)
	return s
}

// DeliverNetworkPacket is for what has come from the container.
func (s *sorted) DeliverNetworkPacket(protocol tcpip.NetworkProtocolNumber, pkt *stack.PacketBuffer) {
	if to := pkt.LinkHeader().Slice(); len(to) < l2.EtherHeader || l2.MAC(to[:6]) == s.gateway {
		s.Endpoint.DeliverNetworkPacket(protocol, pkt)
		return
	}
	v := pkt.ToView()
	s.peers.Overhear(v.AsSlice())
	v.Release()
}
