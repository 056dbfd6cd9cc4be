// SPDX-License-Identifier: Apache-2.0

package slirp

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	randv2 "math/rand/v2"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"coracle/pkg/slirp/netns"
)

// Much goes both ways of one connection at once, in pieces of any size, and to
// readers that are slower than writers.
func TestBothWaysAtOnce(t *testing.T) {
	if !onHost(t) {
		return
	}
	carriers(t, bothWaysAtOnce)
}

// carriers runs a test with the connections in the kernel, and in the stack.
func carriers(t *testing.T, f func(*testing.T, *box)) {
	t.Run("kernel", func(t *testing.T) {
		b := newBox(t, nil)
		if b.net.kernel == nil {
			t.Skip("this kernel does not take connections over")
		}
		f(t, b)
		if !b.net.kernel.Used() {
			t.Error("no connection was in the kernel")
		}
	})
	t.Run("stack", func(t *testing.T) { f(t, newBox(t, func(c *Config) { c.stackTCP = true })) })
}

func bothWaysAtOnce(t *testing.T, b *box) {
	c, err := b.dial("tcp", listenHost(t, func(c net.Conn) { defer c.Close(); io.Copy(c, c) }), 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(160 * time.Second))
	data := make([]byte, 16<<20)
	rand.Read(data)
	go func() {
		r := randv2.New(randv2.NewPCG(1, 2))
		for rest := data; len(rest) > 0; {
			n, err := c.Write(rest[:min(len(rest), 1<<r.IntN(20)+r.IntN(100))])
			if err != nil {
				t.Error(err)
				return
			}
			rest = rest[n:]
		}
		c.(*net.TCPConn).CloseWrite()
	}()
	var got bytes.Buffer
	if _, err := io.Copy(&got, &slowReader{r: c, first: 2 << 20}); err != nil || !bytes.Equal(got.Bytes(), data) {
		t.Errorf("%d bytes of %d came back, or others: %v", got.Len(), len(data), err)
	}
}

// slowReader reads its first bytes in small pieces.
type slowReader struct {
	r     io.Reader
	first int
}

func (s *slowReader) Read(p []byte) (int, error) {
	if s.first > 0 {
		p = p[:min(len(p), 999)]
	}
	n, err := s.r.Read(p)
	s.first -= n
	return n, err
}

// A connection that is cut in the middle of much data is cut on the other side.
func TestResetAmidData(t *testing.T) {
	if !onHost(t) {
		return
	}
	carriers(t, resetAmidData)
}

func resetAmidData(t *testing.T, b *box) {
	cutAfter := func(c net.Conn, n int64) {
		io.CopyN(io.Discard, c, n)
		c.(*net.TCPConn).SetLinger(0)
		c.Close()
	}
	endless := func(c net.Conn) error {
		for buf := make([]byte, 100<<10); ; {
			if _, err := c.Write(buf); err != nil {
				return err
			}
		}
	}
	broken := func(err error) bool { return errors.Is(err, unix.ECONNRESET) || errors.Is(err, unix.EPIPE) }

	c, err := b.dial("tcp", listenHost(t, func(c net.Conn) { cutAfter(c, 4<<20) }), 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	c.SetDeadline(time.Now().Add(60 * time.Second))
	if err := endless(c); !broken(err) {
		t.Errorf("writing to a host that cuts: %v", err)
	}
	c.Close()

	heard := make(chan error, 1)
	addr := listenHost(t, func(c net.Conn) {
		defer c.Close()
		c.SetDeadline(time.Now().Add(60 * time.Second))
		heard <- endless(c)
	})
	if c, err = b.dial("tcp", addr, 5*time.Second); err != nil {
		t.Fatal(err)
	}
	cutAfter(c, 4<<20)
	if err := <-heard; !broken(err) {
		t.Errorf("writing to a container that cuts: %v", err)
	}
}

// A container may have given itself another address.
func TestOtherSourceAddress(t *testing.T) {
	if !onHost(t) {
		return
	}
	b := newBox(t, withIPv6)
	addr := listenHost(t, digest)
	for _, source := range []string{"10.0.2.101", "10.0.2.100"} {
		c, err := netns.In(b.ns, func() (net.Conn, error) {
			link, err := netlink.LinkByName("eth0")
			if err == nil {
				err = netlink.AddrReplace(link, &netlink.Addr{IPNet: ipNet(netip.MustParsePrefix(source + "/24"))})
			}
			if err != nil {
				return nil, err
			}
			d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(source)}, Timeout: 5 * time.Second}
			return d.Dial("tcp", addr)
		})
		if err == nil {
			err = exchange(c, bytes.Repeat([]byte("hello"), 100000))
		}
		if err != nil {
			t.Errorf("from %s: %v", source, err)
		}
	}
}
