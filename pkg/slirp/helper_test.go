// SPDX-License-Identifier: Apache-2.0

package slirp

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"time"

	"github.com/vishvananda/netlink"

	"coracle/pkg/slirp/l2"
)

const (
	vnetHeader  = l2.VnetHeader
	etherHeader = l2.EtherHeader

	// What is known of DNS here (RFC 1035), and of package dns.
	dnsHeader     = 12
	rcodeServFail = 2
	responseBit   = 0x80
	dnsTries      = 5 * time.Second
	dnsPatience   = 300 * time.Millisecond
)

func macOf(a netip.Addr) l2.MAC { return l2.MACOf(a) }

func answers(answer, question []byte) bool {
	return len(answer) >= dnsHeader && len(question) >= dnsHeader && bytes.Equal(answer[:2], question[:2]) && answer[2]&0x80 != 0
}

// readFramed reads a message with its length before it.
func readFramed(r io.Reader) ([]byte, error) {
	var size [2]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return nil, err
	}
	message := make([]byte, binary.BigEndian.Uint16(size[:]))
	_, err := io.ReadFull(r, message)
	return message, err
}

func writeFramed(w io.Writer, message []byte) error {
	_, err := w.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(message))), message...))
	return err
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

func linkUp(name string) error {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return err
	}
	return netlink.LinkSetUp(link)
}
