// SPDX-License-Identifier: Apache-2.0

package kerneltcp

import (
	"math/rand/v2"
	"net"
	"net/netip"

	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/tcpip/header"

	"coracle/pkg/descriptor"
	"coracle/pkg/slirp/relay"
)

// Handshake is what the container has said in its request for a connection
// (RFC 9293, 3.4).
type Handshake struct {
	Seq     uint32
	Window  uint16
	Options header.TCPSynOptions
}

// What our side says in its answer.
const (
	Window      = 65535 // bytes
	WindowScale = 8     // windows are counted in 2^8 bytes (RFC 7323)
)

// Establish has the kernel carry the connection that the container at remote
// wants with local, and whose host's side is conn. It takes conn over. answer
// accepts the request on the wire, with the sequence number that is ours, before
// anything that the kernel says.
func (k *Carrier) Establish(conn *net.TCPConn, local, remote netip.AddrPort, r Handshake, answer func(isn uint32)) error {
	defer conn.Close()
	loop, err := k.loop()
	if err != nil {
		return err
	}
	host, err := descriptor.Dup(conn, 0)
	if err != nil {
		return err
	}
	isn := rand.Uint32()
	err = loop.Relay(host, mostCarried()/relay.Loops(), func() (int, error) {
		fd, err := establish(local, remote, r, isn)
		if err == nil {
			answer(isn)
		}
		return fd, err
	})
	if err != nil {
		unix.Close(host)
	}
	return err
}
