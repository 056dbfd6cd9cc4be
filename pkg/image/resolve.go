// SPDX-License-Identifier: Apache-2.0

package image

import (
	"context"
	"errors"

	"coracle/pkg/oci"
	"coracle/pkg/oci/registry"
	"coracle/pkg/overlay"
	"coracle/pkg/state"
)

// Policy says when an image is pulled that is to be used.
type Policy string

// Docker's policies. An empty one is PullMissing.
const (
	PullAlways  Policy = "always"
	PullMissing Policy = "missing"
	PullNever   Policy = "never"
)

// HoldRequest asks for an image to make something of.
type HoldRequest struct {
	Name     string // or ID
	Platform string // of which the image must be; empty: of any, and one that is pulled is the host's
	Pull     Policy
	Access   registry.Access
	Quiet    bool // without the progress of a pull
	// Own says that an image of a shared store has to be taken over: its layers
	// cannot be used where they are.
	Own bool
	// BeforePull may refuse what the image is for, before anything is fetched for
	// it: its error is Hold's. It may be nil.
	BeforePull func() error
}

func (r *HoldRequest) refused() error {
	if r.BeforePull == nil {
		return nil
	}
	return r.BeforePull()
}

// Hold finds an image, pulling it as the policy says, and returns with the image
// lock held shared: nobody removes the image until the caller releases that.
// That an image is missing, and the pull, are told as events.
func (s *Store) Hold(ctx context.Context, r HoldRequest, events func(oci.Event)) (*state.Lock, overlay.Details, error) {
	var none overlay.Details
	if _, err := oci.ParsePlatform(r.Platform); err != nil {
		return nil, none, err
	}
	if r.Quiet {
		events = nil
	}
	pull := func() error {
		_, err := s.Pull(ctx, PullRequest{Name: r.Name, Platform: r.Platform, Access: r.Access}, events)
		return err
	}
	pulled, mended := false, false
	if r.Pull == PullAlways {
		if err := r.refused(); err != nil {
			return nil, none, err
		}
		if err := pull(); err != nil {
			return nil, none, err
		}
		pulled = true
	}
	for {
		// The index may have to be made again, under the lock: before it is ours.
		if _, err := s.Index(ctx); err != nil {
			return nil, none, err
		}
		lock, err := state.Acquire(ctx, s.dirs.ImageLock(), state.Shared)
		if err != nil {
			return nil, none, err
		}
		det, err := s.lookup(r.Name, r.Platform)
		if err == nil && (det.Shared == "" || !r.Own && overlay.LoadShared(det.ID).UsedInPlace()) {
			return lock, det, nil
		}
		lock.Release()
		if err == nil {
			if _, err := call(ctx, s, adoptVerb, adoptRequest{det.ID}, nil, events); err != nil {
				return nil, none, err
			}
			continue
		}
		var missing *oci.NotFoundError
		switch {
		case errors.As(err, &missing) && (pulled || r.Pull == PullNever):
			return nil, none, err
		case errors.As(err, &missing):
			if err := r.refused(); err != nil {
				return nil, none, err
			}
			if events != nil {
				events(oci.Event{Status: "Unable to find image '" + missing.Arg + "' locally"})
			}
			if err := pull(); err != nil {
				return nil, none, err
			}
			pulled = true
		case mended || !s.mend(ctx, r.Name):
			return nil, none, err
		default:
			mended = true
		}
	}
}

// mend makes the details of an image again, and reports whether that helped.
func (s *Store) mend(ctx context.Context, arg string) bool {
	_, err := s.Inspect(ctx, arg)
	return err == nil
}

// otherPlatformError says that the image of a name is for another platform than
// was asked for: a registry may have the right one.
type otherPlatformError struct {
	error
	name string
}

func (e *otherPlatformError) Unwrap() []error {
	return []error{e.error, &oci.NotFoundError{Arg: oci.Familiar(e.name)}}
}

// lookup finds the image that arg means, of the given platform where that is
// not empty.
func (s *Store) lookup(arg, platform string) (overlay.Details, error) {
	ix, err := overlay.ReadIndex(s.dirs)
	if err != nil {
		return overlay.Details{}, err
	}
	img, name, err := oci.Lookup(withShared(ix), arg)
	if err == nil && platform != "" {
		if err = checkPlatforms(arg, []string{platform}, img); err != nil && name != "" {
			err = &otherPlatformError{err, name}
		}
	}
	if err != nil {
		return overlay.Details{}, err
	}
	if img.Shared != "" {
		if found := overlay.LoadShared(img.ID); found != nil {
			return found.Details, nil
		}
		return overlay.Details{}, &oci.NotFoundError{Arg: arg} // it is gone by now
	}
	return overlay.LoadImage(s.dirs, img.ID)
}

// BaseRequest asks for the image that a build begins with, or copies from.
type BaseRequest struct {
	Name     string
	Platform string // that the build is for; empty: any
	Fresh    bool   // the registry is asked in any case
	Access   registry.Access
}

// Base finds the image for a build, in whose process the store is open: the one
// that is here if it suits the platform, else what the registry has.
func (s *Store) Base(ctx context.Context, r BaseRequest, suits func(overlay.Details) bool) (overlay.Details, error) {
	ref, err := oci.ParseRef(r.Name)
	if err != nil {
		return overlay.Details{}, err
	}
	if !r.Fresh {
		det, err := s.Inspect(ctx, r.Name)
		var missing *oci.NotFoundError
		switch {
		case err != nil && !errors.As(err, &missing):
			return det, err
		case err == nil && (r.Platform == "" || suits(det)):
			return s.adopt(ctx, det.ID, nil)
		}
	}
	reg, err := registry.New(r.Access)
	if err != nil {
		return overlay.Details{}, err
	}
	got, err := oci.Pull(ctx, s.inner, reg, ref, oci.PullOptions{Platform: r.Platform})
	if err != nil {
		return overlay.Details{}, err
	}
	return s.Details(ctx, got.Image.ID)
}
