// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"

	"coracle/pkg/oci"
	"coracle/pkg/overlay"
	"coracle/pkg/state"
)

// otherPlatformError says that the image of a name is for another platform than
// was asked for: a registry may have the right one.
type otherPlatformError struct {
	error
	name string
}

func (e *otherPlatformError) Unwrap() error { return &oci.NotFoundError{Arg: oci.Familiar(e.name)} }

// lookupDetails finds the image that arg means, of the given platform where
// that is not empty.
func lookupDetails(d state.Dirs, arg, platform string) (overlay.Details, error) {
	ix, err := overlay.ReadIndex(d)
	if err != nil {
		return overlay.Details{}, err
	}
	img, name, err := oci.Lookup(ix, arg)
	if err != nil {
		return overlay.Details{}, err
	}
	if platform != "" {
		err = checkPlatforms(arg, []string{platform}, img)
	}
	if err != nil && name != "" {
		err = &otherPlatformError{err, name}
	}
	if err != nil {
		return overlay.Details{}, err
	}
	return overlay.LoadImage(d, img.ID)
}

// resolveForRun finds the image and returns with the image lock held.
func resolveForRun(ctx context.Context, e *env, d state.Dirs, arg, platform, pull string, quiet bool) (*state.Lock, overlay.Details, error) {
	var none overlay.Details
	switch pull {
	case "always", "missing", "never", "":
	default:
		return nil, none, cliErrorf("invalid pull option: '%s': must be one of \"always\", \"missing\" or \"never\"", pull)
	}
	if _, err := oci.ParsePlatform(platform); err != nil {
		return nil, none, err
	}
	mended := false
	for tried := false; ; tried = true {
		if pull == "always" && !tried {
			if err := pullForRun(e, arg, platform, quiet); err != nil {
				return nil, none, err
			}
		}
		// The index may have to be made again, under the lock: before it is ours.
		if _, err := e.index(); err != nil {
			return nil, none, err
		}
		lock, err := state.Acquire(ctx, d.ImageLock(), state.Shared)
		if err != nil {
			return nil, none, err
		}
		det, err := lookupDetails(d, arg, platform)
		if err == nil {
			return lock, det, nil
		}
		lock.Release()
		var missing *oci.NotFoundError
		if !mended && !errors.As(err, &missing) {
			mended = true
			if img, _, lerr := e.image(arg); lerr == nil {
				if _, err = e.details(img.ID); err == nil {
					continue
				}
			}
		}
		if !errors.As(err, &missing) || tried || pull == "never" {
			return nil, none, err
		}
		if pull != "always" {
			if !quiet {
				fmt.Fprintf(e.stderr, "Unable to find image '%s' locally\n", missing.Arg)
			}
			if err := pullForRun(e, arg, platform, quiet); err != nil {
				return nil, none, err
			}
		}
	}
}
