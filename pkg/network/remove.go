// SPDX-License-Identifier: Apache-2.0

package network

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"coracle/pkg/events"
	"coracle/pkg/state"
)

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
	return state.SyncDir(n.dirs.Networks()) // it is not there again after a power cut
}

// Delete removes the network that arg means, as [Store.Lookup] finds it, even one
// that is damaged. Those that are always there stay.
func (n Store) Delete(ctx context.Context, arg string) error {
	if slices.Contains(Predefined(), arg) {
		return refuse(Forbidden, "%s is a pre-defined network and cannot be removed", arg)
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
