// SPDX-License-Identifier: Apache-2.0

package slirp

import (
	"bytes"
	"errors"
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

// TestDatagramsAreRefused sends datagrams to where nobody listens: the program
// hears of it, every time, and of a listener that comes later.
func TestDatagramsAreRefused(t *testing.T) {
	if !onHost(t) {
		return
	}
	refused := func(b *box, addr string) {
		t.Helper()
		c, err := b.dial("udp", addr, time.Second)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		for i := range 3 {
			c.SetDeadline(time.Now().Add(5 * time.Second))
			_, err := c.Write([]byte("anybody?"))
			if err == nil {
				_, err = c.Read(make([]byte, 64))
			}
			if !errors.Is(err, unix.ECONNREFUSED) {
				t.Errorf("%s, datagram %d: %v", addr, i, err)
			}
		}
	}
	b := newBox(t, nil)
	for _, addr := range []string{hostAddr + ":9", "10.0.2.2:9", unreachable} {
		refused(b, addr)
	}
	s, err := net.ListenPacket("udp", hostAddr+":9")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	go echoPackets(s)
	if got := sayUDP(t, b, hostAddr+":9", "here"); got != "here" {
		t.Errorf("%q", got)
	}
	six := newBox6(t)
	refused(six, "["+hostAddr6+"]:9")
}

// TestOnePortForAll sends from one port of the container to several servers, who
// all see one port of the host, and answer. Another container has another.
func TestOnePortForAll(t *testing.T) {
	if !onHost(t) {
		return
	}
	ask := func(c net.PacketConn, server net.Addr) string {
		t.Helper()
		buf := make([]byte, 100)
		for range 5 { // a datagram may be lost
			if _, err := c.WriteTo([]byte("who am I"), server); err != nil {
				t.Fatal(err)
			}
			c.SetReadDeadline(time.Now().Add(time.Second))
			n, from, err := c.ReadFrom(buf)
			if err == nil {
				if from.String() != server.String() {
					t.Errorf("asked %s, and %s answers", server, from)
				}
				return string(buf[:n])
			}
		}
		t.Fatalf("%s does not answer", server)
		return ""
	}
	var servers []net.Addr
	for range 5 {
		s, err := net.ListenPacket("udp4", hostAddr+":0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		servers = append(servers, s.LocalAddr())
		go func() {
			buf := make([]byte, 100)
			for {
				_, from, err := s.ReadFrom(buf)
				if err != nil {
					return
				}
				s.WriteTo([]byte(from.String()), from)
			}
		}()
	}
	ports := map[string]bool{}
	for range 2 {
		b := newBox(t, nil)
		for range 2 {
			c := b.listenUDP("0.0.0.0:0")
			seen := ask(c, servers[0])
			for range 2 {
				for _, s := range servers {
					if got := ask(c, s); got != seen {
						t.Errorf("seen as %s and as %s", seen, got)
					}
				}
			}
			if ports[seen] {
				t.Errorf("two sockets are seen as %s", seen)
			}
			ports[seen] = true
		}
	}
}
