// SPDX-License-Identifier: Apache-2.0

package container

import (
	"context"

	"coracle/pkg/network"
)

// Own reports whether a container has a network namespace that may be connected:
// it need not be on any network now.
func (n Net) Own() bool { return network.HasOwn(n.Mode) }

// OnNetworkOf returns the ID of the container whose network this one shares, or
// "". Net.Mode says it: container:ID.
func (n Net) OnNetworkOf() string {
	if id, ok := network.SharedWith(n.Mode); ok {
		return id
	}
	return ""
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

// PruneNetworks removes the networks that want says yes to and that nobody is on,
// or is to be on, and returns their names: with an error, of those before it.
func (s *Store) PruneNetworks(ctx context.Context, want func(network.Network) bool) (names []string, err error) {
	used, err := s.UsedNetworks()
	if err != nil {
		return nil, err
	}
	return network.NewStore(s.Dirs()).Prune(ctx, func(w network.Network) bool { return !used[w.Name] && want(w) })
}
