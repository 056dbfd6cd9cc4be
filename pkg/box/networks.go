// SPDX-License-Identifier: Apache-2.0

package box

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"coracle/pkg/network"
	"coracle/pkg/slirp"
	"coracle/pkg/slirp/netns"
	"coracle/pkg/slirp/publish"
	"coracle/pkg/trace"
)

// NetShared is the mode of a box on the network of another one. The other modes are
// package network's.
const NetShared = "shared"

// Network is how a box is connected.
type Network struct {
	Mode       string // with one that has networks, the box is at Endpoints
	Endpoints  []network.Endpoint
	Container  string // who the box is for others there: the ID
	Name       string // and the name
	Ports      []network.PortSpec
	Private    bool       // on the default network nobody else is met
	Listening  []*os.File // sockets handed over to publish ports with; the caller's to close
	NetNS      *os.File   // of NetShared; the box's to close
	AddHosts   []string   // name:address or name:host-gateway
	DNS        []string   // servers in place of ours
	DNSSearch  []string
	DNSOptions []string
	Store      network.Store // where the networks are
}

// link is an interface of the box on a network.
type link struct {
	name     string
	priority int
	cfg      slirp.Config
	member   *network.Membership // nil where nobody else is met
	net      *slirp.Link         // nil until it is started
}

// isolated reports whether a box in this mode has no networks.
func isolated(mode string) bool {
	return mode == network.Host || mode == network.None || mode == NetShared
}

// place takes the box's place on a network; nothing is connected yet.
//
// Preconditions: b.mu is held, or nobody else knows b.
func (b *Box) place(e network.Endpoint) (*link, error) {
	l := &link{name: e.Network, priority: e.Priority}
	if err := b.admit(l, e); err != nil {
		return nil, err
	}
	l.cfg.Interface, l.cfg.Names, l.cfg.NoDefaultRoute = fmt.Sprintf("eth%d", b.interfaces), &b.names, true
	b.interfaces++
	for _, h := range b.hosts { // the host's loopback is open only to who asked for it by name
		l.cfg.HostLoopback = l.cfg.HostLoopback || h.HostGateway
	}
	b.links = append(b.links, l)
	return l, nil
}

// admit makes the box a member of the network that it is to be on, and plans the link.
func (b *Box) admit(l *link, e network.Endpoint) (err error) {
	n := b.cfg.Network
	var w network.Network
	if e.Network != network.Bridge {
		if w, err = n.Store.Lookup(e.Network); err != nil {
			return err
		}
		l.name = w.Name
	}
	if b.on(l.name) >= 0 {
		return fmt.Errorf("endpoint with name %s already exists in network %s", n.Name, l.name)
	}
	self := e.Member(n.Container, n.Name, b.cfg.Hostname)
	switch {
	case e.Network != network.Bridge:
		l.member, err = n.Store.Admit(context.Background(), w, self)
	case n.Private:
		l.cfg = e.PrivateLink()
	default:
		l.member, err = n.Store.AdmitToBridge(self)
	}
	if err == nil && l.member != nil {
		l.cfg = l.member.Link()
	}
	return err
}

// start connects the box to the network of a link, whose names are known then.
func (b *Box) start(l *link) (err error) {
	if l.member != nil && l.member.HasNames() {
		b.names.Add(l.member)
	}
	l.net, err = slirp.Start(b.netns, l.cfg)
	return err
}

// on is the index of the link to a network, or -1.
func (b *Box) on(network string) int {
	return slices.IndexFunc(b.links, func(l *link) bool { return l.name == network })
}

// first is the link that has the way out and the visitors, or nil.
func (b *Box) first() (best *link) {
	for _, l := range b.links {
		switch {
		case best == nil, best.cfg.Internal && !l.cfg.Internal:
			best = l
		case best.cfg.Internal == l.cfg.Internal && l.priority > best.priority:
			best = l
		}
	}
	return best
}

// connect makes the network namespace, connects it and publishes the ports.
func (b *Box) connect() error {
	n := b.cfg.Network
	switch n.Mode {
	case network.Host:
		return nil
	case NetShared:
		b.netns = n.NetNS
		return nil
	}
	var err error
	if b.netns, err = netns.New(); err != nil {
		return err
	}
	trace.Mark("made a network namespace")
	if n.Mode == network.None {
		return nil
	}
	for _, l := range b.links {
		l.cfg.NoDefaultRoute = l != b.lead || l.cfg.Internal
		if err = b.start(l); err != nil {
			return err
		}
	}
	trace.Mark("connected the network")
	b.ports = publish.New(b.netns)
	if b.lead != nil {
		b.ports.Forward(b.lead.net)
	}
	b.ports.Inherit(n.Listening)
	for _, p := range n.Ports {
		ports, err := b.ports.Publish(p)
		if err != nil {
			return err
		}
		b.published = append(b.published, ports...)
	}
	return b.ports.Unserved()
}

// Attach puts the box on another network, by an interface of its own.
func (b *Box) Attach(e network.Endpoint) (network.Place, error) {
	var none network.Place
	if isolated(b.cfg.Network.Mode) {
		return none, errors.New("container cannot be connected to network endpoints: its network is not its own")
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	l, err := b.place(e)
	if err != nil {
		return none, err
	}
	if err = b.start(l); err == nil {
		err = b.follow()
	}
	if err != nil {
		return none, errors.Join(err, b.drop(l))
	}
	return l.cfg.Place, nil
}

// Rename has the others on its networks find the box by another name.
func (b *Box) Rename(name string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.cfg.Network.Name = name
	var errs []error
	for _, l := range b.links {
		if l.member != nil {
			errs = append(errs, l.member.Rename(name))
		}
	}
	return errors.Join(errs...)
}

// Detach takes the box off a network. The way out and the published ports move
// to another one, if there is one.
func (b *Box) Detach(network string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	i := b.on(network)
	if i < 0 {
		return fmt.Errorf("container is not connected to network %s", network)
	}
	return b.drop(b.links[i])
}

// drop takes a link away.
func (b *Box) drop(l *link) error {
	b.links = slices.DeleteFunc(b.links, func(o *link) bool { return o == l })
	err := b.follow()
	if l.member != nil {
		b.names.Remove(l.member)
		err = errors.Join(err, l.member.Leave())
	}
	if l.net != nil {
		l.net.Disconnect()
	}
	return err
}

// follow has the way out, the visitors and the box's files follow its networks.
func (b *Box) follow() error {
	var errs []error
	if now := b.first(); now != b.lead {
		if b.lead != nil {
			errs = append(errs, b.lead.net.TakeWayOut(false))
		}
		b.lead = now
		if now == nil {
			b.ports.Forward(nil)
		} else {
			b.ports.Forward(now.net)
			errs = append(errs, now.net.TakeWayOut(!now.cfg.Internal))
		}
	}
	return errors.Join(append(errs, b.writeFiles())...)
}

// Places are where the box is on its networks, by their names.
func (b *Box) Places() map[string]network.Place {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := map[string]network.Place{}
	for _, l := range b.links {
		all[l.name] = l.cfg.Place
	}
	return all
}

// Published are the ports that are listened on for the box.
func (b *Box) Published() []network.Port { return b.published }

// Unpublish frees the published ports and the places on networks: the first part
// of Close, without the 15 ms that the kernel takes to let a packet socket go.
func (b *Box) Unpublish() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	var errs []error
	if b.ports != nil {
		errs = append(errs, b.ports.Close())
	}
	for _, l := range b.links {
		if l.member != nil {
			b.names.Remove(l.member) // it answers no more, and is closed by Leave
			errs = append(errs, l.member.Leave())
			l.member = nil
		}
	}
	return errors.Join(errs...)
}
