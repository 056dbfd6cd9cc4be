// SPDX-License-Identifier: Apache-2.0

package image

import (
	"context"
	"fmt"
	"slices"

	"coracle/pkg/hint"
	"coracle/pkg/oci"
	"coracle/pkg/overlay"
)

// Stores that somebody else keeps are read-only: their images are listed and looked
// at with ours. One that is to be used in any other way than by a container whose
// files are the caller's is taken over: its layers are copied here, once.

// withShared adds the images of other stores to the list of ours.
func withShared(ix *overlay.Index) *overlay.Index {
	more := overlay.SharedImages()
	if len(more) == 0 {
		return ix
	}
	all := &overlay.Index{Stamp: ix.Stamp, Images: slices.Clone(ix.Images)}
	for _, img := range more {
		all.Add(img)
	}
	slices.SortStableFunc(all.Images, func(a, b overlay.Image) int { return b.Created.Compare(a.Created) })
	return all
}

// adoptRequest asks for an image of another store to be taken over.
type adoptRequest struct {
	ID string `json:"id"`
}

var adoptVerb = verb[adoptRequest, nothing]{"image.adopt", func(ctx context.Context, s *Store, j job, r adoptRequest) (nothing, error) {
	_, err := s.adopt(ctx, r.ID, j.event)
	return nothing{}, err
}}

// adopt returns the details of an image, of which it is made ours first if it is in
// another store.
//
// Preconditions: the store is open.
func (s *Store) adopt(ctx context.Context, id string, events func(oci.Event)) (overlay.Details, error) {
	det, err := s.Details(ctx, id)
	if err != nil || det.Shared == "" {
		return det, err
	}
	img := overlay.LoadShared(id)
	if img == nil {
		return det, &oci.NotFoundError{Arg: id}
	}
	ix, err := s.own(ctx)
	if err != nil {
		return det, err
	}
	free := func(name string) bool { _, taken := ix.Find(name); return taken }
	img.Names, img.RepoDigests = slices.DeleteFunc(img.Names, free), slices.DeleteFunc(img.RepoDigests, free)
	if err := oci.Adopt(ctx, s.inner, img, events); err != nil {
		return det, err
	}
	return overlay.LoadImage(s.dirs, id)
}

// ours is what of an image is in our store, without the names that only shared ones
// give it: the image is refused where it is not here, and a name where it is not
// ours, unless the image has no other here.
func (s *Store) ours(ctx context.Context, img overlay.Image, name string) (overlay.Image, error) {
	if img.Shared != "" {
		return img, sharedError(img)
	}
	ix, err := s.own(ctx)
	if err != nil {
		return img, err
	}
	i := slices.IndexFunc(ix.Images, func(have overlay.Image) bool { return have.ID == img.ID })
	if i < 0 {
		return img, &oci.NotFoundError{Arg: img.ID}
	}
	img = ix.Images[i]
	if has := len(img.Names)+len(img.RepoDigests) > 0; !has || name == "" || slices.Contains(img.Names, name) || slices.Contains(img.RepoDigests, name) {
		return img, nil
	}
	if theirs := overlay.LoadShared(img.ID); theirs != nil {
		return img, sharedError(theirs.Image)
	}
	return img, &oci.NotFoundError{Arg: name}
}

// sharedError is the refusal to change what somebody else keeps.
func sharedError(img overlay.Image) error {
	return hint.With(fmt.Errorf("image %.12s is in the shared store %s, which is read-only", img.ID, img.Shared), "who keeps that store removes it there")
}
