// SPDX-License-Identifier: Apache-2.0

package slirp

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"coracle/pkg/slirp/netns"
	"coracle/pkg/slirp/publish"
)

// echoName answers every datagram with its sender's address.
func echoName(c *net.UDPConn) {
	b := make([]byte, 64<<10)
	for {
		n, from, err := c.ReadFromUDPAddrPort(b)
		if err != nil {
			return
		}
		reply := append([]byte(from.Addr().Unmap().String()+" "), b[:n]...)
		_, _ = c.WriteToUDPAddrPort(reply, from)
	}
}

func (b *box) listenUDP(addr string) *net.UDPConn {
	b.t.Helper()
	c, err := netns.In(b.ns, func() (net.PacketConn, error) { return net.ListenPacket("udp4", addr) })
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { c.Close() })
	return c.(*net.UDPConn)
}

// askUDP sends one datagram from a new socket and returns the answer.
func askUDP(to, data string) (string, error) {
	c, err := net.Dial("udp", to)
	if err != nil {
		return "", err
	}
	defer c.Close()
	b := make([]byte, 64<<10)
	for range 5 { // a datagram may be lost
		if _, err := c.Write([]byte(data)); err != nil {
			return "", err
		}
		_ = c.SetReadDeadline(time.Now().Add(2 * time.Second))
		n, err := c.Read(b)
		if err == nil {
			return string(b[:n]), nil
		}
	}
	return "", errors.New("no answer")
}

func TestPublishedUDP(t *testing.T) {
	if !onHost(t) {
		return
	}
	b := newBox(t, nil)
	// A server that waits on every address answers from the right one too.
	go echoName(b.listenUDP("0.0.0.0:5000"))
	ports, err := b.ports.Publish(publish.Spec{HostPort: 5353, ContainerPort: 5000, Proto: "udp"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.ports.Publish(publish.Spec{HostPort: 5353, ContainerPort: 5000, Proto: "udp"}); err == nil || !errors.Is(err, unix.EADDRINUSE) {
		t.Errorf("a port that is taken: %v", err)
	}
	large := strings.Repeat("x", 60000)
	for addr, want := range map[string]string{hostAddr: hostAddr, "127.0.0.1": "10.0.2.2", "127.0.0.2": "10.0.2.2", "::1": "10.0.2.2"} {
		if addr == "::1" && len(ports) == 1 {
			continue
		}
		for _, data := range []string{"hello", "", large} {
			got, err := askUDP(net.JoinHostPort(addr, "5353"), data)
			if err != nil {
				t.Errorf("%s, %d bytes: %v", addr, len(data), err)
			} else if got != want+" "+data {
				t.Errorf("visitor %s is seen as %.20q, want %s", addr, got, want)
			}
		}
	}
}

func TestPublishedUDPOverIPv6(t *testing.T) {
	if !onHost(t) {
		return
	}
	b := newBox(t, withIPv6)
	c, err := netns.In(b.ns, func() (net.PacketConn, error) { return net.ListenPacket("udp", "[::]:5000") })
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	go echoName(c.(*net.UDPConn))
	go echoName(b.listenUDP("0.0.0.0:5001")) // for IPv4 alone
	for _, s := range []publish.Spec{{HostPort: 5353, ContainerPort: 5000, Proto: "udp"}, {HostPort: 5354, ContainerPort: 5001, Proto: "udp"}} {
		if _, err := b.ports.Publish(s); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct{ addr, port, want string }{
		{hostAddr6, "5353", hostAddr6}, {"::1", "5353", b.net.cfg.Gateway6.String()}, {hostAddr, "5353", hostAddr},
		{hostAddr6, "5354", "10.0.2.2"}, {hostAddr, "5354", hostAddr},
	} {
		if got, err := askUDP(net.JoinHostPort(tt.addr, tt.port), "hello"); err != nil || got != tt.want+" hello" {
			t.Errorf("%s, port %s: %q, %v; want %s", tt.addr, tt.port, got, err, tt.want)
		}
	}
}

// Many visitors from one address, all of whom the container sees as the
// gateway, get their own answers.
func TestPublishedUDPKeepsVisitorsApart(t *testing.T) {
	if !onHost(t) {
		return
	}
	b := newBox(t, nil)
	go echoName(b.listenUDP("0.0.0.0:5000"))
	for _, port := range []uint16{6000, 6001} {
		if _, err := b.ports.Publish(publish.Spec{HostPort: port, ContainerPort: 5000, Proto: "udp"}); err != nil {
			t.Fatal(err)
		}
	}
	var all sync.WaitGroup
	for i := range 40 {
		for _, addr := range []string{"127.0.0.1:6000", "127.0.0.1:6001", "127.0.0.2:6000", hostAddr + ":6001"} {
			all.Go(func() {
				data := fmt.Sprint(addr, i)
				got, err := askUDP(addr, data)
				if err != nil || !strings.HasSuffix(got, " "+data) {
					t.Errorf("%s: got %q, %v", data, got, err)
				}
			})
		}
	}
	all.Wait()
}

func TestHandedUDPSocketServesItsPort(t *testing.T) {
	if !onHost(t) {
		return
	}
	b := newBox(t, nil)
	go echoName(b.listenUDP("0.0.0.0:5000"))
	c, err := net.ListenPacket("udp", "[::]:53")
	if err != nil {
		t.Fatal(err)
	}
	f, err := c.(*net.UDPConn).File()
	if err != nil {
		t.Fatal(err)
	}
	b.ports.Inherit([]*os.File{f})
	f.Close()
	c.Close()
	if _, err := b.ports.Publish(publish.Spec{HostPort: 53, ContainerPort: 5000, Proto: "udp"}); err != nil {
		t.Fatal(err)
	}
	for addr, want := range map[string]string{hostAddr: hostAddr, "::1": "10.0.2.2"} {
		if got, err := askUDP(net.JoinHostPort(addr, "53"), "a"); err != nil || got != want+" a" {
			t.Errorf("%s: got %q, %v", addr, got, err)
		}
	}
}
