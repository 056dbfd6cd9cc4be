// SPDX-License-Identifier: Apache-2.0

package slirp

import (
	"bytes"
	"context"
	"errors"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
	"golang.org/x/sys/unix"

	"coracle/pkg/slirp/slirptest"
)

// texts answers a question with that many strings of 200 bytes, or with the word
// that there is more than fits.
func texts(question []byte, count int, truncated bool) []byte {
	var m dnsmessage.Message
	if err := m.Unpack(question); err != nil {
		return nil
	}
	m.Response, m.Truncated, m.Additionals = true, truncated, nil
	for range count {
		m.Answers = append(m.Answers, dnsmessage.Resource{
			Header: dnsmessage.ResourceHeader{Name: m.Questions[0].Name, Class: dnsmessage.ClassINET, TTL: 1},
			Body:   &dnsmessage.TXTResource{TXT: []string{strings.Repeat("x", 200)}},
		})
	}
	packed, err := m.Pack()
	if err != nil {
		return nil
	}
	return packed
}

// TestTruncatedAnswer asks with Go's resolver for an answer that does not fit
// into a datagram: it hears so, and gets the whole over TCP.
func TestTruncatedAnswer(t *testing.T) {
	if !onHost(t) {
		return
	}
	const strings = 250 // 54 kB
	dnsServer(t, "127.0.0.53", func(q []byte) []byte { return texts(q, 0, true) })
	l, err := net.Listen("tcp", "127.0.0.53:53")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go accept(l, func(c net.Conn) {
		defer c.Close()
		if question, err := readFramed(c); err == nil {
			writeFramed(c, texts(question, strings, false))
		}
	})
	plain := newBox(t, func(c *Config) { c.ResolvConf = resolvConf(t, "127.0.0.53") })
	named, _ := newMember(t, func(c *Config) { c.ResolvConf = resolvConf(t, "127.0.0.53") })
	for what, b := range map[string]*box{"default network": plain, "network with a name": named} {
		r := net.Resolver{PreferGo: true, Dial: func(_ context.Context, network, _ string) (net.Conn, error) {
			return b.dial(network, net.JoinHostPort(b.net.cfg.DNS.String(), "53"), 5*time.Second)
		}}
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if got, err := r.LookupTXT(ctx, "big.example."); err != nil || len(got) != strings {
			t.Errorf("%s: %d strings, %v", what, len(got), err)
		}
	}
}

// noNames are a network's whose members nobody asks for.
type noNames struct{}

func (noNames) Any() bool { return true }
func (noNames) Answer(question []byte, only bool) []byte {
	if !only {
		return nil
	}
	answer := bytes.Clone(question)
	answer[2], answer[3] = answer[2]|0x80, byte(dnsmessage.RCodeNameError)
	return answer
}

// newMember is a container on a network with a name, with a second member there
// that nobody runs.
func newMember(t testing.TB, change func(*Config)) (*box, *slirptest.Member) {
	t.Helper()
	segment := slirptest.NewSegment(t)
	one, two := segment.Join(t), segment.Join(t)
	b := newBox(t, func(c *Config) {
		join(c, one)
		c.Names = noNames{}
		if change != nil {
			change(c)
		}
	})
	return b, two
}

// TestNobodyAnswers has no server: the container hears so at once.
func TestNobodyAnswers(t *testing.T) {
	if !onHost(t) {
		return
	}
	question := []byte("\x07\x01\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x07example\x00\x00\x01\x00\x01")
	for what, conf := range map[string]string{
		"empty":   resolvConf(t),
		"missing": filepath.Join(t.TempDir(), "none"),
		"refused": resolvConf(t, "127.0.0.57", "127.0.0.58", "127.0.0.59"),
	} {
		plain := newBox(t, func(c *Config) { c.ResolvConf = conf })
		named, _ := newMember(t, func(c *Config) { c.ResolvConf = conf })
		inside, _ := newMember(t, func(c *Config) { c.ResolvConf, c.Internal = conf, true })
		for kind, b := range map[string]*box{"default": plain, "named": named, "internal": inside} {
			server := net.JoinHostPort(b.net.cfg.DNS.String(), "53")
			want := byte(rcodeServFail)
			if kind == "internal" {
				want = byte(dnsmessage.RCodeNameError)
			}
			began := time.Now()
			answer := []byte(sayUDP(t, b, server, string(question)))
			if took := time.Since(began); !answers(answer, question) || answer[3]&0xf != want || took > 3*time.Second {
				t.Errorf("resolv.conf %s, %s network: %q after %v", what, kind, answer, took)
			}
			c, err := b.dial("tcp", server, 5*time.Second)
			if kind == "default" { // the connection would have been the server's
				if !errors.Is(err, unix.ECONNREFUSED) {
					t.Errorf("resolv.conf %s: over TCP: %v", what, err)
				}
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			c.SetDeadline(time.Now().Add(5 * time.Second))
			for range 2 {
				if err := writeFramed(c, question); err != nil {
					t.Fatal(err)
				}
				if answer, err := readFramed(c); err != nil || !answers(answer, question) || answer[3]&0xf != want {
					t.Errorf("resolv.conf %s, %s network, over TCP: %q, %v", what, kind, answer, err)
				}
			}
			c.Close()
		}
	}
}
