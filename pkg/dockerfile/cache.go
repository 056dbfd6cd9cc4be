// SPDX-License-Identifier: Apache-2.0

package dockerfile

import (
	"context"

	"coracle/pkg/dockerfile/cache"
	"coracle/pkg/overlay"
)

// CacheRecord is what one step, or one RUN --mount=type=cache, has left in the
// build cache.
type CacheRecord = cache.Record

// CacheUse returns what is in the build cache, the oldest first.
func CacheUse(st *overlay.Store) ([]CacheRecord, error) { return cache.Use(st) }

// CacheSize is what forgetting the records would free, in bytes.
func CacheSize(list []CacheRecord) int64 { return cache.Size(list) }

// PruneCache forgets the records that choose chooses, nil for all of them, and
// the layers that only those held. What was used last is kept, as far as it
// fits into keep bytes. It returns how many bytes that freed.
func PruneCache(ctx context.Context, st *overlay.Store, choose func(CacheRecord) bool, keep int64) (int64, error) {
	return cache.Prune(ctx, st, choose, keep)
}
