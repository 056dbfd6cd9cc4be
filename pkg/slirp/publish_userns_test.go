// SPDX-License-Identifier: Apache-2.0

package slirp

import (
	"crypto/rand"
	"net"
	"net/netip"
	"os"
	"testing"
)

func TestPublishedTCP(t *testing.T) {
	if !onHost(t) {
		return
	}
	b := newBox(t, nil)
	seen := make(chan string, 1)
	go accept(b.listen("0.0.0.0:8000"), func(c net.Conn) {
		host, _, _ := net.SplitHostPort(c.RemoteAddr().String())
		seen <- host
		digest(c)
	})
	ports, err := b.net.PublishSpec(PortSpec{HostPort: 8080, ContainerPort: 8000, Proto: "tcp"})
	if err != nil {
		t.Fatal(err)
	}
	data := make([]byte, 4<<20)
	rand.Read(data)
	for addr, want := range map[string]string{hostAddr: hostAddr, "127.0.0.1": "10.0.2.2", "::1": "10.0.2.2"} {
		if addr == "::1" && len(ports) == 1 {
			continue
		}
		c, err := net.Dial("tcp", net.JoinHostPort(addr, "8080"))
		if err == nil {
			err = exchange(c, data)
		}
		if err != nil {
			t.Errorf("%s: %v", addr, err)
			continue
		}
		if got := <-seen; got != want {
			t.Errorf("visitor %s is seen as %s, want %s", addr, got, want)
		}
	}
}

func TestHandedSocketServesItsPort(t *testing.T) {
	if !onHost(t) {
		return
	}
	b := newBox(t, nil)
	go accept(b.listen("0.0.0.0:8000"), digest)
	for _, addr := range []string{"0.0.0.0:80", "[::]:81", hostAddr + ":82"} {
		l, err := net.Listen("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		f, err := l.(*net.TCPListener).File()
		if err != nil {
			t.Fatal(err)
		}
		b.net.Hand([]*os.File{f, os.Stdin}) // what is no socket is passed over
		f.Close()
		l.Close()
	}
	for port, host := range map[uint16]netip.Addr{80: netip.IPv4Unspecified(), 81: {}, 82: netip.MustParseAddr(hostAddr)} {
		_, err := b.net.PublishSpec(PortSpec{HostIP: host, HostPort: port, ContainerPort: 8000, Proto: "tcp"})
		if err != nil {
			t.Errorf("port %d: %v", port, err)
			continue
		}
		c, err := net.Dial("tcp", netip.AddrPortFrom(netip.MustParseAddr(hostAddr), port).String())
		if err == nil {
			err = exchange(c, []byte("hello"))
		}
		if err != nil {
			t.Errorf("port %d: %v", port, err)
		}
	}
}
