// SPDX-License-Identifier: Apache-2.0

package slirp

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"
)

func resolvConf(t testing.TB, servers ...string) string {
	t.Helper()
	var b bytes.Buffer
	for _, s := range servers {
		fmt.Fprintf(&b, "nameserver %s\n", s)
	}
	path := filepath.Join(t.TempDir(), "resolv.conf")
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func dnsServer(t testing.TB, addr string, answer func([]byte) []byte) {
	t.Helper()
	s, err := net.ListenPacket("udp", addr+":53")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	go func() {
		buf := make([]byte, 64<<10)
		for {
			n, from, err := s.ReadFrom(buf)
			if err != nil {
				return
			}
			if a := answer(bytes.Clone(buf[:n])); a != nil {
				s.WriteTo(a, from)
			}
		}
	}()
}

// respond makes an answer of a question, with more behind it.
func respond(more string, rcode byte) func([]byte) []byte {
	return func(q []byte) []byte {
		q[2] |= responseBit
		q[3] = q[3]&0xf0 | rcode
		return append(q, more...)
	}
}

func TestDNS(t *testing.T) {
	if !onHost(t) {
		return
	}
	dnsServer(t, "127.0.0.53", respond("one", 0))
	var others atomic.Int32 // questions to those that are of no use
	for server, answer := range map[string]func([]byte) []byte{
		"127.0.0.54": func([]byte) []byte { return nil },
		"127.0.0.55": respond("failure", rcodeServFail),
		"127.0.0.56": func(q []byte) []byte { return q[:5] }, // no message
	} {
		dnsServer(t, server, func(q []byte) []byte { others.Add(1); return answer(q) })
	}
	conf := resolvConf(t, "127.0.0.53")
	start := func() *box { return newBox(t, func(c *Config) { c.ResolvConf = conf }) }
	b := start()
	number := byte(0)
	ask := func(kind byte) (string, time.Duration) {
		t.Helper()
		c, err := b.dial("udp", "10.0.2.3:53", time.Second)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		number++
		q := []byte{7, number, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 'x', 0, 0, kind, 0, 1}
		began := time.Now()
		c.Write(q)
		c.SetReadDeadline(began.Add(4 * time.Second))
		buf := make([]byte, 64<<10)
		n, err := c.Read(buf)
		if err != nil || n < len(q) || !bytes.Equal(buf[:2], q[:2]) {
			return fmt.Sprint(err), time.Since(began)
		}
		return string(buf[len(q):n]), time.Since(began)
	}
	use := func(servers ...string) {
		t.Helper()
		text, err := os.ReadFile(resolvConf(t, servers...))
		if err == nil {
			err = os.WriteFile(conf, text, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, kind := range []byte{1, 5, 15, 16, 28, 33, 65, 255} {
		if got, _ := ask(kind); got != "one" {
			t.Errorf("type %d: %q", kind, got)
		}
	}
	for _, other := range []string{"127.0.0.54", "127.0.0.55", "127.0.0.56", "127.0.0.57"} {
		b = start() // where nobody has answered yet
		use(other, "127.0.0.53")
		got, d := ask(1)
		if got != "one" || d > 3*time.Second {
			t.Errorf("behind %s: %q after %v", other, got, d)
		}
		before := others.Load()
		if got, d = ask(1); got != "one" || d <= dnsPatience && others.Load() != before {
			t.Errorf("behind %s, second time: %q after %v, and another one was asked", other, got, d)
		}
	}
	use("127.0.0.55")
	if got, _ := ask(1); got != "failure" {
		t.Errorf("a server's failure is %q", got)
	}
	// Without a word of servers there is the one on the host's loopback.
	dnsServer(t, "127.0.0.1", respond("local", 0))
	use()
	if got, _ := ask(1); got != "local" {
		t.Errorf("resolv.conf empty: %q", got)
	}
	if err := os.Remove(conf); err != nil {
		t.Fatal(err)
	}
	if got, _ := ask(1); got != "local" {
		t.Errorf("resolv.conf missing: %q", got)
	}
}

func TestDNSOverTCP(t *testing.T) {
	if !onHost(t) {
		return
	}
	big := bytes.Repeat([]byte("x"), 65535)
	l, err := net.Listen("tcp", "127.0.0.53:53")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go accept(l, func(c net.Conn) {
		defer c.Close()
		if _, err := io.ReadFull(c, make([]byte, 14)); err == nil {
			c.Write(append([]byte{0xff, 0xff}, big...))
		}
	})
	// The first server refuses.
	b := newBox(t, func(c *Config) { c.ResolvConf = resolvConf(t, "127.0.0.54", "127.0.0.53") })
	c, err := b.dial("tcp", "10.0.2.3:53", 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(5 * time.Second))
	c.Write(make([]byte, 14))
	if got, err := io.ReadAll(c); err != nil || len(got) != 2+len(big) || !bytes.Equal(got[2:], big) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}
