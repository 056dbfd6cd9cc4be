// SPDX-License-Identifier: Apache-2.0

package image

import (
	"context"
	"slices"
	"strconv"

	"github.com/moby/moby/api/types/image"

	"coracle/pkg/events"
	"coracle/pkg/overlay"
)

// PruneRequest asks to remove images that nobody uses.
type PruneRequest struct {
	All bool     `json:"all,omitempty"` // with those that have names
	IDs []string `json:"ids"`           // of the images that may go: what the filters chose
}

// Pruned is what a prune has removed.
type Pruned struct {
	Items    []image.DeleteResponse `json:"items"`
	Freed    int64                  `json:"freed"`              // bytes
	Failures []*Failure             `json:"failures,omitempty"` // images that could not be removed
}

// Prune removes those of the chosen images that no container uses and, unless
// all is said, no name is for.
func (s *Store) Prune(ctx context.Context, r PruneRequest) (Pruned, error) {
	return call(ctx, s, pruneVerb, r, nil, nil)
}

var pruneVerb = verb[PruneRequest, Pruned]{"image.prune", func(ctx context.Context, s *Store, _ job, r PruneRequest) (Pruned, error) {
	var p Pruned
	ix, err := s.own(ctx)
	if err != nil {
		return p, err
	}
	for _, img := range ix.Images {
		if len(img.Names) > 0 && !r.All || !slices.Contains(r.IDs, img.ID) || s.conflict(img.ID, img) != nil {
			continue
		}
		sizes := s.layerSizes(ctx, img.ID)
		layers, err := s.inner.DeleteImage(ctx, img.ID, func() error { return s.conflict(img.ID, img) })
		if err != nil {
			p.Failures = append(p.Failures, failure(err)) // the others need not stay for it
			continue
		}
		for _, n := range img.Names {
			s.untagged(img.ID, n, &p.Items)
		}
		s.deleted(img.ID, nil, &p.Items)
		for _, l := range layers {
			p.Freed += sizes[l]
		}
	}
	freed, err := s.dropKept(ctx)
	if err != nil {
		return p, err
	}
	p.Freed += freed
	_ = events.Append(s.dirs.Root, events.New(events.Image, "prune", "", map[string]string{"reclaimed": strconv.FormatInt(p.Freed, 10)}))
	return p, s.inner.Sweep()
}}

// dropKept removes the copies of layers for --userns keep-id of images that no container
// uses, and returns their size.
func (s *Store) dropKept(ctx context.Context) (freed int64, err error) {
	ix, err := s.own(ctx)
	if err != nil {
		return 0, err
	}
	sizes := map[overlay.LayerID]int64{}
	dropped, err := s.inner.DropKept(ctx, func() (map[overlay.LayerID]bool, error) {
		needed := map[overlay.LayerID]bool{}
		for _, img := range ix.Images {
			users, err := s.users(s.dirs, img.ID)
			if err != nil {
				return nil, err
			}
			for id, n := range s.layerSizes(ctx, img.ID) {
				sizes[id] = n
				needed[id] = needed[id] || len(users) > 0
			}
		}
		return needed, nil
	})
	for id, n := range dropped {
		freed += sizes[id] * int64(n)
	}
	return freed, err
}

// layerSizes are the sizes of an image's layers, of which some are shared.
func (s *Store) layerSizes(ctx context.Context, id string) map[overlay.LayerID]int64 {
	sizes := map[overlay.LayerID]int64{}
	d, err := s.Details(ctx, id)
	if err != nil {
		return sizes
	}
	for i, l := range d.Layers {
		if i < len(d.LayerSizes) {
			sizes[l] = d.LayerSizes[i]
		}
	}
	return sizes
}
