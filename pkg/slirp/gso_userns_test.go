// SPDX-License-Identifier: Apache-2.0

package slirp

import (
	"bytes"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestDatagramsInOneCall has a program send many datagrams with one call
// (udp(7), UDP_SEGMENT), as those that speak QUIC do: they arrive one by one.
func TestDatagramsInOneCall(t *testing.T) {
	if !onHost(t) {
		return
	}
	plain := newBox(t, nil)
	named, _ := newMember(t, nil)
	for what, b := range map[string]*box{"default network": plain, "network with a name": named} {
		s, err := net.ListenPacket("udp", hostAddr+":0")
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		c, err := b.dial("udp", s.LocalAddr().String(), time.Second)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		const size, count = 1200, 10
		raw, err := c.(*net.UDPConn).SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		if cerr := raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_UDP, unix.UDP_SEGMENT, size) }); cerr != nil || err != nil {
			t.Skipf("no UDP_SEGMENT: %v", err)
		}
		var data []byte
		for i := range count {
			data = append(data, bytes.Repeat([]byte{byte('a' + i)}, size)...)
		}
		if _, err := c.Write(data); err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 64<<10)
		for i := range count {
			s.SetReadDeadline(time.Now().Add(5 * time.Second))
			n, _, err := s.ReadFrom(buf)
			if err != nil || n != size || buf[0] != byte('a'+i) {
				t.Fatalf("%s: datagram %d: %d bytes of %q, %v", what, i, n, buf[:1], err)
			}
		}
	}
}
