// SPDX-License-Identifier: Apache-2.0

package slirp

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"coracle/internal/testutil"
	"coracle/pkg/slirp/netns"
	"coracle/pkg/slirp/publish"
)

// TestVisitorsAreTurnedAway visits published ports where nobody listens, or only
// over the other family, from every address that a visitor may have.
func TestVisitorsAreTurnedAway(t *testing.T) {
	if !onHost(t) {
		return
	}
	const atOnce = 20 * time.Second // a request that nothing answers is given up after 130
	for what, change := range map[string]func(*Config){"IPv4": func(c *Config) { c.Address6, c.Gateway6 = netip.Prefix{}, netip.Addr{} }, "IPv6": withIPv6} {
		b := newBox(t, change)
		if _, err := b.ports.Publish(publish.Spec{HostPort: 8081, ContainerPort: 8001, Proto: "tcp"}); err != nil {
			t.Fatal(err)
		}
		if _, err := b.ports.Publish(publish.Spec{HostPort: 8082, ContainerPort: 8002, Proto: "tcp"}); err != nil {
			t.Fatal(err)
		}
		go accept(b.listen("0.0.0.0:8002"), digest)
		for _, host := range []string{"127.0.0.1", hostAddr, "::1", hostAddr6} {
			c, err := net.DialTimeout("tcp", net.JoinHostPort(host, "8081"), atOnce)
			if err == nil {
				_ = c.SetReadDeadline(time.Now().Add(atOnce))
				_, err = c.Read(make([]byte, 1))
				c.Close()
			}
			if errors.Is(err, os.ErrDeadlineExceeded) || !errors.Is(err, unix.ECONNRESET) && !errors.Is(err, unix.ECONNREFUSED) && err != io.EOF {
				t.Errorf("%s: from %s, where nobody listens: %v", what, host, err)
			}
			c, err = net.DialTimeout("tcp", net.JoinHostPort(host, "8082"), atOnce)
			if err == nil {
				_ = c.SetDeadline(time.Now().Add(atOnce))
				err = exchange(c, []byte("hello"))
			}
			if err != nil {
				t.Errorf("%s: from %s to a server of IPv4 alone: %v", what, host, err)
			}
		}
		_ = b.ports.Close()
	}
}

// TestVisitorGivesUp has a visitor go while the server does not answer yet: nothing
// is left of the visit.
func TestVisitorGivesUp(t *testing.T) {
	if !onHost(t) {
		return
	}
	b := newBox(t, nil)
	// A server whose queue is full: requests for connections are not heard.
	server, err := netns.In(b.ns, func() (int, error) {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err == nil {
			err = errors.Join(unix.Bind(fd, &unix.SockaddrInet4{Port: 8003}), unix.Listen(fd, 0))
		}
		return fd, err
	})
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(server)
	for { // until it is
		c, err := b.dial("tcp", "127.0.0.1:8003", 300*time.Millisecond)
		if err != nil {
			break
		}
		defer c.Close()
	}
	if _, err := b.ports.Publish(publish.Spec{HostPort: 8083, ContainerPort: 8003, Proto: "tcp"}); err != nil {
		t.Fatal(err)
	}
	open := func() int {
		list, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	const visitors = 20
	before := open()
	var visits []net.Conn
	for range visitors {
		c, err := net.Dial("tcp", "127.0.0.1:8083")
		if err != nil {
			t.Fatal(err)
		}
		visits = append(visits, c)
	}
	// Each has a socket of its own, one that was accepted, and one to the server.
	testutil.Eventually(t, "they are being connected", func() bool { return open() >= before+3*visitors })
	for _, c := range visits {
		_ = c.(*net.TCPConn).SetLinger(0)
		c.Close()
	}
	testutil.Eventually(t, "nothing is left of them", func() bool { return open() <= before })
}

// TestResetRightAfterStart resets the first connections of networks that have only
// just come up: a reset that is lost does not come again.
func TestResetRightAfterStart(t *testing.T) {
	if !onHost(t) {
		return
	}
	addr := listenHost(t, func(c net.Conn) {
		_, _ = io.ReadFull(c, make([]byte, 1))
		_ = c.(*net.TCPConn).SetLinger(0)
		c.Close()
	})
	for i := range 20 {
		b := newBox(t, nil)
		c, err := b.dial("tcp", addr, 5*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = c.Write([]byte("x"))
		_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
		if _, err = c.Read(make([]byte, 1)); !errors.Is(err, unix.ECONNRESET) {
			t.Fatalf("the network number %d: %v", i+1, err)
		}
		c.Close()
		b.net.Close()
	}
}
