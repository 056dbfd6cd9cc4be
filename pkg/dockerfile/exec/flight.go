// SPDX-License-Identifier: Apache-2.0

package exec

import (
	"context"
	"sync"

	"coracle/pkg/dockerfile/cache"
	"coracle/pkg/overlay"
)

// flight is a step on its way to a layer. A step of another stage that has the
// same key waits for it and takes its layer: what one key decides is made once
// in a build, also without the cache, as BuildKit does with equal vertices.
type flight struct {
	done  chan struct{}
	layer overlay.LayerID
	err   error
}

// flights are those of a build.
type flights struct {
	mu    sync.Mutex
	byKey map[cache.Key]*flight
}

// get returns that of a key, and whether the caller has to land it.
func (b *flights) get(key cache.Key) (f *flight, mine bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if f := b.byKey[key]; f != nil {
		return f, false
	}
	f = &flight{done: make(chan struct{})}
	b.byKey[key] = f
	return f, true
}

// land tells of the end to those who wait.
func (f *flight) land(id overlay.LayerID, err error) {
	f.layer, f.err = id, err
	close(f.done)
}

// wait returns when the layer is there. When there will be none, whoever was to
// make it says why and ends the build, which is waited for.
//
// Preconditions: the caller holds no slot.
func (f *flight) wait(ctx context.Context) error {
	select {
	case <-f.done:
	case <-ctx.Done():
		return ctx.Err()
	}
	if f.err != nil {
		<-ctx.Done()
		return ctx.Err()
	}
	return nil
}
