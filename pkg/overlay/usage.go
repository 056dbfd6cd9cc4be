// SPDX-License-Identifier: Apache-2.0

package overlay

import (
	"fmt"
	"time"
)

// LayerUse is one layer of the store, and who has it.
type LayerUse struct {
	ID      LayerID
	Parent  LayerID // empty for the lowest
	Size    int64   // of its tar stream, in bytes
	Created time.Time
	Images  []string // IDs of the images that reach it
}

// Usage returns all layers by their IDs. What is damaged is left out: it takes
// no part in any sum.
func (s *Store) Usage() (map[LayerID]*LayerUse, error) {
	layers, err := s.lib.Layers()
	if err != nil {
		return nil, fmt.Errorf("list layers: %w", err)
	}
	images, err := s.lib.Images()
	if err != nil {
		return nil, fmt.Errorf("list images: %w", err)
	}
	all := make(map[LayerID]*LayerUse, len(layers))
	for _, l := range layers {
		all[LayerID(l.ID)] = &LayerUse{ID: LayerID(l.ID), Parent: LayerID(l.Parent), Size: max(l.UncompressedSize, 0), Created: l.Created}
	}
	for _, img := range images {
		for n, id := 0, LayerID(img.TopLayer); all[id] != nil && n < len(all); n++ {
			all[id].Images = append(all[id].Images, img.ID)
			id = all[id].Parent
		}
	}
	return all, nil
}
