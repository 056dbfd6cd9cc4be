// SPDX-License-Identifier: Apache-2.0

package network

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
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
	Links     []string   `json:"links,omitempty"` // as of an [Endpoint]
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

// Membership is a running container's place on a network: its record, its socket
// and its lock. It tells the switch of the container's link who else is there.
type Membership struct {
	Network Network
	Self    Member

	plan slirp.Config // of a link, as far as all have it
	dns  netip.Addr   // where the container asks for names
	dir  *os.File     // of the members' records and sockets
	lock *state.Lock
	conn *net.UnixConn // where other members' frames arrive; nil: nowhere

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
	m := &Membership{Network: w, Self: self, plan: slirp.DefaultConfig(), dns: w.Gateway}
	if m.dir, err = n.openMembers(w.Name); err == nil {
		if m.lock, err = state.TryAcquire(n.dirs.Network(w.Name).MemberLock(self.Container), state.Exclusive); err == nil {
			err = m.register()
		}
		if err != nil {
			m.lock.Release()
			m.dir.Close()
		}
	}
	if err != nil {
		return nil, fmt.Errorf("become a member of network %s: %w", w.Name, err)
	}
	return m, nil
}

// openMembers opens the directory of a network's members.
func (n Store) openMembers(name string) (*os.File, error) {
	dir, err := os.OpenFile(n.members(name), unix.O_PATH|unix.O_DIRECTORY, 0)
	if name == Bridge && errors.Is(err, fs.ErrNotExist) {
		if err = os.MkdirAll(n.members(name), 0o700); err == nil {
			return n.openMembers(name)
		}
	}
	return dir, err
}

// register binds the socket and then writes the record: who finds that finds
// somebody listening. Neither is of use after a power cut.
//
// Preconditions: the lock is held.
func (m *Membership) register() error {
	err := m.listen()
	if err == nil {
		if err = m.record(m.Self); err != nil {
			m.conn.Close()
		}
	}
	return err
}

// listen binds the socket.
func (m *Membership) listen() error {
	// A supervisor that was killed has left its own.
	if err := ignoreMissing(unix.Unlinkat(int(m.dir.Fd()), m.files(m.Self).Socket(), 0)); err != nil {
		return os.NewSyscallError("unlink", err)
	}
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: m.socket(m.Self), Net: "unixgram"})
	if err != nil {
		return err
	}
	_ = conn.SetReadBuffer(4 << 20)
	m.conn = conn
	return nil
}

// record writes who the member is.
func (m *Membership) record(self Member) error {
	return state.WriteVolatileJSON(socket.At(m.dir, m.files(self).Record()), self, 0o600)
}

// files are the names of a member's files: on the default network those of its
// address.
func (m *Membership) files(o Member) state.MemberFiles {
	if m.HasNames() {
		return state.MemberFiles(o.Container)
	}
	return state.MemberFiles(o.Addr.String())
}

// HasNames reports whether the members of the network are found by their names.
func (m *Membership) HasNames() bool { return m.Network.Name != Bridge }

// Rename has the others find the container by another name.
func (m *Membership) Rename(name string) error {
	if !m.HasNames() {
		return nil
	}
	self := m.Self
	self.Name = name
	return m.record(self)
}

// socket is the path of a member's socket, short whatever the root is: sun_path
// has 108 bytes.
func (m *Membership) socket(o Member) string {
	return socket.At(m.dir, m.files(o).Socket())
}

// Leave takes the container off the network.
func (m *Membership) Leave() error {
	own := m.files(m.Self)
	names := []string{own.Record(), own.Socket()}
	if m.HasNames() { // where there is another lock for the address
		names = append(names, own.Lock())
	}
	var err error
	for _, name := range names {
		err = errors.Join(err, ignoreMissing(unix.Unlinkat(int(m.dir.Fd()), name, 0)))
	}
	if m.conn != nil {
		m.conn.Close()
	}
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
	look := m.present
	if m.HasNames() {
		look = func(path string) ([]Member, error) {
			list, _, err := readMembers(path)
			return list, err
		}
	}
	if list, err := look(path); err == nil {
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
		if m.other(o) && is(o) {
			return o, true
		}
	}
	return Member{}, false
}

// other reports whether a member is another on the same segment.
func (m *Membership) other(o Member) bool {
	return o.Addr != m.Self.Addr && m.Network.Subnet.Contains(o.Addr)
}

// Others are the hardware addresses of the other members.
func (m *Membership) Others() []MAC {
	var list []MAC
	for _, o := range m.members() {
		if m.other(o) {
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
	is := func(n string) bool { return strings.EqualFold(n, name) || strings.EqualFold(n, short) }
	for _, o := range m.members() {
		if (slices.ContainsFunc(o.Names(), is) || slices.ContainsFunc(m.Self.Links, func(l string) bool { return o.linked(l, is) })) && m.listens(o) {
			found = append(found, o)
		}
	}
	return found
}

// linked reports whether a link is about this member and has a name that is asked for.
func (m Member) linked(link string, is func(name string) bool) bool {
	target, name, ok := strings.Cut(link, ":")
	if !ok {
		name = target
	}
	return is(name) && (slices.Contains(m.Names(), target) || m.Container == target)
}

// Link is the plan of the container's link.
func (m *Membership) Link() slirp.Config {
	c := m.plan
	c.Address = netip.PrefixFrom(m.Self.Addr, m.Network.Subnet.Bits())
	c.Gateway, c.DNS, c.MAC = m.Network.Gateway, m.dns, m.Self.MAC
	c.Address6, c.Gateway6 = netip.Prefix{}, m.Network.Gateway6
	if m.Self.Addr6.IsValid() {
		c.Address6 = netip.PrefixFrom(m.Self.Addr6, m.Network.Subnet6.Bits())
	}
	c.Internal, c.NoDefaultRoute = m.Network.Internal, m.Network.Internal
	if m.conn != nil && !m.Network.apart() {
		c.Peers = m
	}
	return c
}
