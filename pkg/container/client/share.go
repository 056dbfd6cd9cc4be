// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"coracle/pkg/container"
	"coracle/pkg/container/control"
	"coracle/pkg/ids"
	"coracle/pkg/wire"
)

// surroundings are the namespaces of a running container that another one
// shares: a network namespace belongs to a user namespace, and so the other one
// has to be in that too.
type surroundings struct {
	user, net *os.File // net is nil when the network is the host's
	shared    control.SharedNet
}

// close is for nil, too.
func (a *surroundings) close() {
	if a != nil {
		wire.CloseFiles([]*os.File{a.user, a.net})
	}
}

// surroundingsOf asks the supervisor of the container whose network c shares.
func surroundingsOf(ctx context.Context, s *container.Store, c *container.Container) (*surroundings, error) {
	other, err := s.Load(c.Net.OnNetworkOf())
	if err != nil {
		return nil, err
	}
	r, files, err := ask(ctx, other, control.Request{Op: control.OpShare})
	if errors.Is(err, container.ErrNotRunning) {
		return nil, fmt.Errorf("cannot join network of a non running container: %s", other.ID)
	}
	if err != nil {
		return nil, fmt.Errorf("share network of container %.12s: %w", other.ID, err)
	}
	want := 2
	if r.Shared != nil && r.Shared.Host {
		want = 1
	}
	if r.Shared == nil || len(files) != want {
		wire.CloseFiles(files)
		return nil, fmt.Errorf("share network of container %.12s: unexpected answer %q", other.ID, r.Event)
	}
	a := &surroundings{user: files[0], shared: *r.Shared}
	if !r.Shared.Host {
		a.net = files[1]
	}
	return a, nil
}

// spawnFor spawns the supervisor of a container that exists. One that shares
// another's network is in the other's user namespace.
func spawnFor(ctx context.Context, s *container.Store, c *container.Container) (*Supervisor, *surroundings, error) {
	if c.Net.OnNetworkOf() == "" {
		return spawnAround(s, c.ID, c.Maps, nil), nil, nil
	}
	around, err := surroundingsOf(ctx, s, c)
	if err != nil {
		return nil, nil, err
	}
	return spawnAround(s, c.ID, c.Maps, around.user), around, nil
}

// sameIDs refuses to share a user namespace that has other ids than the files
// of this user's containers.
func sameIDs(pid int, want ids.Maps) error {
	have, err := ids.Of(pid)
	if err != nil {
		return err
	}
	if !slices.Equal(have.UID, want.UID) || !slices.Equal(have.GID, want.GID) {
		return errors.New("share network: the other container was started with other subordinate ids or another --userns: give both the same, and restart it")
	}
	return nil
}
