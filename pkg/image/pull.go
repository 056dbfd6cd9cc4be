// SPDX-License-Identifier: Apache-2.0

package image

import (
	"context"

	"coracle/pkg/events"
	"coracle/pkg/oci"
	"coracle/pkg/oci/registry"
)

// PullRequest asks for images of a registry.
type PullRequest struct {
	Name     string          `json:"name"` // as a user types it
	AllTags  bool            `json:"allTags,omitempty"`
	Platform string          `json:"platform,omitempty"` // empty: the host's
	Access   registry.Access `json:"access"`
}

// Pull fetches an image and gives it its name, or all images of a repository.
func (s *Store) Pull(ctx context.Context, r PullRequest, progress func(oci.Event)) ([]oci.Pulled, error) {
	return call(ctx, s, pullVerb, r, nil, progress)
}

var pullVerb = verb[PullRequest, []oci.Pulled]{"image.pull", func(ctx context.Context, s *Store, j job, r PullRequest) ([]oci.Pulled, error) {
	ref, err := oci.ParseRef(r.Name)
	if err != nil {
		return nil, err
	}
	reg, err := registry.New(r.Access)
	if err != nil {
		return nil, err
	}
	refs := []oci.Ref{ref}
	if r.AllTags {
		if refs, err = tagsOf(ctx, reg, ref); err != nil {
			return nil, err
		}
	}
	var all []oci.Pulled
	for _, ref := range refs {
		got, err := oci.Pull(ctx, s.inner, reg, ref, oci.PullOptions{Platform: r.Platform, Events: j.event})
		if err != nil {
			return all, err
		}
		all = append(all, got)
		s.happened("pull", ref.Familiar(), ref.Familiar())
		status := "Downloaded newer image for"
		if got.UpToDate {
			status = "Image is up to date for"
		}
		j.event(oci.Event{Status: "Digest: " + got.Digest.String()})
		j.event(oci.Event{Status: "Status: " + status + " " + ref.Familiar()})
	}
	return all, nil
}}

// tagsOf are all names that a registry has for a repository.
func tagsOf(ctx context.Context, reg *registry.Client, ref oci.Ref) ([]oci.Ref, error) {
	repo, err := reg.Repository(ref.Domain(), ref.Path(), registry.Pull)
	if err != nil {
		return nil, err
	}
	tags, err := repo.Tags(ctx)
	if err != nil {
		return nil, err
	}
	refs := make([]oci.Ref, len(tags))
	for i, t := range tags {
		refs[i] = ref.WithTag(t)
	}
	return refs, nil
}

// happened writes down what happened to an image. A journal that cannot be
// written keeps nobody from anything.
func (s *Store) happened(action, id, name string) {
	_ = events.Append(s.dirs.Root, events.New(events.Image, action, id, map[string]string{"name": name}))
}

// tagged writes down that an image has got names, which are canonical.
func (s *Store) tagged(id string, names []string) {
	for _, n := range names {
		s.happened("tag", "sha256:"+id, oci.Familiar(n))
	}
}

// Built writes down that a build has made an image, and given it canonical names.
func (s *Store) Built(id string, names []string) {
	s.happened("build", "sha256:"+id, "sha256:"+id)
	s.tagged(id, names)
}
