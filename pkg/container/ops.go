// SPDX-License-Identifier: Apache-2.0

package container

import (
	"context"
	"errors"
	"io/fs"

	"coracle/pkg/ns"
	"coracle/pkg/worker"
)

// Ops is what a worker does for this package: what files of subordinate ids, or
// a mount, take.
func Ops() []worker.Handler { return []worker.Handler{sizesOp, fillOp, keepOp} }

// Sizes is [Container.Size] of each container, by ID. Where one has closed a
// directory to its owner, a worker measures all of them.
func (s *Store) Sizes(ctx context.Context, list []*Container) (map[string]int64, error) {
	all, err := sizes(list)
	if errors.Is(err, fs.ErrPermission) && !ns.Inside() {
		return sizesOp.Call(ctx, s.dirs, idsOf(list), worker.With{})
	}
	return all, err
}

// sizes is Sizes in this process.
func sizes(list []*Container) (map[string]int64, error) {
	all := map[string]int64{}
	for _, c := range list {
		n, err := c.Size()
		if err != nil {
			return nil, err
		}
		all[c.ID] = n
	}
	return all, nil
}

func idsOf(list []*Container) []string {
	ids := make([]string, len(list))
	for i, c := range list {
		ids[i] = c.ID
	}
	return ids
}

var sizesOp = worker.Op[[]string, map[string]int64]{Name: "container.sizes", Do: func(_ context.Context, j *worker.Job, ids []string) (map[string]int64, error) {
	s := NewStore(j.Dirs)
	var list []*Container
	for _, id := range ids {
		if c, err := s.Load(id); err == nil { // else it is gone by now
			list = append(list, c)
		}
	}
	return sizes(list)
}}
