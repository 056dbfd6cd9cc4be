// SPDX-License-Identifier: Apache-2.0

package look

import (
	"context"

	"coracle/pkg/container"
	"coracle/pkg/docker"
	"coracle/pkg/image"
	"coracle/pkg/network"
	"coracle/pkg/oci/spec"
	"coracle/pkg/overlay"
	"coracle/pkg/state"
)

// Inspect is the answer about a container, with the sizes of its layers where they are
// asked for.
func Inspect(ctx context.Context, cs *container.Store, c *container.Container, withSize bool) (*docker.Container, error) {
	answer := docker.InspectContainer(c, placesOf(cs, c))
	answer.ExecIDs = cs.ExecIDs(c)
	if withSize {
		sizes, err := sizesOf(ctx, cs.Dirs(), []*container.Container{c})
		if err != nil {
			return nil, err
		}
		n := sizes[c.ID]
		answer.SizeRw, answer.SizeRootFs = &n.own, &n.all
	}
	return answer, nil
}

// placesOf says where things of a container are.
func placesOf(cs *container.Store, c *container.Container) docker.Places {
	dir := c.Dir()
	if id := c.Net.OnNetworkOf(); id != "" {
		dir = cs.Dirs().Container(id)
	}
	return docker.Places{
		Files: dir.Files(), Volume: container.Volumes(cs.Dirs()).DataDir, Throttle: spec.ThrottleCounters(), Network: networkIDs(cs.Dirs()),
	}
}

// networkIDs finds the IDs of networks, each once.
func networkIDs(d state.Dirs) func(name string) string {
	known := map[string]string{}
	return func(name string) string {
		id, ok := known[name]
		if ok {
			return id
		}
		if id = docker.PredefinedID(name); id == "" {
			if w, err := network.NewStore(d).Lookup(name); err == nil {
				id = w.ID
			}
		}
		known[name] = id
		return id
	}
}

// size is the size of a container's own files, and with the image's.
type size struct{ own, all int64 }

// sizesOf measures containers, by their IDs.
func sizesOf(ctx context.Context, d state.Dirs, list []*container.Container) (map[string]size, error) {
	own, err := container.NewStore(d).Sizes(ctx, list)
	if err != nil {
		return nil, err
	}
	ix, err := image.NewStore(d, container.ImageUsers).Index(ctx)
	if err != nil {
		return nil, err
	}
	images := map[string]overlay.Image{}
	for _, img := range ix.Images {
		images[img.ID] = img
	}
	all := map[string]size{}
	for _, c := range list {
		n := own[c.ID]
		all[c.ID] = size{n, n + images[c.ImageID].Size}
	}
	return all, nil
}
