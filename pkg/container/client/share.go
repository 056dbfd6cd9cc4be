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

// surroundings are what a supervisor is put in: the user namespace of the running
// containers whose namespaces its container joins, for these belong to that, and the
// network that is shared. The other namespaces it finds itself.
type surroundings struct {
	user, net *os.File           // net is nil unless a network is shared, and when that is the host's
	shared    *control.SharedNet // nil unless a network is shared
	pid       bool               // the supervisor starts processes in a pid namespace that is there
}

// close is for nil, too.
func (a *surroundings) close() {
	if a != nil {
		wire.CloseFiles([]*os.File{a.user, a.net})
	}
}

// surroundingsOf asks the supervisors of the containers whose namespaces c joins.
func surroundingsOf(ctx context.Context, s *container.Store, c *container.Container) (*surroundings, error) {
	a := &surroundings{pid: c.Safety.PIDOf != ""}
	for _, n := range c.Neighbours() {
		if err := a.join(ctx, s, n); err != nil {
			a.close()
			return nil, err
		}
	}
	return a, nil
}

// join asks the supervisor of one of them, all of whom are to be in one user namespace.
func (a *surroundings) join(ctx context.Context, s *container.Store, n container.Neighbour) error {
	other, err := s.Load(n.ID)
	if err != nil {
		return n.Refuse(err)
	}
	if err := n.Check(other); err != nil {
		return err
	}
	r, files, err := ask(ctx, other, control.Request{Op: control.OpShare})
	if errors.Is(err, container.ErrNotRunning) {
		return n.NotRunning()
	}
	if err != nil {
		return n.Refuse(fmt.Errorf("ask container %.12s: %w", other.ID, err))
	}
	want := 2
	if r.Shared != nil && r.Shared.Host {
		want = 1
	}
	if r.Shared == nil || len(files) != want {
		wire.CloseFiles(files)
		return n.Refuse(fmt.Errorf("ask container %.12s: unexpected answer %q", other.ID, r.Event))
	}
	var net *os.File
	if !r.Shared.Host {
		net = files[1]
	}
	switch {
	case a.user == nil:
		a.user = files[0]
	case !sameFile(a.user, files[0]):
		wire.CloseFiles(files)
		return n.Refuse(fmt.Errorf("container %.12s is in another user namespace than the others that are joined: let one of them join the other", other.ID))
	default:
		files[0].Close()
	}
	if n.Kind == container.NeighbourNetwork {
		a.net, a.shared = net, r.Shared
	} else if net != nil {
		net.Close()
	}
	return nil
}

func sameFile(a, b *os.File) bool {
	ia, err := a.Stat()
	if err != nil {
		return false
	}
	ib, err := b.Stat()
	return err == nil && os.SameFile(ia, ib)
}

// spawnFor spawns the supervisor of a container that exists. One that joins a
// namespace of another is in the other's user namespace.
func spawnFor(ctx context.Context, s *container.Store, c *container.Container) (*Supervisor, *surroundings, error) {
	if len(c.Neighbours()) == 0 {
		return spawnAround(s, c.ID, c.Maps, nil), nil, nil
	}
	around, err := surroundingsOf(ctx, s, c)
	if err != nil {
		return nil, nil, err
	}
	return spawnAround(s, c.ID, c.Maps, around), around, nil
}

// sameIDs refuses to share a user namespace that has other ids than the files
// of this user's containers.
func sameIDs(pid int, want ids.Maps) error {
	have, err := ids.Of(pid)
	if err != nil {
		return err
	}
	if !slices.Equal(have.UID, want.UID) || !slices.Equal(have.GID, want.GID) {
		return errors.New("join a container: the other container was started with other subordinate ids or another --userns: give both the same, and restart it")
	}
	return nil
}
