// SPDX-License-Identifier: Apache-2.0

package publish

import "net/netip"

// Spec is a port to publish, as it was asked for.
type Spec struct {
	HostIP        netip.Addr `json:"hostIp"`      // invalid: every address, IPv4 and IPv6
	HostPort      uint16     `json:"hostPort"`    // 0: any free one
	HostPortEnd   uint16     `json:"hostPortEnd"` // a free one from HostPort to here
	ContainerPort uint16     `json:"containerPort"`
	Proto         string     `json:"proto"` // tcp or udp
}

// Port is a port that is listened on.
type Port struct {
	HostIP        netip.Addr `json:"hostIp"`
	HostPort      uint16     `json:"hostPort"`
	ContainerPort uint16     `json:"containerPort"`
	Proto         string     `json:"proto"`
}
