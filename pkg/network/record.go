// SPDX-License-Identifier: Apache-2.0

package network

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"sync"

	"coracle/pkg/state"
)

// DamagedError says that the record of a network cannot be read, or says
// what cannot be. The other networks are as they were.
type DamagedError struct {
	Name string
	err  error
}

func (e *DamagedError) Error() string {
	return fmt.Sprintf("network %s is damaged: %v", e.Name, e.err)
}
func (e *DamagedError) Unwrap() error { return e.err }
func (e *DamagedError) Hint() string {
	return "remove it with: network rm " + e.Name
}

// Network is what is left: the name, and an ID that follows from it.
func (e *DamagedError) Network() Network {
	return Network{Name: e.Name, ID: fmt.Sprintf("%x", sha256.Sum256([]byte(e.Name)))}
}

var networkID = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[0-9a-f]{64}$`) })

// check refuses a record that no Create has written: whoever uses the network
// counts on addresses that fit together.
func (w Network) check() error {
	inside := func(p netip.Prefix, a netip.Addr) bool { return p.IsValid() && p == p.Masked() && p.Contains(a) }
	switch {
	case !networkName().MatchString(w.Name):
		return fmt.Errorf("invalid name %q", w.Name)
	case !networkID().MatchString(w.ID):
		return fmt.Errorf("invalid ID %q", w.ID)
	case w.Created.UTC().Year() < 0 || w.Created.UTC().Year() > 9999:
		return errors.New("invalid time of creation")
	case !inside(w.Subnet, w.Gateway) || !w.Gateway.Is4() || w.Subnet.Bits() > 29 || !ofMachines(w.Subnet):
		return fmt.Errorf("invalid subnet %s with gateway %s", w.Subnet, w.Gateway)
	case w.Range.IsValid() && !inside(w.Subnet, w.Range.Addr()):
		return fmt.Errorf("invalid range %s", w.Range)
	case w.Subnet6 == netip.Prefix{} && w.Gateway6 == netip.Addr{}:
		return nil
	case !inside(w.Subnet6, w.Gateway6) || !w.Gateway6.Is6() || w.Gateway6.Is4In6() || 128-w.Subnet6.Bits() < 32-w.Subnet.Bits():
		return fmt.Errorf("invalid subnet %s with gateway %s", w.Subnet6, w.Gateway6)
	}
	return nil
}

// check refuses a record that no member has written. There may be any in a
// directory that somebody has copied, or that a disk has lost the end of.
func (m Member) check(container string) error {
	switch {
	case m.Container != container || !filepath.IsLocal(container):
		return fmt.Errorf("record of %q under the name %q", m.Container, container)
	case !m.Addr.Is4() || m.MAC.IsZero():
		return fmt.Errorf("invalid address %s, %s", m.Addr, m.MAC)
	case m.Addr6.IsValid() && (!m.Addr6.Is6() || m.Addr6.Is4In6() || m.Addr6.Zone() != ""):
		return fmt.Errorf("invalid address %s", m.Addr6)
	}
	return nil
}

// read reads the records of all networks, by name. A directory without one is no
// network: Create was killed before it was one, or Remove after.
func (n Store) read() (list []Network, damaged []*DamagedError, err error) {
	entries, err := os.ReadDir(n.dirs.Networks())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, nil, fmt.Errorf("list networks: %w", err)
	}
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		var w Network
		err := state.ReadJSON(n.file(e.Name()), &w)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			err = w.check()
		}
		if err == nil && w.Name != e.Name() {
			err = fmt.Errorf("record of %q", w.Name)
		}
		if err != nil {
			damaged = append(damaged, &DamagedError{e.Name(), err})
			continue
		}
		list = append(list, w)
	}
	return list, damaged, nil
}

// Damaged are the networks that List leaves out.
func (n Store) Damaged() []*DamagedError {
	_, damaged, _ := n.read()
	return damaged
}

// readMembers reads the members' records, and the names of those that cannot be
// read.
func readMembers(dir string) (list []Member, damaged []string, err error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil // of a damaged network, or of one that is being made
	}
	if err != nil {
		return nil, nil, fmt.Errorf("list members: %w", err)
	}
	for _, e := range entries {
		id, ok := state.MemberOf(e.Name())
		if !ok {
			continue
		}
		var m Member
		err := state.ReadJSON(filepath.Join(dir, e.Name()), &m)
		if errors.Is(err, fs.ErrNotExist) {
			continue // it has just left
		}
		if err == nil {
			err = m.check(id)
		}
		if err != nil {
			damaged = append(damaged, id)
			continue
		}
		list = append(list, m)
	}
	return list, damaged, nil
}
