// SPDX-License-Identifier: Apache-2.0

package network

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"coracle/pkg/inroot"
	"coracle/pkg/slirp"
	"coracle/pkg/slirp/l2"
	"coracle/pkg/state"
	"coracle/pkg/wire/socket"
)

// Member is a running container on a network.
type Member struct {
	Container string     `json:"container"` // its ID
	Name      string     `json:"name"`
	Hostname  string     `json:"hostname,omitempty"`
	Aliases   []string   `json:"aliases,omitempty"`
	Addr      netip.Addr `json:"addr"`
	Addr6     netip.Addr `json:"addr6,omitzero"`
	MAC       MAC        `json:"mac,omitzero"` // zero, before it is one: any
	Since     time.Time  `json:"joined"`
}

const shortID = 12

// Names are those that a member is found by, in Docker's order.
func (m Member) Names() []string {
	var names []string
	for _, n := range append(append([]string{m.Name}, m.Aliases...), m.Container[:min(shortID, len(m.Container))], m.Hostname) {
		if n != "" && !slices.Contains(names, n) {
			names = append(names, n)
		}
	}
	return names
}

// Membership is a running container's place on a network with a name: its record,
// its socket and its lock. It tells the switch of the container's link who else is
// there.
type Membership struct {
	Network Network
	Self    Member

	dir  *os.File // of the members' records and sockets
	lock *state.Lock
	conn *net.UnixConn // where other members' frames arrive

	mu    sync.Mutex
	read  time.Time // when the records were read: the directory's time then
	known []Member
}

// Admit makes a running container a member of a network, with the addresses that it
// asks for, or the next ones that are free.
func (n Store) Admit(ctx context.Context, w Network, self Member) (*Membership, error) {
	l, err := n.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer l.Release()
	members, _, err := n.sweep(w.Name)
	if err != nil {
		return nil, err
	}
	if self, err = w.assign(members, self); err != nil {
		return nil, err
	}
	self.Since = time.Now().UTC()
	m := &Membership{Network: w, Self: self}
	if m.dir, err = os.OpenFile(n.members(w.Name), unix.O_PATH|unix.O_DIRECTORY, 0); err != nil {
		return nil, fmt.Errorf("become a member of network %s: %w", w.Name, err)
	}
	if err := m.register(n.dirs.Network(w.Name)); err != nil {
		m.dir.Close()
		return nil, fmt.Errorf("become a member of network %s: %w", w.Name, err)
	}
	return m, nil
}

// register takes the lock, binds the socket and then writes the record: who
// finds that finds somebody listening.
func (m *Membership) register(dir state.NetworkDir) error {
	// A supervisor of this container that was killed has left its socket.
	if err := ignoreMissing(unix.Unlinkat(int(m.dir.Fd()), state.MemberFiles(m.Self.Container).Socket(), 0)); err != nil {
		return os.NewSyscallError("unlink", err)
	}
	var err error
	if m.lock, err = state.TryAcquire(dir.MemberLock(m.Self.Container), state.Exclusive); err != nil {
		return err
	}
	if m.conn, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Name: m.socket(m.Self), Net: "unixgram"}); err == nil {
		_ = m.conn.SetReadBuffer(4 << 20)
		err = state.WriteJSON(filepath.Join(dir.Members(), state.MemberFiles(m.Self.Container).Record()), m.Self, 0o600)
	}
	if err != nil {
		if m.conn != nil {
			m.conn.Close()
		}
		m.lock.Release()
	}
	return err
}

// Rename has the others find the container by another name.
func (m *Membership) Rename(name string) error {
	self := m.Self
	self.Name = name
	return state.WriteJSON(socket.At(m.dir, state.MemberFiles(self.Container).Record()), self, 0o600)
}

// socket is the path of a member's socket, short whatever the root is: sun_path
// has 108 bytes.
func (m *Membership) socket(o Member) string {
	return socket.At(m.dir, state.MemberFiles(o.Container).Socket())
}

// Leave takes the container off the network.
func (m *Membership) Leave() error {
	err := errors.Join(
		ignoreMissing(unix.Unlinkat(int(m.dir.Fd()), state.MemberFiles(m.Self.Container).Record(), 0)),
		ignoreMissing(unix.Unlinkat(int(m.dir.Fd()), state.MemberFiles(m.Self.Container).Socket(), 0)),
		ignoreMissing(unix.Unlinkat(int(m.dir.Fd()), state.MemberFiles(m.Self.Container).Lock(), 0)),
	)
	m.conn.Close()
	m.lock.Release()
	return errors.Join(err, m.dir.Close())
}

// members are all members, from the records, which are read again when one has
// come or gone.
func (m *Membership) members() []Member {
	m.mu.Lock()
	defer m.mu.Unlock()
	path := inroot.Path(m.dir)
	info, err := os.Stat(path)
	if err != nil || info.ModTime().Equal(m.read) {
		return m.known
	}
	if list, _, err := readMembers(path); err == nil {
		m.known = list
		// Changes within the clock's step would go unseen.
		if m.read = info.ModTime(); time.Since(m.read) < 20*time.Millisecond {
			m.read = time.Time{}
		}
	}
	return m.known
}

var _ l2.Peers = (*Membership)(nil)

// ByMAC finds another member by its hardware address.
func (m *Membership) ByMAC(mac MAC) (l2.Peer, bool) {
	o, ok := m.find(func(o Member) bool { return o.MAC == mac })
	return l2.Peer{MAC: o.MAC, Since: o.Since}, ok
}

// ByAddr finds another member by one of its addresses.
func (m *Membership) ByAddr(a netip.Addr) (l2.Peer, bool) {
	o, ok := m.find(func(o Member) bool { return o.Addr == a || o.Addr6 == a })
	return l2.Peer{MAC: o.MAC, Since: o.Since}, ok
}

// Conn is where other members' frames arrive.
func (m *Membership) Conn() *net.UnixConn { return m.conn }

func (m *Membership) find(is func(Member) bool) (Member, bool) {
	for _, o := range m.members() {
		if o.Addr != m.Self.Addr && is(o) {
			return o, true
		}
	}
	return Member{}, false
}

// Others are the hardware addresses of the other members.
func (m *Membership) Others() []MAC {
	var list []MAC
	for _, o := range m.members() {
		if o.Addr != m.Self.Addr {
			list = append(list, o.MAC)
		}
	}
	return list
}

// Dial connects to the socket of another member.
func (m *Membership) Dial(mac MAC) (*net.UnixConn, error) {
	o, ok := m.find(func(o Member) bool { return o.MAC == mac })
	if !ok {
		return nil, fmt.Errorf("no member at %s", mac)
	}
	c, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: m.socket(o), Net: "unixgram"})
	if err == nil {
		_ = c.SetWriteBuffer(4 << 20)
	}
	return c, err
}

// listens reports whether a member's supervisor is there: the record of one
// that was killed may not have been swept yet.
func (m *Membership) listens(o Member) bool {
	if o.Container == m.Self.Container {
		return true
	}
	c, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: m.socket(o), Net: "unixgram"})
	if err != nil {
		return false
	}
	c.Close()
	return true
}

// lookup resolves a name, which may have the network's behind it. Several members
// may share an alias or a host name.
func (m *Membership) lookup(name string) (found []Member) {
	short := strings.TrimSuffix(name, "."+strings.ToLower(m.Network.Name))
	for _, o := range m.members() {
		if slices.ContainsFunc(o.Names(), func(n string) bool { return strings.EqualFold(n, name) || strings.EqualFold(n, short) }) && m.listens(o) {
			found = append(found, o)
		}
	}
	return found
}

// Link is the plan of the container's link.
func (m *Membership) Link() slirp.Config {
	c := slirp.DefaultConfig()
	c.Address = netip.PrefixFrom(m.Self.Addr, m.Network.Subnet.Bits())
	c.Gateway, c.DNS, c.MAC = m.Network.Gateway, m.Network.Gateway, m.Self.MAC
	c.Address6, c.Gateway6 = netip.Prefix{}, m.Network.Gateway6
	if m.Self.Addr6.IsValid() {
		c.Address6 = netip.PrefixFrom(m.Self.Addr6, m.Network.Subnet6.Bits())
	}
	c.Internal, c.NoDefaultRoute, c.Peers = m.Network.Internal, m.Network.Internal, m
	return c
}
