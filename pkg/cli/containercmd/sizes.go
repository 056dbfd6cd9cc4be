// SPDX-License-Identifier: Apache-2.0

package containercmd

import (
	"context"

	"coracle/pkg/cli/command"
	"coracle/pkg/container"
	"coracle/pkg/overlay"
)

// containerSize is the size of a container's own files, and with the image's.
type containerSize struct{ own, all int64 }

// containerSizes measures containers, by their IDs.
func containerSizes(ctx context.Context, e *command.Env, list []*container.Container) (map[string]containerSize, error) {
	cs, err := e.Containers()
	if err != nil {
		return nil, err
	}
	own, err := cs.Sizes(ctx, list)
	if err != nil {
		return nil, err
	}
	ix, err := e.Index()
	if err != nil {
		return nil, err
	}
	images := map[string]overlay.Image{}
	for _, img := range ix.Images {
		images[img.ID] = img
	}
	all := map[string]containerSize{}
	for _, c := range list {
		n := own[c.ID]
		all[c.ID] = containerSize{n, n + images[c.ImageID].Size}
	}
	return all, nil
}
