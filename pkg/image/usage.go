// SPDX-License-Identifier: Apache-2.0

package image

import (
	"context"

	"coracle/pkg/overlay"
)

// Usage is the space that images take.
type Usage struct {
	Images []ImageUse // newest first
	Layers int64      // of all images, each layer counted once, in bytes
}

// ImageUse is the space that one image takes.
type ImageUse struct {
	overlay.Image
	Shared int64 // of layers that another image has, too, in bytes
}

// Usage adds up the layers of all images. One that is damaged takes no part in
// any sum.
func (s *Store) Usage(ctx context.Context) (Usage, error) {
	ix, err := s.own(ctx)
	if err != nil {
		return Usage{}, err
	}
	list, complete := s.layers(ctx, ix)
	if !complete { // written before sizes were kept
		if err := s.reindex(ctx); err != nil {
			return Usage{}, err
		}
		list, _ = s.layers(ctx, ix)
	}
	of := map[overlay.LayerID]int{}
	var u Usage
	for _, sizes := range list {
		for id, n := range sizes {
			if of[id]++; of[id] == 1 {
				u.Layers += n
			}
		}
	}
	for i, img := range ix.Images {
		use := ImageUse{Image: img}
		use.Size += s.copies(ctx, img.ID)
		for id, n := range list[i] {
			if of[id] > 1 {
				use.Shared += n
			}
		}
		u.Images = append(u.Images, use)
	}
	return u, nil
}

// copies is what the copies of an image's layers for --userns keep-id take.
func (s *Store) copies(ctx context.Context, id string) (size int64) {
	d, err := s.Details(ctx, id)
	if err != nil || len(d.LayerSizes) != len(d.Layers) {
		return 0
	}
	for i, dir := range d.LayerDirs {
		size += d.LayerSizes[i] * int64(overlay.KeptCopies(dir))
	}
	return size
}

// layers are those of each image with their sizes, copies of them counted, and whether all have one.
func (s *Store) layers(ctx context.Context, ix *overlay.Index) (list []map[overlay.LayerID]int64, complete bool) {
	complete = true
	for _, img := range ix.Images {
		d, err := s.Details(ctx, img.ID)
		sizes := map[overlay.LayerID]int64{}
		if err == nil && len(d.LayerSizes) != len(d.Layers) {
			complete = false
		} else if err == nil {
			for i, l := range d.Layers {
				sizes[l] = d.LayerSizes[i] * int64(1+overlay.KeptCopies(d.LayerDirs[i]))
			}
		}
		list = append(list, sizes)
	}
	return list, complete
}
