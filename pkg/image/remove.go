// SPDX-License-Identifier: Apache-2.0

package image

import (
	"context"
	"errors"
	"slices"

	"github.com/moby/moby/api/types/image"

	"coracle/pkg/oci"
	"coracle/pkg/overlay"
)

// RemoveRequest asks to take names from images, and images away.
type RemoveRequest struct {
	Images    []string `json:"images"`              // names or IDs, as a user types them
	Platforms []string `json:"platforms,omitempty"` // that the images must be for
	Force     bool     `json:"force,omitempty"`
}

// Removed is what became of one image of a request.
type Removed struct {
	Image string                 `json:"image"` // as it was asked for
	Items []image.DeleteResponse `json:"items,omitempty"`

	// One of these says why it was not removed, or not all of it.
	NotFound *oci.NotFoundError `json:"notFound,omitempty"`
	Conflict *ConflictError     `json:"conflict,omitempty"`
	Platform *PlatformError     `json:"platform,omitempty"`
	Failure  *Failure           `json:"failure,omitempty"`
}

// Err is why an image was not removed, or nil.
func (r *Removed) Err() error {
	switch {
	case r.NotFound != nil:
		return r.NotFound
	case r.Conflict != nil:
		return r.Conflict
	case r.Platform != nil:
		return r.Platform
	case r.Failure != nil:
		return r.Failure
	}
	return nil
}

// fail notes why.
func (r *Removed) fail(err error) {
	if err != nil && !errors.As(err, &r.NotFound) && !errors.As(err, &r.Conflict) && !errors.As(err, &r.Platform) {
		r.Failure = failure(err)
	}
}

func failure(err error) *Failure {
	f := &Failure{Message: err.Error(), NoName: errors.Is(err, oci.ErrInvalidReference)}
	var h interface{ Hint() string }
	if errors.As(err, &h) {
		f.Remedy = h.Hint()
	}
	return f
}

// Remove removes one after the other, each as far as it goes: a name from an
// image that has others, else the image with what layers nobody else has. What
// became of each is told as soon as it is known. An image that a container uses
// stays, or with force loses its names if the container is stopped.
func (s *Store) Remove(ctx context.Context, r RemoveRequest, each func(Removed)) error {
	_, err := callWith(ctx, s, removeVerb, r, nil, each)
	return err
}

var removeVerb = verb[RemoveRequest, nothing]{"image.remove", func(ctx context.Context, s *Store, j job, r RemoveRequest) (nothing, error) {
	for _, arg := range r.Images {
		done := Removed{Image: arg}
		done.fail(s.remove(ctx, r, arg, &done))
		j.tell(done)
		if err := ctx.Err(); err != nil {
			return nothing{}, err
		}
	}
	return nothing{}, nil
}}

// remove takes one name away, or the whole image when it was the last, or when
// it was asked for by ID.
func (s *Store) remove(ctx context.Context, r RemoveRequest, arg string, out *Removed) error {
	img, name, err := s.Find(ctx, arg)
	if err == nil {
		err = checkPlatforms(arg, r.Platforms, img)
	}
	if err != nil {
		return err
	}
	if img, err = s.ours(ctx, img, name); err != nil {
		return err
	}
	lost, last := references(img, name)
	if name != "" && !last {
		return s.untag(ctx, img.ID, lost, out)
	}
	if name == "" && !r.Force && moreThanOneRepository(img) {
		return &ConflictError{Image: img.ID[:12]}
	}
	running, stopped, err := s.usedBy(img.ID)
	if err != nil {
		return err
	}
	if running == "" && stopped != "" && r.Force && name != "" {
		// Docker keeps the image for the stopped container, without a name.
		return s.untag(ctx, img.ID, lost, out)
	}
	layers, err := s.inner.DeleteImage(ctx, img.ID, func() error { return s.conflict(arg, img) })
	if err != nil {
		return err
	}
	for _, n := range img.Names {
		s.untagged(img.ID, n, &out.Items)
	}
	for _, n := range img.RepoDigests {
		out.Items = append(out.Items, image.DeleteResponse{Untagged: oci.Familiar(n)})
	}
	s.deleted(img.ID, layers, &out.Items)
	return nil
}

// references are what an image loses with a name: with the last tag of a
// repository go its digests there. last reports whether nothing remains.
func references(img overlay.Image, name string) (lost []string, last bool) {
	names := slices.DeleteFunc(slices.Clone(img.Names), func(n string) bool { return n == name })
	lost = []string{name}
	repo, _ := oci.SplitName(name)
	tagged := slices.Contains(img.Names, name)
	for _, d := range img.RepoDigests {
		if r, _ := oci.SplitName(d); d != name && tagged && r == repo && !hasRepository(names, repo) {
			lost = append(lost, d)
		}
	}
	return lost, len(lost) >= len(img.Names)+len(img.RepoDigests)
}

func hasRepository(names []string, repo string) bool {
	return slices.ContainsFunc(names, func(n string) bool { r, _ := oci.SplitName(n); return r == repo })
}

func moreThanOneRepository(img overlay.Image) bool {
	if len(img.Names) == 0 {
		return false
	}
	first, _ := oci.SplitName(img.Names[0])
	return slices.ContainsFunc(img.Names, func(n string) bool { repo, _ := oci.SplitName(n); return repo != first })
}

// untag takes names and digests from an image that stays.
func (s *Store) untag(ctx context.Context, id string, names []string, out *Removed) error {
	for _, n := range names {
		if err := s.inner.Untag(ctx, id, n); err != nil {
			return err
		}
		s.untagged(id, n, &out.Items)
	}
	return nil
}

// untagged tells of a name that an image has lost.
func (s *Store) untagged(id, name string, out *[]image.DeleteResponse) {
	*out = append(*out, image.DeleteResponse{Untagged: oci.Familiar(name)})
	s.happened("untag", "sha256:"+id, oci.Familiar(name))
}

// deleted tells of an image that is gone, with its layers.
func (s *Store) deleted(id string, layers []overlay.LayerID, out *[]image.DeleteResponse) {
	*out = append(*out, image.DeleteResponse{Deleted: "sha256:" + id})
	s.happened("delete", "sha256:"+id, "sha256:"+id)
	for _, l := range layers {
		*out = append(*out, image.DeleteResponse{Deleted: "sha256:" + string(l)})
	}
}

// usedBy returns a running and a stopped container of the image, 12 hex digits
// each.
func (s *Store) usedBy(id string) (running, stopped string, err error) {
	list, err := s.users(s.dirs, id)
	for _, u := range list {
		if u.Running {
			running = u.ID[:min(len(u.ID), 12)]
		} else {
			stopped = u.ID[:min(len(u.ID), 12)]
		}
	}
	return running, stopped, err
}

// conflict says which container keeps an image from being deleted.
func (s *Store) conflict(arg string, img overlay.Image) error {
	running, stopped, err := s.usedBy(img.ID)
	if err != nil {
		return err
	}
	shown := arg
	if ref, err := oci.ParseRef(arg); err == nil && slices.Contains(img.Names, ref.Name()) {
		shown = ref.Familiar()
	}
	switch {
	case running != "":
		return &ConflictError{Image: shown, Container: running, Running: true}
	case stopped != "":
		return &ConflictError{Image: shown, Container: stopped}
	}
	return nil
}
