// SPDX-License-Identifier: Apache-2.0

package network

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"coracle/pkg/events"
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
	Range    netip.Prefix      `json:"range,omitzero"` // members that ask for no address get theirs from here
	Internal bool              `json:"internal,omitempty"`
	Labels   map[string]string `json:"labels,omitempty"`

	Aux      map[string]netip.Addr `json:"aux,omitempty"`      // addresses for nobody, by the names that they were given
	Reserved []netip.Addr          `json:"reserved,omitempty"` // likewise, in records from before they had names

	// What only who asked for it reads: every network can be attached to, and the
	// one driver has no options.
	Attachable bool              `json:"attachable,omitempty"`
	Options    map[string]string `json:"options,omitempty"`
}

// reserved are the addresses that no member gets.
func (w *Network) reserved() []netip.Addr {
	return slices.AppendSeq(slices.Clone(w.Reserved), maps.Values(w.Aux))
}

// InterContainer is the option, Docker's, that is false for a network whose members
// do not reach each other.
const InterContainer = "com.docker.network.bridge.enable_icc"

// apart reports whether members do not reach each other.
func (w Network) apart() bool {
	on, err := strconv.ParseBool(w.Options[InterContainer])
	return err == nil && !on
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
	return Network{}, refuse(Malformed, "network %s is ambiguous (%d matches found on ID prefix)", arg, len(found))
}

// event writes down what happened to a network. A journal that cannot be written,
// as on a full disk, stops nobody.
func (n Store) event(action string, w Network) {
	_ = events.Append(n.dirs.Root, events.New(events.Network, action, w.ID, map[string]string{"name": w.Name, "type": Bridge}))
}
