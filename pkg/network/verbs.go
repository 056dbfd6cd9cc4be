// SPDX-License-Identifier: Apache-2.0

package network

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"coracle/pkg/events"
)

// event writes down what happened to a network. A journal that cannot be written,
// as on a full disk, stops nobody.
func (n Store) event(action string, w Network) {
	_ = events.Append(n.dirs.Root, events.New(events.Network, action, w.ID, map[string]string{"name": w.Name, "type": Bridge}))
}

// Delete removes the network that arg means, as [Store.Lookup] finds it, even one
// that is damaged. Those that are always there stay.
func (n Store) Delete(ctx context.Context, arg string) error {
	if slices.Contains(Predefined(), arg) {
		return fmt.Errorf("%s is a pre-defined network and cannot be removed", arg)
	}
	w, err := n.Lookup(arg)
	if damaged := (*DamagedError)(nil); errors.As(err, &damaged) {
		w, err = damaged.Network(), nil
	}
	if err != nil {
		return err
	}
	return n.Remove(ctx, w)
}

// Missing reports whether arg means no network at all.
func (n Store) Missing(arg string) bool {
	_, err := n.Lookup(arg)
	var missing *NotFoundError
	return errors.As(err, &missing) && !slices.Contains(Predefined(), arg)
}

// Prune removes the networks that nobody is on and that want says yes to, and
// returns their names: with an error, of those before it.
func (n Store) Prune(ctx context.Context, want func(Network) bool) (names []string, err error) {
	list, err := n.List()
	if err != nil {
		return nil, err
	}
	for _, w := range list {
		if !want(w) {
			continue
		}
		err := n.Remove(ctx, w)
		if inUse := (*InUseError)(nil); errors.As(err, &inUse) {
			continue // by a container that has just started
		}
		if err != nil {
			return names, err
		}
		names = append(names, w.Name)
	}
	_ = events.Append(n.dirs.Root, events.New(events.Network, "prune", "", map[string]string{"reclaimed": "0"}))
	return names, nil
}

// Joinable is the name of the network that arg means, which a container can be
// put on, or taken off, while it exists.
func (n Store) Joinable(arg string) (name string, err error) {
	switch arg {
	case Bridge:
		return Bridge, nil
	case Host:
		return "", errors.New("container cannot be disconnected from host network or connected to host network")
	case None:
		return "", errors.New("container cannot be connected to multiple networks with one of the networks in private (none) mode")
	}
	w, err := n.Lookup(arg)
	return w.Name, err
}
