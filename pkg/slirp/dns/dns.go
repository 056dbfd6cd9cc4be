// SPDX-License-Identifier: Apache-2.0

package dns

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

const (
	tries      = 5 * time.Second        // how long all of them may take
	patience   = 300 * time.Millisecond // how long one may take before the next is asked too
	trust      = 30 * time.Second       // how long who answered last is asked first
	maxServers = 3                      // resolv.conf(5), MAXNS
)

// Names answers questions itself. It is safe for concurrent use.
type Names interface {
	// Any reports whether there are names to ask for.
	Any() bool
	// Answer answers a question, or is nil for what it does not know. With only,
	// nobody else is there to be asked.
	Answer(question []byte, only bool) []byte
}

// Resolver answers the questions of one container.
type Resolver struct {
	conf     string // the file that names the servers
	internal bool
	names    Names
	closing  context.Context
	last     memory
}

// NewResolver passes questions that names, which may be nil, do not answer on to
// the servers that the resolv.conf(5) at the path conf has. That is read for every
// question, so that it may change. An internal resolver asks nobody. What it does
// ends with closing.
func NewResolver(closing context.Context, conf string, names Names, internal bool) *Resolver {
	return &Resolver{conf: conf, internal: internal, names: names, closing: closing}
}

// KnowsNames reports whether questions may be answered here: a connection has to be
// served then, else it may be carried to a server as it is.
func (r *Resolver) KnowsNames() bool { return r.names != nil && r.names.Any() }

// servers are the host's, in order. Without any it is the one on the host's
// loopback, as resolv.conf(5) says.
func (r *Resolver) servers() []string {
	text, _ := os.ReadFile(r.conf)
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

// Ask answers one question: from the names, else by passing it on over UDP and returning the first answer. Where there is none the
// answer is that there is none: a program that hears it need not wait.
func (r *Resolver) Ask(question []byte) []byte {
	if answer := r.own(question); answer != nil {
		return answer
	}
	if r.internal || len(question) < headerSize {
		return failure(question)
	}
	answer, server, err := race(r.closing, r.preferred(), func(ctx context.Context, server string) ([]byte, error) {
		return askOne(ctx, server, question)
	})
	var failed *serverFailure
	if errors.As(err, &failed) {
		return failed.answer // nobody said more
	}
	if err != nil {
		return failure(question)
	}
	r.last.remember(server)
	return answer
}

// own answers from the names.
func (r *Resolver) own(question []byte) []byte {
	if r.names == nil {
		return nil
	}
	return r.names.Answer(question, r.internal)
}

// memory is who answered last. For a while that server is asked first, so
// that a silent one costs a little time once and not with every question.
type memory struct {
	mu     sync.Mutex
	server string
	until  time.Time
}

func (m *memory) remember(server string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.server != server || time.Now().After(m.until) {
		m.server, m.until = server, time.Now().Add(trust)
	}
}

// preferred are the servers, the one that answered last before the others.
func (r *Resolver) preferred() []string {
	list := r.servers()
	r.last.mu.Lock()
	defer r.last.mu.Unlock()
	if i := slices.Index(list, r.last.server); i > 0 && time.Now().Before(r.last.until) {
		list = append([]string{r.last.server}, slices.Delete(list, i, i+1)...)
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
	ctx, cancel := context.WithTimeout(parent, tries)
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
	tick := time.NewTicker(patience)
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
	headerSize    = 12
	responseBit   = 0x80
	recursionBit  = 0x80 // of the next byte: it is available
	rcodeServFail = 2
	rcodeNotImp   = 4
	rcodeRefused  = 5
)

// answers reports whether a message is an answer with the question's number.
func answers(answer, question []byte) bool {
	return len(answer) >= headerSize && len(question) >= headerSize && bytes.Equal(answer[:2], question[:2]) && answer[2]&responseBit != 0
}

// failure is the answer of a server that could not answer, or nil when a message
// is no question.
func failure(question []byte) []byte {
	if len(question) < headerSize || question[2]&responseBit != 0 {
		return nil
	}
	answer := bytes.Clone(question)
	answer[2] |= responseBit
	answer[3] = recursionBit | rcodeServFail
	return answer
}

// ErrInternal says that an internal resolver has nobody to ask.
var ErrInternal = errors.New("there are no servers for an internal network")

// Dial connects to the first server that takes questions over TCP.
func (r *Resolver) Dial() (*net.TCPConn, error) {
	if r.internal {
		return nil, ErrInternal
	}
	c, _, err := race(r.closing, r.preferred(), func(ctx context.Context, server string) (*net.TCPConn, error) {
		d := net.Dialer{KeepAlive: -1}
		c, err := d.DialContext(ctx, "tcp", server)
		if err != nil {
			return nil, err
		}
		return c.(*net.TCPConn), nil
	})
	return c, err
}
