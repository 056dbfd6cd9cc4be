// SPDX-License-Identifier: Apache-2.0

package slirp

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	mrand "math/rand/v2"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"coracle/pkg/slirp/publish"
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
	ports, err := b.ports.Publish(publish.Spec{HostPort: 8080, ContainerPort: 8000, Proto: "tcp"})
	if err != nil {
		t.Fatal(err)
	}
	data := make([]byte, 4<<20)
	rand.Read(data)
	for addr, want := range map[string]string{hostAddr: hostAddr, "127.0.0.1": "10.0.2.2", "::1": "10.0.2.2", hostAddr6: "10.0.2.2"} {
		if strings.Contains(addr, ":") && len(ports) == 1 {
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

// TestPublishedHalfClose has the server end its side first, and a visitor or a
// server cut the connection; the data moves by splice, and with many visitors
// through a buffer.
func TestPublishedHalfClose(t *testing.T) {
	if !onHost(t) {
		return
	}
	b := newBox(t, nil)
	data := make([]byte, 4<<20)
	rand.Read(data)
	heard := make(chan string, 1)
	go accept(b.listen("0.0.0.0:8000"), func(c net.Conn) {
		defer c.Close()
		_, err := c.Write(data)
		if err != nil { // a reset is told once
			heard <- err.Error()
			return
		}
		c.(*net.TCPConn).CloseWrite()
		last, err := io.ReadAll(c)
		heard <- fmt.Sprint(string(last), " ", err)
	})
	go accept(b.listen("0.0.0.0:8001"), func(c net.Conn) {
		io.ReadFull(c, make([]byte, 1))
		c.(*net.TCPConn).SetLinger(0)
		c.Close()
	})
	for i := range uint16(2) {
		if _, err := b.ports.Publish(publish.Spec{HostPort: 8080 + i, ContainerPort: 8000 + i, Proto: "tcp"}); err != nil {
			t.Fatal(err)
		}
	}
	halfClose(t, "splice", data, heard)
	b.ports.LimitPipes(0) // as if there were no descriptors to spare
	halfClose(t, "buffer", data, heard)
}

// visitPort connects to a published port.
func visitPort(t *testing.T, port string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", hostAddr+":"+port)
	if err != nil {
		t.Fatal(err)
	}
	c.SetDeadline(time.Now().Add(60 * time.Second))
	return c
}

// halfClose visits a server at port 8080 that says data and its end, and then
// what it has heard, and one at port 8081 that cuts the connection.
func halfClose(t *testing.T, what string, data []byte, heard <-chan string) {
	t.Helper()
	c := visitPort(t, "8080")
	if got, err := io.ReadAll(c); err != nil || !bytes.Equal(got, data) {
		t.Errorf("%s: %d bytes of %d, %v", what, len(got), len(data), err)
	}
	c.Write([]byte("after the end"))
	c.Close()
	if s := <-heard; s != "after the end <nil>" {
		t.Errorf("%s: after half-close: %q", what, s)
	}
	c = visitPort(t, "8080")
	io.ReadFull(c, make([]byte, 1))
	c.(*net.TCPConn).SetLinger(0)
	c.Close()
	if s := <-heard; !strings.Contains(s, "connection reset by peer") {
		t.Errorf("%s: after the visitor's reset: %q", what, s)
	}
	c = visitPort(t, "8081")
	defer c.Close()
	c.Write([]byte("x"))
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, unix.ECONNRESET) {
		t.Errorf("%s: after the server's reset: %v", what, err)
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
		b.ports.Inherit([]*os.File{f, os.Stdin}) // what is no socket is passed over
		f.Close()
		l.Close()
	}
	for port, host := range map[uint16]netip.Addr{80: netip.IPv4Unspecified(), 81: {}, 82: netip.MustParseAddr(hostAddr)} {
		_, err := b.ports.Publish(publish.Spec{HostIP: host, HostPort: port, ContainerPort: 8000, Proto: "tcp"})
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

// A visitor over IPv6 is seen as who it is by a server that listens there.
func TestPublishedTCPOverIPv6(t *testing.T) {
	if !onHost(t) {
		return
	}
	b := newBox(t, withIPv6)
	seen := make(chan string, 1)
	go accept(b.listen("[::]:8000"), func(c net.Conn) {
		host, _, _ := net.SplitHostPort(c.RemoteAddr().String())
		seen <- host
		digest(c)
	})
	// Several loops carry the connections of one port.
	if err := b.ports.Carry(2); err != nil {
		t.Fatal(err)
	}
	if _, err := b.ports.Publish(publish.Spec{HostPort: 8080, ContainerPort: 8000, Proto: "tcp"}); err != nil {
		t.Fatal(err)
	}
	data := make([]byte, 1<<20)
	rand.Read(data)
	for range 8 {
		for addr, want := range map[string]string{hostAddr6: hostAddr6, "::1": b.net.cfg.Gateway6.String(), hostAddr: hostAddr, "127.0.0.1": "10.0.2.2"} {
			c, err := net.Dial("tcp", net.JoinHostPort(addr, "8080"))
			if err == nil {
				err = exchange(c, data)
			}
			if err != nil {
				t.Fatalf("%s: %v", addr, err)
			}
			if got := <-seen; got != want {
				t.Errorf("visitor %s is seen as %s, want %s", addr, got, want)
			}
		}
	}
}

// Both directions are full at the same time, with pieces of any size and readers
// that rest: nothing is lost, doubled or out of order.
func TestPublishedBothWays(t *testing.T) {
	if !onHost(t) {
		return
	}
	b := newBox(t, nil)
	go accept(b.listen("0.0.0.0:8000"), func(c net.Conn) {
		defer c.Close()
		_, _ = io.Copy(struct{ io.Writer }{c}, struct{ io.Reader }{c})
		_ = c.(*net.TCPConn).CloseWrite()
	})
	if _, err := b.ports.Publish(publish.Spec{HostPort: 8080, ContainerPort: 8000, Proto: "tcp"}); err != nil {
		t.Fatal(err)
	}
	data := make([]byte, 8<<20)
	rand.Read(data)
	var all sync.WaitGroup
	for i := range 12 {
		all.Go(func() {
			c := visitPort(t, "8080")
			defer c.Close()
			rnd := mrand.New(mrand.NewPCG(uint64(i), 1))
			sizes := []int{1, 700, 64 << 10, 1 << 20}
			size := sizes[i%len(sizes)]
			own := data[:min(len(data), size*2000)]
			go func() {
				for rest := own; len(rest) > 0; {
					n := min(len(rest), 1+rnd.IntN(size))
					if _, err := c.Write(rest[:n]); err != nil {
						t.Errorf("connection %d: %v", i, err)
						return
					}
					rest = rest[n:]
				}
				_ = c.(*net.TCPConn).CloseWrite()
			}()
			var got []byte
			buf := make([]byte, 256<<10)
			for {
				n, err := c.Read(buf)
				got = append(got, buf[:n]...)
				if err != nil {
					if err != io.EOF || !bytes.Equal(got, own) {
						t.Errorf("connection %d: %d bytes of %d, %v", i, len(got), len(own), err)
					}
					return
				}
				if i%3 == 0 && len(got)%7 == 0 {
					time.Sleep(time.Millisecond) // a reader that rests
				}
			}
		})
	}
	all.Wait()
}

func TestHandedSocketOfNoPort(t *testing.T) {
	if !onHost(t) {
		return
	}
	b := newBox(t, nil)
	l, err := net.Listen("tcp", hostAddr+":80")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	f, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b.ports.Inherit([]*os.File{f})
	if _, err := b.ports.Publish(publish.Spec{HostPort: 8080, ContainerPort: 80, Proto: "tcp"}); err != nil {
		t.Fatal(err)
	}
	if err := b.ports.Unserved(); err == nil || !strings.Contains(err.Error(), hostAddr+":80") {
		t.Errorf("a socket of no published port: %v", err)
	}
}
