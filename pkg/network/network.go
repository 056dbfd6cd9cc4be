// SPDX-License-Identifier: Apache-2.0

package network

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"coracle/pkg/state"
)

// Network is a network with a name: its members reach each other, by name too.
type Network struct {
	ID       string            `json:"id"` // 64 hex digits
	Name     string            `json:"name"`
	Created  time.Time         `json:"created"`
	Subnet   netip.Prefix      `json:"subnet"` // IPv4
	Gateway  netip.Addr        `json:"gateway"`
	Subnet6  netip.Prefix      `json:"subnet6,omitzero"` // invalid without IPv6
	Gateway6 netip.Addr        `json:"gateway6,omitzero"`
	Range    netip.Prefix      `json:"range,omitzero"`     // members that ask for no address get theirs from here
	Reserved []netip.Addr      `json:"reserved,omitempty"` // for nobody
	Internal bool              `json:"internal,omitempty"`
	Labels   map[string]string `json:"labels,omitempty"`
}

// Member is a running container on a network.
type Member struct {
	Container string     `json:"container"` // its ID
	Name      string     `json:"name"`
	Hostname  string     `json:"hostname,omitempty"`
	Aliases   []string   `json:"aliases,omitempty"`
	Addr      netip.Addr `json:"addr"`
	Addr6     netip.Addr `json:"addr6,omitzero"`
	MAC       MAC        `json:"mac,omitzero"` // before it has joined: zero for any
	Joined    time.Time  `json:"joined"`
}

// Store is the set of networks with names. Each is a directory: network.json,
// and below members a record, a socket and a lock for every running member. The
// lock is held by the member's supervisor for as long as that lives; the record
// of a dead one is removed by whoever finds its lock free.
type Store struct{ dirs state.Dirs }

// NewStore opens the set below d.
func NewStore(d state.Dirs) Store { return Store{d} }

func (n Store) file(name string) string    { return n.dirs.Network(name).Record() }
func (n Store) members(name string) string { return n.dirs.Network(name).Members() }

// lock guards the set of networks, and one network's addresses.
func (n Store) lock(ctx context.Context) (*state.Lock, error) {
	l, err := state.Acquire(ctx, n.dirs.NetworksLock(), state.Exclusive)
	if err != nil {
		return nil, fmt.Errorf("change networks: %w", err)
	}
	return l, nil
}

// NotFoundError says that there is no such network.
type NotFoundError struct{ Name string }

func (e *NotFoundError) Error() string { return "network " + e.Name + " not found" }

// List returns all networks that are not damaged, by name.
func (n Store) List() ([]Network, error) {
	list, _, err := n.read()
	return list, err
}

// Lookup finds a network by its name, its ID, or a beginning of it.
func (n Store) Lookup(arg string) (Network, error) {
	list, damaged, err := n.read()
	if err != nil {
		return Network{}, err
	}
	for _, d := range damaged {
		if d.Name == arg || d.Network().ID == arg {
			return Network{}, d
		}
	}
	var found []Network
	for _, w := range list {
		if w.Name == arg || w.ID == arg {
			return w, nil
		}
		if arg != "" && strings.HasPrefix(w.ID, arg) {
			found = append(found, w)
		}
	}
	for _, d := range damaged {
		if arg != "" && len(found) == 0 && strings.HasPrefix(d.Network().ID, arg) {
			return Network{}, d
		}
	}
	switch len(found) {
	case 0:
		return Network{}, &NotFoundError{arg}
	case 1:
		return found[0], nil
	}
	return Network{}, fmt.Errorf("network %s is ambiguous (%d matches found on ID prefix)", arg, len(found))
}

var networkName = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]*$`) })

// CreateOptions says what network to create.
type CreateOptions struct {
	Name     string
	Subnet   netip.Prefix // invalid: one that is free
	Gateway  netip.Addr   // invalid: the first of the subnet
	IPv6     bool
	Subnet6  netip.Prefix // invalid: a random one, with IPv6
	Gateway6 netip.Addr   // invalid: the one with the number of Gateway
	Range    netip.Prefix // invalid: the whole subnet
	Reserved []netip.Addr
	Internal bool
	Labels   map[string]string
}

// Create makes a network.
func (n Store) Create(ctx context.Context, o CreateOptions) (Network, error) {
	w := Network{
		Name: o.Name, Created: time.Now().UTC(), Internal: o.Internal, Labels: o.Labels,
		Subnet: o.Subnet.Masked(), Gateway: o.Gateway, Range: o.Range.Masked(), Reserved: o.Reserved,
		Subnet6: o.Subnet6.Masked(), Gateway6: o.Gateway6,
	}
	switch {
	case !networkName().MatchString(o.Name) || len(o.Name) > 128:
		return w, fmt.Errorf("invalid network name %q: only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed", o.Name)
	case slices.Contains(Predefined(), o.Name) || o.Name == "default" || o.Name == "container":
		return w, fmt.Errorf("operation is not permitted on predefined %s network", o.Name)
	}
	if err := os.MkdirAll(n.dirs.Networks(), 0o700); err != nil {
		return w, fmt.Errorf("create network: %w", err)
	}
	l, err := n.lock(ctx)
	if err != nil {
		return w, err
	}
	defer l.Release()
	list, damaged, err := n.read()
	if err != nil {
		return w, err
	}
	if slices.ContainsFunc(list, func(x Network) bool { return x.Name == o.Name }) ||
		slices.ContainsFunc(damaged, func(d *DamagedError) bool { return d.Name == o.Name }) {
		return w, fmt.Errorf("network with name %s already exists", o.Name)
	}
	if err := w.choose(list); err != nil {
		return w, err
	}
	if o.IPv6 || o.Subnet6.IsValid() {
		if err := w.choose6(list); err != nil {
			return w, err
		}
	}
	var id [32]byte
	_, _ = rand.Read(id[:]) // never fails, crypto/rand
	w.ID = hex.EncodeToString(id[:])
	// The record comes last: a directory without one is no network.
	if err := os.MkdirAll(n.members(w.Name), 0o700); err != nil {
		return w, fmt.Errorf("create network: %w", err)
	}
	if err := state.WriteJSON(n.file(w.Name), w, 0o600); err != nil {
		return w, fmt.Errorf("create network: %w", err)
	}
	n.event("create", w)
	return w, nil
}

// choose decides on the subnet and the gateway.
func (w *Network) choose(list []Network) error {
	taken := []netip.Prefix{BridgePlace().Address.Masked()}
	for _, x := range list {
		taken = append(taken, x.Subnet)
	}
	overlaps := func(p netip.Prefix) bool { return slices.ContainsFunc(taken, p.Overlaps) }
	if w.Subnet.IsValid() {
		switch {
		case !w.Subnet.Addr().Is4() || w.Subnet.Bits() > 29:
			return fmt.Errorf("invalid subnet %s: want an IPv4 network with room for members", w.Subnet)
		case !ofMachines(w.Subnet):
			return fmt.Errorf("invalid subnet %s: not addresses of machines", w.Subnet)
		case overlaps(w.Subnet):
			return errors.New("invalid pool request: Pool overlaps with other one on this address space")
		}
	} else {
		taken = append(taken, hostNetworks()...)
		for _, p := range pools() {
			if !overlaps(p) {
				w.Subnet = p
				break
			}
		}
		if !w.Subnet.IsValid() {
			return errors.New("could not find an available, non-overlapping IPv4 address pool among the defaults to assign to the network")
		}
	}
	if !w.Gateway.IsValid() {
		for w.Gateway = w.Subnet.Addr().Next(); slices.Contains(w.Reserved, w.Gateway); {
			w.Gateway = w.Gateway.Next()
		}
	}
	switch {
	case !w.Subnet.Contains(w.Gateway):
		return fmt.Errorf("invalid gateway %s: not in subnet %s", w.Gateway, w.Subnet)
	case w.Gateway == w.Subnet.Addr(), w.Gateway == lastOf(w.Subnet), slices.Contains(w.Reserved, w.Gateway):
		return fmt.Errorf("failed to allocate gateway (%s): Address already in use", w.Gateway)
	}
	if w.Range.IsValid() && (w.Range.Bits() < w.Subnet.Bits() || !w.Subnet.Contains(w.Range.Addr())) {
		return fmt.Errorf("invalid ip-range %s: not in subnet %s", w.Range, w.Subnet)
	}
	return nil
}

// ofMachines reports whether each address of an IPv4 network may be a machine's, and
// none is the machine itself.
func ofMachines(p netip.Prefix) bool {
	for _, s := range []string{"0.0.0.0/8", "127.0.0.0/8", "224.0.0.0/3"} {
		if p.Overlaps(netip.MustParsePrefix(s)) {
			return false
		}
	}
	return true
}

// choose6 decides on the IPv6 subnet and gateway. Members have the number there
// that they have in the IPv4 subnet.
func (w *Network) choose6(list []Network) error {
	if !w.Subnet6.IsValid() { // a unique local one, RFC 4193
		b := [16]byte{0: 0xfd}
		_, _ = rand.Read(b[1:6]) // never fails, crypto/rand
		w.Subnet6 = netip.PrefixFrom(netip.AddrFrom16(b), 64)
	}
	if !w.Subnet6.Addr().Is6() || w.Subnet6.Addr().Is4In6() || 128-w.Subnet6.Bits() < 32-w.Subnet.Bits() {
		return fmt.Errorf("invalid subnet %s: want an IPv6 network with room for the members of %s", w.Subnet6, w.Subnet)
	}
	if a := w.Subnet6.Addr(); a.IsMulticast() || a.IsLinkLocalUnicast() || a.IsLoopback() {
		return fmt.Errorf("invalid subnet %s: not an address of one machine", w.Subnet6)
	}
	for _, x := range list {
		if x.Subnet6.IsValid() && x.Subnet6.Overlaps(w.Subnet6) {
			return errors.New("invalid pool request: Pool overlaps with other one on this address space")
		}
	}
	if !w.Gateway6.IsValid() {
		w.Gateway6 = w.numbered6(w.Gateway)
	}
	if !w.Subnet6.Contains(w.Gateway6) {
		return fmt.Errorf("invalid gateway %s: not in subnet %s", w.Gateway6, w.Subnet6)
	}
	return nil
}

// numbered6 is the IPv6 address with the number that an IPv4 address has in its
// subnet.
func (w Network) numbered6(a netip.Addr) netip.Addr {
	b, number, base := w.Subnet6.Addr().As16(), a.As4(), w.Subnet.Addr().As4()
	for i := range number {
		b[12+i] |= number[i] ^ base[i]
	}
	return netip.AddrFrom16(b)
}

// pools are Docker's: 172.18.0.0/16 to 172.31.0.0/16, then 192.168.0.0/20 and
// on.
func pools() []netip.Prefix {
	var list []netip.Prefix
	for i := byte(18); i < 32; i++ {
		list = append(list, netip.PrefixFrom(netip.AddrFrom4([4]byte{172, i, 0, 0}), 16))
	}
	for i := 0; i < 256; i += 16 {
		list = append(list, netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 168, byte(i), 0}), 20))
	}
	return list
}

// hostNetworks are those that the host itself is on: a container could not
// reach them any more.
func hostNetworks() []netip.Prefix {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	var list []netip.Prefix
	for _, a := range addrs {
		if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr().Is4() {
			list = append(list, p.Masked())
		}
	}
	return list
}

// InUseError says who is on a network that was to be removed.
type InUseError struct {
	Name    string
	Members []Member
}

func (e *InUseError) Error() string {
	var who []string
	for _, m := range e.Members {
		who = append(who, fmt.Sprintf("name:%q id:%q", m.Name, m.Container[:min(shortID, len(m.Container))]))
	}
	return fmt.Sprintf("error while removing network: network %s has active endpoints (%s)", e.Name, strings.Join(who, ", "))
}

// Remove removes a network that nobody is on; of one that is damaged the name is
// enough.
func (n Store) Remove(ctx context.Context, w Network) error {
	l, err := n.lock(ctx)
	if err != nil {
		return err
	}
	defer l.Release()
	members, damaged, err := n.sweep(w.Name)
	if err != nil {
		return err
	}
	for _, id := range damaged {
		members = append(members, Member{Container: id})
	}
	if len(members) > 0 {
		return &InUseError{w.Name, members}
	}
	// The record goes first: a directory without one is no network.
	if err := os.RemoveAll(n.file(w.Name)); err != nil {
		return fmt.Errorf("remove network: %w", err)
	}
	if err := os.RemoveAll(string(n.dirs.Network(w.Name))); err != nil {
		return fmt.Errorf("remove network: %w", err)
	}
	n.event("destroy", w)
	return nil
}

// Members returns the running members of a network, by address.
func (n Store) Members(ctx context.Context, w Network) ([]Member, error) {
	l, err := n.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer l.Release()
	list, _, err := n.sweep(w.Name)
	return list, err
}

// sweep removes records of the dead and returns those of the living, and the IDs
// of those whose records are damaged.
//
// Preconditions: the lock is held.
func (n Store) sweep(name string) (living []Member, damaged []string, err error) {
	list, unreadable, err := readMembers(n.members(name))
	if err != nil {
		return nil, nil, err
	}
	for _, m := range list {
		alive, err := n.sweepMember(name, m.Container)
		if err != nil {
			return nil, nil, err
		}
		if alive {
			living = append(living, m)
		}
	}
	for _, id := range unreadable {
		alive, err := n.sweepMember(name, id)
		if err != nil {
			return nil, nil, err
		}
		if alive {
			damaged = append(damaged, id)
		}
	}
	slices.SortFunc(living, func(a, b Member) int { return a.Addr.Compare(b.Addr) })
	return living, damaged, nil
}

// sweepMember removes the record of a container unless its supervisor lives.
func (n Store) sweepMember(network, container string) (alive bool, err error) {
	lock := n.dirs.Network(network).MemberLock(container)
	files := state.MemberFiles(filepath.Join(n.members(network), container))
	l, err := state.TryAcquire(lock, state.Exclusive)
	if errors.Is(err, state.ErrLocked) {
		return true, nil
	}
	if err == nil {
		err = errors.Join(os.RemoveAll(files.Record()), ignoreMissing(os.Remove(files.Socket())), os.Remove(lock.Path))
		l.Release()
	}
	if err != nil {
		return false, fmt.Errorf("sweep network %s: %w", network, err)
	}
	return false, nil
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
