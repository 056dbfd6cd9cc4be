// SPDX-License-Identifier: Apache-2.0

package dockerfile

import (
	"context"

	"coracle/pkg/dockerfile/cache"
	"coracle/pkg/overlay"
	"coracle/pkg/state"
	"coracle/pkg/worker"
)

// CacheRecord is what one step, or one RUN --mount=type=cache, has left in the
// build cache.
type CacheRecord = cache.Record

// PruneCacheRequest asks to forget records of the build cache.
type PruneCacheRequest struct {
	All  bool     // every record there is, and what else lies in the cache
	IDs  []string // without All: of those that may go
	Keep int64    // bytes: what was used last stays as far as it fits; 0: nothing
}

// CacheUse returns what is in the build cache, the oldest first.
func CacheUse(ctx context.Context, d state.Dirs) ([]CacheRecord, error) {
	return cacheUseOp.Call(ctx, d, struct{}{}, worker.With{})
}

var cacheUseOp = worker.Op[struct{}, []CacheRecord]{
	Name: "dockerfile.cacheUse",
	Do: func(_ context.Context, j *worker.Job, _ struct{}) (list []CacheRecord, err error) {
		err = opened(j, func(st *overlay.Store) (err error) {
			list, err = cache.Use(st)
			return err
		})
		return list, err
	},
}

// PruneChosen forgets the records that choose chooses, or with nil all that there
// are, but what was used last as far as it fits into keep bytes. It returns how many
// bytes that freed.
func PruneChosen(ctx context.Context, d state.Dirs, choose func(CacheRecord) bool, keep int64) (int64, error) {
	r := PruneCacheRequest{All: choose == nil, Keep: keep}
	if choose != nil {
		list, err := CacheUse(ctx, d)
		if err != nil {
			return 0, err
		}
		for _, c := range list {
			if choose(c) {
				r.IDs = append(r.IDs, c.ID)
			}
		}
	}
	return PruneCache(ctx, d, r)
}

// PruneCache forgets records, and the layers that only those held. It returns
// how many bytes that freed.
func PruneCache(ctx context.Context, d state.Dirs, r PruneCacheRequest) (int64, error) {
	return pruneCacheOp.Call(ctx, d, r, worker.With{})
}

var pruneCacheOp = worker.Op[PruneCacheRequest, int64]{
	Name: "dockerfile.pruneCache",
	Do: func(ctx context.Context, j *worker.Job, r PruneCacheRequest) (freed int64, err error) {
		var choose func(CacheRecord) bool
		if !r.All {
			chosen := map[string]bool{}
			for _, id := range r.IDs {
				chosen[id] = true
			}
			choose = func(c CacheRecord) bool { return chosen[c.ID] }
		}
		err = opened(j, func(st *overlay.Store) (err error) {
			freed, err = cache.Prune(ctx, st, choose, r.Keep)
			return err
		})
		return freed, err
	},
}
