// SPDX-License-Identifier: Apache-2.0

package network

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"sync"
	"time"

	"coracle/pkg/state"
)

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
	Internal bool
	Labels   map[string]string
	Aux      map[string]netip.Addr // addresses for nobody, by names

	Attachable bool
	Options    map[string]string
}

// Create makes a network.
func (n Store) Create(ctx context.Context, o CreateOptions) (Network, error) {
	w := Network{
		Name: o.Name, Created: time.Now().UTC(), Internal: o.Internal, Labels: o.Labels,
		Subnet: o.Subnet.Masked(), Gateway: o.Gateway, Range: o.Range.Masked(), Aux: o.Aux,
		Subnet6: o.Subnet6.Masked(), Gateway6: o.Gateway6, Attachable: o.Attachable, Options: o.Options,
	}
	switch {
	case !networkName().MatchString(o.Name) || len(o.Name) > 128:
		return w, refuse(Malformed, "invalid network name %q: only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed", o.Name)
	case slices.Contains(Predefined(), o.Name) || o.Name == "default" || o.Name == "container":
		return w, refuse(Forbidden, "operation is not permitted on predefined %s network", o.Name)
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
		return w, refuse(Taken, "network with name %s already exists", o.Name)
	}
	if err := w.choose(list, n.bridgeSubnets()); err != nil {
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
