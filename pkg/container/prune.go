// SPDX-License-Identifier: Apache-2.0

package container

import (
	"context"
	"errors"
	"strconv"

	"coracle/pkg/events"
	"coracle/pkg/state"
	"coracle/pkg/trash"
)

// Pruned is what a prune has done.
type Pruned struct {
	IDs    []string // of the containers that are gone
	Freed  int64    // bytes
	Failed []error  // why others could not be looked at
}

// Prune removes the stopped containers that are chosen. Their volumes stay: there is
// a prune for them. With an error, Pruned is what was done before it.
func Prune(ctx context.Context, s *Store, choose func(*Container) bool) (p Pruned, err error) {
	list, bad := s.List()
	if bad != nil {
		p.Failed = append(p.Failed, bad)
	}
	var stopped []*Container
	for _, c := range list {
		if !c.State.IsRunning() && choose(c) {
			stopped = append(stopped, c)
		}
	}
	sizes, err := s.Sizes(ctx, stopped)
	if err != nil {
		return p, err
	}
	for _, c := range stopped {
		err := s.Remove(ctx, c)
		var gone *NotFoundError
		switch {
		case errors.As(err, &gone): // by somebody else
			continue
		case err != nil && !errors.Is(err, state.ErrNeedsUserNS):
			return p, err
		}
		p.IDs = append(p.IDs, c.ID)
		p.Freed += sizes[c.ID]
	}
	_ = events.Append(s.dirs.Root, events.New(events.Container, "prune", "", map[string]string{"reclaimed": strconv.FormatInt(p.Freed, 10)}))
	return p, trash.Empty(ctx, s.dirs)
}
