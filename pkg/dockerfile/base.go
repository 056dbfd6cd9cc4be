// SPDX-License-Identifier: Apache-2.0

package dockerfile

import (
	"encoding/json"
	"fmt"
	"sync"

	"github.com/moby/buildkit/frontend/dockerfile/parser"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"coracle/pkg/dockerfile/plan"
	"coracle/pkg/oci/platform"
	"coracle/pkg/oci/reference"
	"coracle/pkg/overlay"
)

// bases are the images that a build begins with or copies from.
type bases struct {
	*sources
	images images

	mu     sync.Mutex
	failed error                      // the first failure
	found  map[string]overlay.Details // by plan.Ref.Key
}

func newBases(src *sources, images images) *bases {
	return &bases{sources: src, images: images, found: map[string]overlay.Details{}}
}

// plan finds the images that the target is made of, all that are known of at
// the same time, and makes the graph.
func (b *bases) plan() (*plan.Graph, error) {
	in := &plan.Input{
		File: b.file, Target: b.req.Target, Platform: b.req.Platform, Network: b.req.runNetwork(), BuildArgs: b.req.BuildArgs,
		NoCacheFilter: b.req.NoCacheFilter, Contexts: b.req.Contexts, NoContext: b.context == nil && b.client == nil, Images: map[string]plan.Found{},
	}
	for { // the triggers of an image may name others
		needs, err := plan.Needs(in)
		if err != nil {
			return nil, err
		}
		if len(needs) == len(in.Images) {
			return plan.Make(in)
		}
		if err := b.resolveAll(needs); err != nil {
			return nil, err
		}
		for key, det := range b.found {
			f := plan.Found{Digests: det.RepoDigests}
			if err := json.Unmarshal(det.Config, &f.Image); err != nil {
				return nil, fmt.Errorf("decode configuration of %s: %w", key, err)
			}
			in.Images[key] = f
		}
	}
}

// resolveAll finds the images that have not been found.
func (b *bases) resolveAll(needs []plan.Need) error {
	var all sync.WaitGroup
	for _, n := range needs {
		if _, ok := b.found[n.Key()]; !ok {
			all.Go(func() {
				det, err := b.resolve(n.Ref)
				b.mu.Lock()
				defer b.mu.Unlock()
				b.found[n.Key()] = det
				if err != nil && b.failed == nil {
					b.failed = parser.WithLocation(err, n.Where)
					b.Cancel()
				}
			})
		}
	}
	all.Wait()
	return b.failed
}

// resolve finds an image, as a step of its own.
func (b *bases) resolve(ref plan.Ref) (overlay.Details, error) {
	v := b.Tell.Start("[internal] load metadata for " + reference.Complete(ref.Name))
	det, err := b.images.resolve(b.Ctx, ref.Name, ref.Platform)
	if err != nil {
		return det, v.Fail(fmt.Errorf("%s: failed to resolve source metadata for %s: %w", ref.Name, reference.Complete(ref.Name), err))
	}
	if !forPlatform(det, ref.Platform) {
		want, _ := platform.Parse(ref.Platform) // the plan has refused what is none
		b.Warn(fmt.Sprintf("InvalidBaseImagePlatform: Base image %s was pulled with platform %q, expected %q for current build", ref.Name, platform.String(platformOf(det)), platform.String(want)))
	}
	v.Finish()
	return det, nil
}

func platformOf(det overlay.Details) ocispec.Platform {
	var is ocispec.Platform
	if err := json.Unmarshal(det.Config, &is); err != nil {
		return ocispec.Platform{}
	}
	return is
}

// forPlatform reports whether an image is for a platform, which is this
// machine's when none is named. Of an image that does not say, it is assumed.
func forPlatform(det overlay.Details, name string) bool {
	is := platformOf(det)
	want, err := platform.Parse(name)
	return is.Architecture == "" || err == nil && platform.Suits(want, is) > 0
}
