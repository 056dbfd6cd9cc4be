// SPDX-License-Identifier: Apache-2.0

package container

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"coracle/pkg/network"
)

// Own reports whether a container has a network namespace that may be connected:
// it need not be on any network now.
func (n Net) Own() bool { return network.HasOwn(n.Mode) }

// Connect puts a container on another network, now if it runs and whenever it
// starts.
func (s *Store) Connect(ctx context.Context, c *Container, e Endpoint) error {
	there := fmt.Errorf("endpoint with name %s already exists in network %s", c.Name, e.Network)
	if c.Net.On(e.Network) >= 0 {
		return there
	}
	if c.Net.OnNetworkOf() != "" {
		return errors.New("container sharing network namespace with another container or host cannot be connected to any other network")
	}
	if !c.Net.Own() {
		return fmt.Errorf("container cannot be connected to multiple networks with one of the networks in %s mode", c.Net.Mode)
	}
	if c.State.IsRunning() {
		if _, err := s.call(c, Request{Op: OpConnect, Network: &e}); err != nil {
			return err
		}
	}
	err := s.editNet(ctx, c, func(n *Net) error {
		if n.On(e.Network) >= 0 { // another command may have put it there in the meantime
			return there
		}
		n.Networks = append(slices.Clip(n.Networks), e)
		return nil
	})
	if err != nil {
		return err
	}
	if c.State.IsRunning() { // else when it starts
		s.networkEvent(c.ID, "connect", e.Network)
	}
	return nil
}

// Disconnect takes a container off a network.
func (s *Store) Disconnect(ctx context.Context, c *Container, name string) error {
	notThere := fmt.Errorf("container %s is not connected to network %s", c.ID, name)
	if c.Net.On(name) < 0 {
		return notThere
	}
	if c.State.IsRunning() {
		if _, err := s.call(c, Request{Op: OpDisconnect, Network: &Endpoint{Network: name}}); err != nil {
			return err
		}
	}
	err := s.editNet(ctx, c, func(n *Net) error {
		i := n.On(name) // another command may have taken it off in the meantime
		if i < 0 {
			return notThere
		}
		n.Networks = slices.Delete(slices.Clone(n.Networks), i, i+1)
		return nil
	})
	if err != nil {
		return err
	}
	if c.State.IsRunning() {
		s.networkEvent(c.ID, "disconnect", name)
	}
	return nil
}

// editNet changes what the record says about networks.
func (s *Store) editNet(ctx context.Context, c *Container, edit func(*Net) error) error {
	_, err := s.Edit(ctx, c.ID, func(r *Record) error { return edit(&r.Net) })
	return err
}

// UsedNetworks are the names of those that a running container is to be on: as in
// Docker, one is on no network before it is started.
func (s *Store) UsedNetworks() (map[string]bool, error) {
	list, err := s.Readable()
	if err != nil {
		return nil, err
	}
	used := map[string]bool{}
	for _, c := range list {
		if !c.State.IsRunning() {
			continue
		}
		for _, end := range c.Net.Networks {
			used[end.Network] = true
		}
	}
	return used, nil
}
