// SPDX-License-Identifier: Apache-2.0

package image

import (
	"context"
	"errors"

	"coracle/pkg/oci"
	"coracle/pkg/overlay"
)

// TagRequest asks for another name of an image.
type TagRequest struct {
	Image string `json:"image"` // a name or ID, as a user types it
	Name  string `json:"name"`  // likewise
}

// Tag gives an image one more name, which no other image has from then on.
func (s *Store) Tag(ctx context.Context, r TagRequest) error {
	ref, err := oci.ParseRef(r.Name)
	if err != nil {
		return err
	}
	if ref.Digest() != "" {
		return errors.New("refusing to create a tag with a digest reference")
	}
	if _, _, err := s.Find(ctx, r.Image); err != nil {
		return err // without a worker
	}
	_, err = call(ctx, s, tagVerb, r, nil, nil)
	return err
}

var tagVerb = verb[TagRequest, nothing]{"image.tag", func(ctx context.Context, s *Store, _ job, r TagRequest) (nothing, error) {
	ref, err := oci.ParseRef(r.Name)
	if err != nil {
		return nothing{}, err
	}
	img, _, err := s.Find(ctx, r.Image)
	if err != nil {
		return nothing{}, err
	}
	if _, err := s.adopt(ctx, img.ID, nil); err != nil {
		return nothing{}, err
	}
	if err := s.inner.Tag(ctx, img.ID, ref.Name()); err != nil {
		return nothing{}, err
	}
	s.tagged(img.ID, []string{ref.Name()})
	return nothing{}, nil
}}

// namesIn are the canonical names that a repository has here, with a tag each.
func namesIn(ix *overlay.Index, repository oci.Ref) []string {
	var list []string
	for _, img := range ix.Images {
		for _, n := range img.Names {
			if r, err := oci.ParseRef(n); err == nil && r.Repository() == repository.Repository() {
				list = append(list, n)
			}
		}
	}
	return list
}
