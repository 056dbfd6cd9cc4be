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
func Ops() []worker.Handler { return []worker.Handler{sizesOp, volumeSizeOp, fillOp, sweepOp} }

// Sizes is [Store.Size] of each container, by ID. Where one has closed a
// directory to its owner, a worker measures all of them.
func (s *Store) Sizes(ctx context.Context, list []*Container) (map[string]int64, error) {
	all, err := s.sizes(list)
	if errors.Is(err, fs.ErrPermission) && !ns.Inside() {
		return sizesOp.Call(ctx, s.dirs, idsOf(list), worker.With{})
	}
	return all, err
}

// sizes is Sizes in this process.
func (s *Store) sizes(list []*Container) (map[string]int64, error) {
	all := map[string]int64{}
	for _, c := range list {
		n, err := s.Size(c)
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
	return s.sizes(list)
}}

// FillVolumes does for a container that was created what its first start would
// do: its new volumes have their content from now on.
func (s *Store) FillVolumes(ctx context.Context, c *Container) error {
	if !s.needsFill(c) {
		return nil
	}
	_, err := fillOp.Call(ctx, s.dirs, c.ID, worker.With{})
	return err
}

var fillOp = worker.Op[string, struct{}]{Name: "container.fill", Do: func(ctx context.Context, j *worker.Job, id string) (none struct{}, err error) {
	s := NewStore(j.Dirs)
	c, err := s.Load(id)
	if err != nil {
		return none, err
	}
	return none, s.fillVolumes(ctx, c)
}}

// Sweep deletes what commands have put aside to be deleted, and what killed ones
// have left behind.
func (s *Store) Sweep(ctx context.Context) error {
	if !s.dirs.Tmp().NeedsSweep() {
		return nil
	}
	_, err := sweepOp.Call(ctx, s.dirs, struct{}{}, worker.With{})
	return err
}

var sweepOp = worker.Op[struct{}, struct{}]{Name: "container.sweep", Do: func(_ context.Context, j *worker.Job, none struct{}) (struct{}, error) {
	return none, j.Dirs.Tmp().Sweep()
}}

// MeasureVolume is [Store.VolumeSize], by a worker where the volume has closed a
// directory to its owner.
func (s *Store) MeasureVolume(ctx context.Context, name string) (int64, error) {
	n, err := s.VolumeSize(name)
	if errors.Is(err, fs.ErrPermission) && !ns.Inside() {
		return volumeSizeOp.Call(ctx, s.dirs, name, worker.With{})
	}
	return n, err
}

var volumeSizeOp = worker.Op[string, int64]{Name: "container.volumeSize", Do: func(_ context.Context, j *worker.Job, name string) (int64, error) {
	return NewStore(j.Dirs).VolumeSize(name)
}}
