// SPDX-License-Identifier: Apache-2.0

package slirp

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

// The container's resolver asks the address DNS. Questions and answers are
// passed as they are, whatever their type: nothing here reads them.

const (
	dnsTries    = 5 * time.Second        // how long all of them may take
	dnsPatience = 300 * time.Millisecond // how long one may take before the next is asked too
	dnsTrust    = 30 * time.Second       // how long who answered last is asked first
	maxServers  = 3                      // resolv.conf(5), MAXNS
)

// servers are the host's, in order. Without any it is the one on the host's
// loopback, as resolv.conf(5) says.
func (n *Network) servers() []string {
	text, _ := os.ReadFile(n.cfg.ResolvConf)
	var list []string
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		if len(f) < 2 || f[0] != "nameserver" || len(list) == maxServers {
			continue
		}
		if a, err := netip.ParseAddr(f[1]); err == nil {
			list = append(list, netip.AddrPortFrom(a, 53).String())
		}
	}
	if len(list) == 0 {
		list = []string{"127.0.0.1:53"}
	}
	return list
}

// ask answers one question: from the names of the network's members, else by
// passing it on over UDP and returning the first answer. Where there is none the
// answer is that there is none: a program that hears it need not wait.
func (n *Network) ask(question []byte) []byte {
	if n.cfg.Names != nil {
		if answer := n.cfg.Names.answer(question, n.cfg.Internal); answer != nil {
			return answer
		}
	}
	if n.cfg.Internal || len(question) < dnsHeader {
		return failure(question)
	}
	answer, server, err := race(n.closing(), n.preferred(), func(ctx context.Context, server string) ([]byte, error) {
		return askOne(ctx, server, question)
	})
	var failed *serverFailure
	if errors.As(err, &failed) {
		return failed.answer // nobody said more
	}
	if err != nil {
		return failure(question)
	}
	n.dns.remember(server)
	return answer
}

// dnsMemory is who answered last. For a while that server is asked first, so
// that a silent one costs a little time once and not with every question.
type dnsMemory struct {
	mu     sync.Mutex
	server string
	until  time.Time
}

func (m *dnsMemory) remember(server string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.server != server || time.Now().After(m.until) {
		m.server, m.until = server, time.Now().Add(dnsTrust)
	}
}

// preferred are the servers, the one that answered last before the others.
func (n *Network) preferred() []string {
	list := n.servers()
	n.dns.mu.Lock()
	defer n.dns.mu.Unlock()
	if i := slices.Index(list, n.dns.server); i > 0 && time.Now().Before(n.dns.until) {
		list = append([]string{n.dns.server}, slices.Delete(list, i, i+1)...)
	}
	return list
}

// race asks one server after the other, each a little after the one before or
// as soon as that has failed, and returns what the first of them gave.
func race[T any](parent context.Context, servers []string, ask func(context.Context, string) (T, error)) (none T, from string, err error) {
	type result struct {
		v      T
		server string
		err    error
	}
	ctx, cancel := context.WithTimeout(parent, dnsTries)
	defer cancel()
	results := make(chan result)
	asked, failed := 0, 0
	next := func() {
		if asked == len(servers) {
			return
		}
		server := servers[asked]
		asked++
		go func() {
			v, err := ask(ctx, server)
			select {
			case results <- result{v, server, err}:
			case <-ctx.Done(): // another one was first
				if c, ok := any(v).(io.Closer); ok && err == nil {
					c.Close()
				}
			}
		}()
	}
	next()
	tick := time.NewTicker(dnsPatience)
	defer tick.Stop()
	var errs []error
	for failed < len(servers) {
		select {
		case r := <-results:
			if r.err == nil {
				return r.v, r.server, nil
			}
			errs = append(errs, r.err)
			failed++
			next()
		case <-tick.C:
			next()
		case <-ctx.Done():
			return none, "", errors.Join(append(errs, ctx.Err())...)
		}
	}
	return none, "", errors.Join(errs...)
}

// serverFailure is an answer that says the server could not answer; another one
// may.
type serverFailure struct{ answer []byte }

func (*serverFailure) Error() string { return "server failure" }

// askOne puts a question to a server, and passes over datagrams that are no
// answer to it.
func askOne(ctx context.Context, server string, question []byte) ([]byte, error) {
	// A socket for each question: its random port is part of what protects the
	// answer from being forged.
	var d net.Dialer
	c, err := d.DialContext(ctx, "udp", server)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { c.Close() })
	defer stop()
	if _, err := c.Write(question); err != nil {
		return nil, err
	}
	buf := make([]byte, 64<<10)
	for {
		k, err := c.Read(buf)
		if err != nil {
			return nil, err
		}
		if !answers(buf[:k], question) {
			continue
		}
		switch buf[3] & 0xf {
		case rcodeServFail, rcodeNotImp, rcodeRefused:
			return nil, &serverFailure{buf[:k]}
		}
		return buf[:k], nil
	}
}

// Of a message's header (RFC 1035, 4.1.1).
const (
	dnsHeader     = 12
	responseBit   = 0x80
	recursionBit  = 0x80 // of the next byte: it is available
	rcodeServFail = 2
	rcodeNotImp   = 4
	rcodeRefused  = 5
)

// answers reports whether a message is an answer with the question's number.
func answers(answer, question []byte) bool {
	return len(answer) >= dnsHeader && len(question) >= dnsHeader && bytes.Equal(answer[:2], question[:2]) && answer[2]&responseBit != 0
}

// failure is the answer of a server that could not answer, or nil when a message
// is no question.
func failure(question []byte) []byte {
	if len(question) < dnsHeader || question[2]&responseBit != 0 {
		return nil
	}
	answer := bytes.Clone(question)
	answer[2] |= responseBit
	answer[3] = recursionBit | rcodeServFail
	return answer
}

// dialDNS connects to the first server that takes questions over TCP.
func (n *Network) dialDNS() (*net.TCPConn, error) {
	if n.cfg.Internal {
		return nil, errClosedByPolicy
	}
	c, _, err := race(n.closing(), n.preferred(), func(ctx context.Context, server string) (*net.TCPConn, error) {
		d := net.Dialer{KeepAlive: -1}
		c, err := d.DialContext(ctx, "tcp", server)
		if err != nil {
			return nil, err
		}
		return c.(*net.TCPConn), nil
	})
	return c, err
}
