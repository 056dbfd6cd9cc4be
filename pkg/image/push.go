// SPDX-License-Identifier: Apache-2.0

package image

import (
	"context"
	"fmt"

	"coracle/pkg/oci"
	"coracle/pkg/oci/registry"
)

// PushRequest asks to send images to a registry.
type PushRequest struct {
	Name      string          `json:"name"` // as a user types it
	AllTags   bool            `json:"allTags,omitempty"`
	Platforms []string        `json:"platforms,omitempty"` // that the images must be for
	Access    registry.Access `json:"access"`
}

// Push sends the image that has a name to the registry that the name says, or
// all images of a repository.
func (s *Store) Push(ctx context.Context, r PushRequest, progress func(oci.Event)) ([]oci.Pushed, error) {
	return call(ctx, s, pushVerb, r, nil, progress)
}

var pushVerb = verb[PushRequest, []oci.Pushed]{"image.push", func(ctx context.Context, s *Store, j job, r PushRequest) ([]oci.Pushed, error) {
	ref, err := oci.ParseRef(r.Name)
	if err != nil {
		return nil, err
	}
	reg, err := registry.New(r.Access)
	if err != nil {
		return nil, err
	}
	j.event(oci.Event{Status: fmt.Sprintf("The push refers to repository [%s]", ref.Repository())})
	refs, err := s.toPush(ctx, ref, r)
	if err != nil {
		return nil, err
	}
	var all []oci.Pushed
	for _, ref := range refs {
		img, _, err := s.Find(ctx, ref.Name())
		if err == nil {
			err = checkPlatforms(ref.Familiar(), r.Platforms, img)
		}
		if err != nil {
			return all, err
		}
		if _, err := s.adopt(ctx, img.ID, j.event); err != nil {
			return all, err
		}
		got, err := oci.Push(ctx, s.inner, reg, ref, img, j.event)
		if err != nil {
			return all, err
		}
		all = append(all, got)
		s.happened("push", ref.Familiar(), ref.Familiar())
		j.event(oci.Event{Status: fmt.Sprintf("%s: digest: %s size: %d", ref.Tag(), got.Digest, got.Size)})
	}
	return all, nil
}}

// toPush are the names that a push sends: one, or all tags of a repository.
func (s *Store) toPush(ctx context.Context, ref oci.Ref, r PushRequest) ([]oci.Ref, error) {
	ix, err := s.Index(ctx)
	if err != nil {
		return nil, err
	}
	var refs []oci.Ref
	for _, n := range namesIn(ix, ref) {
		if t, err := oci.ParseRef(n); err == nil && (r.AllTags || t.Tag() == ref.Tag()) {
			refs = append(refs, t)
		}
	}
	switch {
	case len(refs) > 0:
		return refs, nil
	case ref.TaggedIn(r.Name):
		return nil, fmt.Errorf("tag does not exist: %s", ref.Familiar())
	}
	return nil, fmt.Errorf("An image does not exist locally with the tag: %s", ref.FamiliarRepository()) //nolint:staticcheck // Docker's words
}
