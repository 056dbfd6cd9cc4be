// SPDX-License-Identifier: Apache-2.0

package slirp

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"sync/atomic"
	"testing"
	"time"
)

// hostileServer is a DNS server of the host that says what a test wants, and
// after that, over UDP, the right answer.
type hostileServer struct {
	addr     string
	udp, tcp atomic.Pointer[[]byte] // nil: the right answer alone
}

// Of what comes before a datagram in the data for udp.
const (
	withNumber   = 1 // it has the question's number
	withResponse = 2 // it says that it is a response
	large        = 4 // it is as large as a datagram can be
)

func newHostileServer(t testing.TB) *hostileServer {
	t.Helper()
	// The workers of a fuzz target share the host.
	s := &hostileServer{addr: fmt.Sprintf("127.%d.%d.53", 1+os.Getpid()>>8&0x7f, os.Getpid()&0xff)}
	p, err := net.ListenPacket("udp", s.addr+":53")
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", s.addr+":53")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close(); l.Close() })
	go func() {
		buf := make([]byte, 64<<10)
		for {
			n, from, err := p.ReadFrom(buf)
			if err != nil {
				return
			}
			question := bytes.Clone(buf[:n])
			if data := s.udp.Load(); data != nil {
				for _, d := range datagramsOf(*data, question) {
					p.WriteTo(d, from)
				}
			}
			p.WriteTo(respond("good", 0)(question), from)
		}
	}()
	go accept(l, func(c net.Conn) {
		defer c.Close()
		for {
			question, err := readFramed(c)
			if err != nil || len(question) < dnsHeader {
				return
			}
			if data := s.tcp.Load(); data != nil {
				c.Write(*data)
				return
			}
			writeFramed(c, respond("good", 0)(question))
		}
	})
	return s
}

// datagramsOf takes data apart: each is a length, a kind, and what is in it.
func datagramsOf(data, question []byte) (list [][]byte) {
	for len(data) >= 3 && len(list) < 16 {
		size, kind := int(binary.BigEndian.Uint16(data)), data[2]
		data = data[3:]
		d := bytes.Clone(data[:min(size, len(data))])
		data = data[len(d):]
		if kind&large != 0 {
			d = append(d, make([]byte, 65507-min(len(d), 65507))...)
		}
		if kind&withNumber != 0 && len(d) >= 2 {
			copy(d, question[:2])
		}
		if kind&withResponse != 0 && len(d) >= 3 {
			d[2] |= responseBit
		}
		list = append(list, d)
	}
	return list
}

// asker asks from inside a container.
type asker struct {
	*box
	t      *testing.T
	number uint16
}

func (a *asker) server() string { return net.JoinHostPort(a.net.cfg.DNS.String(), "53") }

func (a *asker) question() []byte {
	a.number++
	return append(binary.BigEndian.AppendUint16(nil, a.number), "\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x07example\x00\x00\x01\x00\x01"...)
}

// overUDP returns the answer, which must come soon and be to the question.
func (a *asker) overUDP() []byte {
	a.t.Helper()
	c, err := a.dial("udp", a.server(), time.Second)
	if err != nil {
		a.t.Fatal(err)
	}
	defer c.Close()
	question := a.question()
	buf := make([]byte, 64<<10)
	c.Write(question)
	c.SetReadDeadline(time.Now().Add(4 * time.Second))
	n, err := c.Read(buf)
	if err != nil {
		a.t.Fatalf("no answer over UDP: %v", err)
	}
	if !answers(buf[:n], question) {
		a.t.Fatalf("to another question: %q", buf[:n])
	}
	return buf[:n]
}

// overTCP returns the answer, or nil when the connection ends, which it must do
// soon.
func (a *asker) overTCP() []byte {
	a.t.Helper()
	c, err := a.dial("tcp", a.server(), time.Second)
	if err != nil {
		a.t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(4 * time.Second))
	question := a.question()
	if err := writeFramed(c, question); err != nil {
		a.t.Fatal(err)
	}
	answer, err := readFramed(c)
	if err, ok := err.(net.Error); ok && err.Timeout() {
		a.t.Fatal("no answer over TCP, and no end")
	}
	if err != nil {
		return nil
	}
	if a.net.dns.KnowsNames() && !answers(answer, question) {
		a.t.Fatalf("to another question: %q", answer)
	}
	return answer
}

// FuzzServer has a server of the host answer anything, over UDP and TCP. Every
// question is answered by a message with its number, or by the end of the
// connection, and afterwards everything is as before.
func FuzzServer(f *testing.F) {
	if !onHost(f) {
		f.Fuzz(func(*testing.T, []byte, []byte) {}) // there
		return
	}
	s := newHostileServer(f)
	conf := resolvConf(f, s.addr)
	plain := &asker{box: newBox(f, func(c *Config) { c.ResolvConf = conf })}
	b, _ := newMember(f, func(c *Config) { c.ResolvConf = conf })
	named := &asker{box: b}
	message := func(n int) []byte { return append([]byte{0, 0, responseBit, 0}, make([]byte, n-4)...) }
	framed := func(size int, b []byte) []byte { return append(binary.BigEndian.AppendUint16(nil, uint16(size)), b...) }
	for _, d := range []struct{ udp, tcp []byte }{
		{},
		{script(part(0, nil), part(0, []byte("x")), part(withNumber, message(11)), part(withNumber, message(12))), framed(0, nil)},
		{script(part(withResponse, message(40)), part(large, nil), part(withNumber|withResponse|large, message(12))), framed(40, message(40))},
		{script(part(withNumber|withResponse, []byte{0, 0, 0, rcodeServFail, 0, 1, 0, 0, 0, 0, 0, 0})), framed(65535, message(65535))},
		{script(part(withNumber|withResponse, bytes.Repeat([]byte{0xff}, 100))), framed(65535, message(100))},
		{script(part(withNumber|withResponse, append(message(12), 0xc0, 12, 0xc0, 14))), []byte{0}},
		{script(part(0, bytes.Repeat([]byte{0xc0, 12}, 300))), append(framed(1, []byte{0}), bytes.Repeat([]byte{7}, 100000)...)},
	} {
		f.Add(d.udp, d.tcp)
	}
	f.Fuzz(func(t *testing.T, udp, tcp []byte) {
		for _, a := range []*asker{plain, named} {
			a.t = t
			s.udp.Store(&udp)
			a.overUDP()
			s.tcp.Store(&tcp)
			a.overTCP()
			s.udp.Store(nil)
			s.tcp.Store(nil)
			if answer := a.overUDP(); !bytes.HasSuffix(answer, []byte("good")) {
				t.Fatalf("after %q: %q over UDP", udp, answer)
			}
			if answer := a.overTCP(); !bytes.HasSuffix(answer, []byte("good")) {
				t.Fatalf("after %q: %q over TCP", tcp, answer)
			}
		}
	})
}

// TestServerThatSaysNothing has a server take questions and not answer: the
// container hears of it, and the network is closed without waiting.
func TestServerThatSaysNothing(t *testing.T) {
	if !onHost(t) {
		return
	}
	dnsServer(t, "127.0.0.53", func([]byte) []byte { return nil })
	l, err := net.Listen("tcp", "127.0.0.53:53")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	asked := make(chan bool, 8)
	go accept(l, func(c net.Conn) {
		if _, err := readFramed(c); err == nil {
			asked <- true
		}
		c.Read(make([]byte, 1)) // until it is closed
		c.Close()
	})
	b, _ := newMember(t, func(c *Config) { c.ResolvConf = resolvConf(t, "127.0.0.53") })
	a := &asker{box: b, t: t}
	c, err := b.dial("tcp", a.server(), time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	question := a.question()
	c.SetDeadline(time.Now().Add(2 * dnsTries))
	if err := writeFramed(c, question); err != nil {
		t.Fatal(err)
	}
	if answer, err := readFramed(c); err != nil || !answers(answer, question) || answer[3]&0xf != rcodeServFail {
		t.Errorf("%q, %v", answer, err)
	}
	<-asked
	if err := writeFramed(c, question); err != nil {
		t.Fatal(err)
	}
	u, err := b.dial("udp", a.server(), time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer u.Close()
	u.Write(question)
	<-asked
	began := time.Now()
	b.net.Close()
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("to close the network took %v", took)
	}
}
