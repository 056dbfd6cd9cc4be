// SPDX-License-Identifier: Apache-2.0

package container

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"coracle/pkg/ids"
	"coracle/pkg/network"
)

// OnNetworkOf returns the ID of the container whose network this one shares, or
// "". Net.Mode says it: container:ID.
func (n Net) OnNetworkOf() string {
	if id, ok := network.SharedWith(n.Mode); ok {
		return id
	}
	return ""
}

// surroundings are the namespaces of a running container that another one
// shares: a network namespace belongs to a user namespace, and so the other one
// has to be in that too.
type surroundings struct {
	user, net *os.File // net is nil when the network is the host's
	shared    SharedNet
}

func (a *surroundings) close() { CloseFiles([]*os.File{a.user, a.net}) }

// surroundingsOf asks the supervisor of the container whose network c shares.
func (s *Store) surroundingsOf(c *Container) (*surroundings, error) {
	other, err := s.Load(c.Net.OnNetworkOf())
	if err != nil {
		return nil, err
	}
	r, files, err := s.ask(other, Request{Op: OpShare})
	if errors.Is(err, ErrNotRunning) {
		return nil, fmt.Errorf("cannot join network of a non running container: %s", other.ID)
	}
	if err != nil {
		return nil, fmt.Errorf("share network of container %s: %w", short(other.ID), err)
	}
	want := 2
	if r.Shared != nil && r.Shared.Host {
		want = 1
	}
	if r.Shared == nil || len(files) != want {
		CloseFiles(files)
		return nil, fmt.Errorf("share network of container %s: unexpected answer %q", short(other.ID), r.Event)
	}
	a := &surroundings{user: files[0], shared: *r.Shared}
	if !r.Shared.Host {
		a.net = files[1]
	}
	return a, nil
}

// spawnFor spawns the supervisor of a container that exists. One that shares
// another's network is in the other's user namespace.
func (s *Store) spawnFor(c *Container) (*Supervisor, *surroundings, error) {
	if c.Net.OnNetworkOf() == "" {
		return s.Spawn(c.ID), nil, nil
	}
	around, err := s.surroundingsOf(c)
	if err != nil {
		return nil, nil, err
	}
	return s.spawnAround(c.ID, around.user), around, nil
}

// spawnAround is Spawn in a user namespace that exists.
func (s *Store) spawnAround(id string, user *os.File) *Supervisor {
	v := &Supervisor{ready: make(chan struct{})}
	go func() {
		defer close(v.ready)
		v.finish(v.spawn(s, id, user))
	}()
	return v
}

// sameIDs refuses to share a user namespace that has other ids than the files
// of this user's containers.
func sameIDs(pid int, want ids.Maps) error {
	have, err := ids.Of(pid)
	if err != nil {
		return err
	}
	if !slices.Equal(have.UID, want.UID) || !slices.Equal(have.GID, want.GID) {
		return errors.New("share network: the other container was started with other subordinate ids; restart it")
	}
	return nil
}
