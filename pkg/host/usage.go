// SPDX-License-Identifier: Apache-2.0

package host

import (
	"context"

	"coracle/pkg/container"
	"coracle/pkg/dockerfile"
	"coracle/pkg/image"
	"coracle/pkg/state"
	"coracle/pkg/volume"
	"coracle/pkg/worker"
)

// Ops is what a worker does for this package.
func Ops() []worker.Handler { return []worker.Handler{usageOp} }

// Usage is what is on the disk, in bytes.
type Usage struct {
	Containers map[string]int64 // read-write layers, by ID
	Volumes    map[string]int64 // by name
	Images     image.Usage
	Cache      []dockerfile.CacheRecord // oldest first
}

// DiskUsage measures all of it, by one worker, which may look everywhere. What
// cannot be read as a container is left out.
func DiskUsage(ctx context.Context, d state.Dirs) (Usage, error) {
	return usageOp.Call(ctx, d, struct{}{}, worker.With{})
}

var usageOp = worker.Op[struct{}, Usage]{Name: "host.usage", Do: func(ctx context.Context, j *worker.Job, _ struct{}) (u Usage, err error) {
	cs := container.NewStore(j.Dirs)
	list, _ := cs.List()
	if u.Containers, err = cs.Sizes(ctx, list); err != nil {
		return u, err
	}
	if u.Volumes, err = volumeSizes(ctx, container.Volumes(j.Dirs)); err != nil {
		return u, err
	}
	if u.Images, err = image.NewStore(j.Dirs, container.ImageUsers).Usage(ctx); err != nil {
		return u, err
	}
	u.Cache, err = dockerfile.CacheUse(ctx, j.Dirs)
	return u, err
}}

func volumeSizes(ctx context.Context, vs *volume.Store) (map[string]int64, error) {
	list, err := vs.List()
	if err != nil {
		return nil, err
	}
	names := make([]string, len(list))
	for i, v := range list {
		names[i] = v.Name
	}
	return vs.Sizes(ctx, names)
}
