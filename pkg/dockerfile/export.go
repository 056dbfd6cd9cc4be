// SPDX-License-Identifier: Apache-2.0

package dockerfile

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"coracle/pkg/overlay"
)

// export records the image.
func (b *builder) export(s *stage) (Result, error) {
	for _, o := range b.o.Outputs {
		if err := b.exportFiles(s.layers, o); err != nil {
			return Result{}, err
		}
	}
	if b.o.NoImage {
		return Result{Warnings: b.allWarnings()}, nil
	}
	v := b.tell.start("exporting to image")
	if err := b.atLeastOneLayer(s); err != nil {
		return Result{}, v.fail(err)
	}
	for _, k := range slices.Sorted(maps.Keys(b.o.Labels)) {
		if s.image.Config.Labels == nil {
			s.image.Config.Labels = map[string]string{}
		}
		s.image.Config.Labels[k] = b.o.Labels[k]
	}
	config, err := b.config(s)
	if err != nil {
		return Result{}, v.fail(err)
	}
	img, err := b.st.CreateImage(b.ctx, overlay.NewImage{Config: config, Layers: s.layers, Names: b.o.Names})
	if err != nil {
		return Result{}, v.fail(err)
	}
	v.status("exporting layers done")
	v.status("writing image sha256:" + img.ID + " done")
	for _, n := range b.o.Names {
		v.status("naming to " + n + " done")
	}
	v.finish()
	return Result{Image: img, Warnings: b.allWarnings()}, nil
}

// atLeastOneLayer gives an image from scratch that has only settings an empty
// layer: it is something to mount, and older tools want one.
func (b *builder) atLeastOneLayer(s *stage) error {
	if len(s.layers) > 0 {
		return nil
	}
	if len(s.history) == 0 {
		return errors.New("no image was generated: is the Dockerfile empty?")
	}
	d, err := b.st.NewDir()
	if err != nil {
		return err
	}
	defer d.Discard()
	id, err := b.commit(d, "", nil)
	if err != nil {
		return err
	}
	s.layers = append(s.layers, id)
	s.history[len(s.history)-1].EmptyLayer = false
	return nil
}

// config is the final configuration. The same layers with the same settings
// are the same image: the time is that of the first build.
func (b *builder) config(s *stage) ([]byte, error) {
	img := s.image
	img.RootFS = ocispec.RootFS{Type: "layers"}
	for _, l := range s.layers {
		d, err := b.st.DiffID(l)
		if err != nil {
			return nil, err
		}
		img.RootFS.DiffIDs = append(img.RootFS.DiffIDs, d)
	}
	img.Created, img.History = nil, s.history
	bare, err := json.Marshal(img)
	if err != nil {
		return nil, err
	}
	created := b.epoch
	if created == nil {
		first := b.firstBuilt(digest.FromBytes(bare))
		created = &first
	}
	img.Created = created
	img.History = slices.Clone(s.history)
	for i := range img.History {
		at := img.History[i].Created
		if at == nil || b.epoch != nil && i >= s.below && at.After(*b.epoch) {
			img.History[i].Created = created
		}
	}
	return json.Marshal(img)
}
