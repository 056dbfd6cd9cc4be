// SPDX-License-Identifier: Apache-2.0

package image

import (
	"context"
	"errors"
	"fmt"

	"coracle/pkg/oci"
	"coracle/pkg/overlay"
	"coracle/pkg/state"
)

// User is a container that an image is kept for.
type User struct {
	ID      string // 64 hex digits
	Running bool
}

// Users finds the containers that were made of an image, or mount it. It is
// asked under the image lock, under which none appears, and takes no lock that
// comes before that one.
type Users func(d state.Dirs, id string) ([]User, error)

// Store is the set of images below one root. It is safe for concurrent use.
type Store struct {
	dirs  state.Dirs
	users Users
	inner *overlay.Store // open here, or nil
}

// NewStore is the set of images, for a process outside of the user namespace
// or one inside that has not opened the store: a worker does what needs it open.
func NewStore(d state.Dirs, users Users) *Store { return &Store{dirs: d, users: users} }

// Within is the same for a process that has the store open: a worker, or a build.
func Within(st *overlay.Store, users Users) *Store {
	return &Store{dirs: st.Dirs(), users: users, inner: st}
}

// Index is the list of images, newest first, with those of shared stores.
func (s *Store) Index(ctx context.Context) (*overlay.Index, error) {
	ix, err := s.own(ctx)
	if err != nil {
		return nil, err
	}
	return withShared(ix), nil
}

// own is the list of our images, newest first. One that looks out of date may be
// about to be written; one that still is when nobody writes is made again.
func (s *Store) own(ctx context.Context) (*overlay.Index, error) {
	ix, err := overlay.ReadIndex(s.dirs)
	for try := 0; errors.Is(err, overlay.ErrStaleIndex) && try < 3; try++ {
		if ix, err = s.settled(ctx); errors.Is(err, overlay.ErrStaleIndex) {
			if err := s.reindex(ctx); err != nil {
				return nil, err
			}
			ix, err = s.settled(ctx)
		}
	}
	return ix, err
}

// settled reads the index while nobody writes it.
func (s *Store) settled(ctx context.Context) (*overlay.Index, error) {
	lock, err := state.Acquire(ctx, s.dirs.ImageLock(), state.Shared)
	if err != nil {
		return nil, err
	}
	defer lock.Release()
	return overlay.ReadIndex(s.dirs)
}

// reindex makes the index and the details again.
func (s *Store) reindex(ctx context.Context) error {
	if _, err := call(ctx, s, reindexVerb, ReindexRequest{}, nil, nil); err != nil {
		return fmt.Errorf("rebuild image index: %w", err)
	}
	return nil
}

// ReindexRequest asks for the index and the details to be made again.
type ReindexRequest struct{}

var reindexVerb = verb[ReindexRequest, nothing]{"image.reindex", func(ctx context.Context, s *Store, _ job, _ ReindexRequest) (nothing, error) {
	return nothing{}, s.inner.Reindex(ctx)
}}

// Find finds one image by name, digest, ID, or the beginning of an ID. name is
// the canonical form of what was found by a name or digest, else empty. One
// that is not there is an [*oci.NotFoundError].
func (s *Store) Find(ctx context.Context, arg string) (img overlay.Image, name string, err error) {
	ix, err := s.Index(ctx)
	if err != nil {
		return overlay.Image{}, "", err
	}
	return oci.Lookup(ix, arg)
}

// Details are those of an image that is in the index, by its ID. Where their
// file is lost or damaged, it is made again. The error about an image that
// cannot be used is an [*overlay.DamagedError].
func (s *Store) Details(ctx context.Context, id string) (overlay.Details, error) {
	det, err := overlay.LoadImage(s.dirs, id)
	var damaged *overlay.DamagedError
	if err == nil || errors.As(err, &damaged) {
		return det, err
	}
	if img := overlay.LoadShared(id); img != nil {
		return img.Details, nil
	}
	if err := s.reindex(ctx); err != nil {
		return det, err
	}
	return overlay.LoadImage(s.dirs, id)
}

// Inspect is Find and Details in one, for the platforms asked for, of which an
// image here has one.
func (s *Store) Inspect(ctx context.Context, arg string, platforms ...string) (overlay.Details, error) {
	img, _, err := s.Find(ctx, arg)
	if err == nil {
		err = checkPlatforms(arg, platforms, img)
	}
	if err != nil {
		return overlay.Details{}, err
	}
	return s.Details(ctx, img.ID)
}
