// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"coracle/pkg/slirp"
)

// attachments are the networks of a box beside its first.
type attachments struct {
	mu   sync.Mutex
	last int // the number of the last interface: eth1, eth2, …
	list map[string]*attachment
}

type attachment struct {
	net    *slirp.Network
	member *slirp.Membership
}

// Attach puts the box on another network with a name, by an interface of its
// own. The way out stays with the first network.
func (b *Box) Attach(e Endpoint) (slirp.Place, error) {
	var none slirp.Place
	if b.netns == nil {
		return none, errors.New("container cannot be connected to network endpoints: it has the host's network")
	}
	b.more.mu.Lock()
	defer b.more.mu.Unlock()
	w, err := b.cfg.Network.Named.Lookup(e.Network)
	if err != nil {
		return none, err
	}
	if b.more.list[w.Name] != nil || b.cfg.Network.Mode == w.Name {
		return none, fmt.Errorf("endpoint with name %s already exists in network %s", e.Member.Name, w.Name)
	}
	m, err := b.cfg.Network.Named.Join(context.Background(), w, e.Member)
	if err != nil {
		return none, err
	}
	cfg := slirp.NamedConfig(m)
	b.more.last++
	cfg.Interface, cfg.NoDefaultRoute, cfg.Names = fmt.Sprintf("eth%d", b.more.last), true, &b.names
	n, err := slirp.Start(b.netns, cfg)
	if err != nil {
		return none, errors.Join(err, m.Leave())
	}
	if b.more.list == nil {
		b.more.list = map[string]*attachment{}
	}
	b.more.list[w.Name] = &attachment{n, m}
	return cfg.Place(), nil
}

// Attachments are the places on networks beside the first, by name.
func (b *Box) Attachments() map[string]slirp.Place {
	b.more.mu.Lock()
	defer b.more.mu.Unlock()
	all := map[string]slirp.Place{}
	for name, a := range b.more.list {
		all[name] = slirp.NamedConfig(a.member).Place()
	}
	return all
}

// Detach takes the box off a network that it was attached to.
func (b *Box) Detach(network string) error {
	b.more.mu.Lock()
	defer b.more.mu.Unlock()
	a := b.more.list[network]
	if a == nil {
		return fmt.Errorf("container is not connected to network %s, or it is the network it was started on", network)
	}
	delete(b.more.list, network)
	return errors.Join(a.member.Leave(), a.net.Close())
}

// leave takes the box off all of them.
func (a *attachments) leave() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	var errs []error
	for name, at := range a.list {
		errs = append(errs, at.member.Leave())
		delete(a.list, name)
	}
	return errors.Join(errs...)
}
