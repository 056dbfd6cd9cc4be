// SPDX-License-Identifier: Apache-2.0

package l2

import (
	"fmt"
	"net"
	"net/netip"
)

// MAC is a hardware address of Ethernet (IEEE 802). Zero is none.
type MAC [6]byte

// ParseMAC reads an address that an interface can have: of one station, and not
// zero. The text is one of those of net.ParseMAC.
func ParseMAC(s string) (MAC, error) {
	const group = 1 // in the first byte: not of one station
	a, err := net.ParseMAC(s)
	if err != nil || len(a) != len(MAC{}) || a[0]&group != 0 || MAC(a).IsZero() {
		return MAC{}, fmt.Errorf("%s is not a valid mac address", s)
	}
	return MAC(a), nil
}

// MACOf is the address of whoever has an IPv4 address and has not asked for
// another: locally administered, and the same whenever it starts.
func MACOf(a netip.Addr) MAC {
	b := a.As4()
	return MAC{0x02, 0x42, b[0], b[1], b[2], b[3]}
}

func (m MAC) String() string               { return net.HardwareAddr(m[:]).String() }
func (m MAC) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// IsZero reports whether there is no address.
func (m MAC) IsZero() bool { return m == MAC{} }

func (m *MAC) UnmarshalText(text []byte) (err error) {
	*m, err = ParseMAC(string(text))
	return err
}
