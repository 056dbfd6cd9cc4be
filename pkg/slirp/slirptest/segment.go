// SPDX-License-Identifier: Apache-2.0

// Package slirptest has what tests of links share: a segment of members that are
// known by being made.
package slirptest

import (
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"coracle/pkg/slirp/l2"
)

// Segment is a segment with both families. Its members' sockets are files in dir.
type Segment struct {
	dir string
	mu  sync.Mutex
	all []*Member
}

// Member is a member of a segment, and says to its switch who the others are.
type Member struct {
	l2.Place
	on    *Segment
	since time.Time
	conn  *net.UnixConn
}

// NewSegment makes a segment with nobody on it.
func NewSegment(t testing.TB) *Segment { return &Segment{dir: t.TempDir()} }

// Join puts a member at the first free addresses of 172.30.0.0/24 and
// fd12:3456::/64.
func (s *Segment) Join(t testing.TB) *Member {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	m := &Member{on: s, since: time.Now()}
	m.Gateway, m.Gateway6 = netip.MustParseAddr("172.30.0.1"), netip.MustParseAddr("fd12:3456::1")
	a, six := m.Gateway.Next(), m.Gateway6.Next()
	for s.find(func(o *Member) bool { return o.Address.Addr() == a }) != nil {
		a, six = a.Next(), six.Next()
	}
	m.Address, m.Address6, m.MAC = netip.PrefixFrom(a, 24), netip.PrefixFrom(six, 64), l2.MACOf(a)
	var err error
	if m.conn, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Name: m.path(), Net: "unixgram"}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Leave)
	s.all = append(s.all, m)
	return m
}

func (s *Segment) find(is func(*Member) bool) *Member {
	for _, m := range s.all {
		if is(m) {
			return m
		}
	}
	return nil
}

// path tells members apart that have an address one after the other.
func (m *Member) path() string {
	return filepath.Join(m.on.dir, fmt.Sprintf("%s-%d", m.Address.Addr(), m.since.UnixNano()))
}

// Leave takes the member off the segment. It may be called again.
func (m *Member) Leave() {
	m.on.mu.Lock()
	defer m.on.mu.Unlock()
	m.conn.Close()
	for i, o := range m.on.all {
		if o == m {
			m.on.all = append(m.on.all[:i:i], m.on.all[i+1:]...)
			return
		}
	}
}

func (m *Member) other(is func(*Member) bool) (l2.Peer, bool) {
	m.on.mu.Lock()
	defer m.on.mu.Unlock()
	o := m.on.find(func(o *Member) bool { return o.MAC != m.MAC && is(o) })
	if o == nil {
		return l2.Peer{}, false
	}
	return l2.Peer{MAC: o.MAC, Since: o.since}, true
}

// ByMAC finds another member by its hardware address.
func (m *Member) ByMAC(mac l2.MAC) (l2.Peer, bool) {
	return m.other(func(o *Member) bool { return o.MAC == mac })
}

// ByAddr finds another member by one of its addresses.
func (m *Member) ByAddr(a netip.Addr) (l2.Peer, bool) {
	return m.other(func(o *Member) bool { return o.Address.Addr() == a || o.Address6.Addr() == a })
}

// Others are the hardware addresses of the other members.
func (m *Member) Others() (list []l2.MAC) {
	m.on.mu.Lock()
	defer m.on.mu.Unlock()
	for _, o := range m.on.all {
		if o != m {
			list = append(list, o.MAC)
		}
	}
	return list
}

// Dial connects to the socket of another member.
func (m *Member) Dial(mac l2.MAC) (*net.UnixConn, error) {
	m.on.mu.Lock()
	o := m.on.find(func(o *Member) bool { return o.MAC == mac && o != m })
	m.on.mu.Unlock()
	if o == nil {
		return nil, fmt.Errorf("no member at %s", mac)
	}
	return net.DialUnix("unixgram", nil, &net.UnixAddr{Name: o.path(), Net: "unixgram"})
}

// Conn is where other members' frames arrive.
func (m *Member) Conn() *net.UnixConn { return m.conn }
