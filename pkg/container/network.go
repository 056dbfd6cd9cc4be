// SPDX-License-Identifier: Apache-2.0

package container

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"coracle/pkg/state"
)

// Own reports whether a container has a network namespace that may be connected:
// it need not be on any network now.
func (n Net) Own() bool { return n.Mode != "host" && n.Mode != "none" && n.OnNetworkOf() == "" }

// Connect puts a container on another network, now if it runs and whenever it
// starts.
func (s *Store) Connect(ctx context.Context, c *Container, e Endpoint) error {
	if c.Net.On(e.Network) >= 0 {
		return fmt.Errorf("endpoint with name %s already exists in network %s", c.Name, e.Network)
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
	if err := s.editNet(ctx, c, func(n *Net) { n.Networks = append(slices.Clip(n.Networks), e) }); err != nil {
		return err
	}
	if c.State.IsRunning() { // else when it starts
		s.networkEvent(c.ID, "connect", e.Network)
	}
	return nil
}

// Disconnect takes a container off a network.
func (s *Store) Disconnect(ctx context.Context, c *Container, network string) error {
	i := c.Net.On(network)
	if i < 0 {
		return fmt.Errorf("container %s is not connected to network %s", c.ID, network)
	}
	if c.State.IsRunning() {
		if _, err := s.call(c, Request{Op: OpDisconnect, Network: &Endpoint{Network: network}}); err != nil {
			return err
		}
	}
	if err := s.editNet(ctx, c, func(n *Net) { n.Networks = slices.Delete(slices.Clone(n.Networks), i, i+1) }); err != nil {
		return err
	}
	if c.State.IsRunning() {
		s.networkEvent(c.ID, "disconnect", network)
	}
	return nil
}

// editNet replaces the record with one whose network is changed. The lock of
// the names guards records against two changes at once.
func (s *Store) editNet(ctx context.Context, c *Container, edit func(*Net)) error {
	lock, err := state.Acquire(ctx, s.namesLock(), state.Exclusive)
	if err != nil {
		return fmt.Errorf("change container: %w", err)
	}
	defer lock.Release()
	now, err := s.Load(c.ID)
	if err != nil {
		return err
	}
	r := now.Record
	edit(&r.Net)
	if err := s.writeRecord(c.dir, &r); err != nil {
		return fmt.Errorf("change container: %w", err)
	}
	return nil
}
