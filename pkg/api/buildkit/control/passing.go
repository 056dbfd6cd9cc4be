// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"sync"
	"time"

	"coracle/pkg/image"
)

// passing are images that were made for other builds of the same client to begin with,
// and that nobody wants beside: what a build gives that has no export.
type passing struct {
	images *image.Store
	mu     sync.Mutex
	ids    []string
}

// there are the images that are in the store.
func (p *passing) there(ctx context.Context) (map[string]bool, error) {
	ix, err := p.images.Index(ctx)
	if err != nil {
		return nil, err
	}
	all := map[string]bool{}
	for _, img := range ix.Images {
		all[img.ID] = true
	}
	return all, nil
}

func (p *passing) add(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ids = append(p.ids, id)
}

// tidyTime is how long it may take to remove them.
const tidyTime = time.Minute

// remove removes those that have got no name and no container since.
func (p *passing) remove(ctx context.Context) error {
	if len(p.ids) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), tidyTime)
	defer cancel()
	_, err := p.images.Prune(ctx, image.PruneRequest{IDs: p.ids})
	return err
}
