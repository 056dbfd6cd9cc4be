// SPDX-License-Identifier: Apache-2.0

package containercmd

import (
	"context"

	"coracle/pkg/cli/command"
	"coracle/pkg/container"
	"coracle/pkg/docker"
	"coracle/pkg/network"
	"coracle/pkg/oci/spec"
)

// Inspect is the answer about the container that arg means, with the sizes of its
// layers where they are asked for.
func Inspect(ctx context.Context, e *command.Env, arg string, size bool) (*docker.Container, error) {
	cs, c, err := e.Container(arg)
	if err != nil {
		return nil, err
	}
	answer := docker.InspectContainer(c, placesOf(cs, c))
	if size {
		sizes, err := containerSizes(ctx, e, []*container.Container{c})
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
	return docker.Places{Files: dir.Files(), Volume: container.Volumes(cs.Dirs()).DataDir, Throttle: spec.ThrottleCounters(), Network: func(name string) string {
		if id := docker.PredefinedID(name); id != "" {
			return id
		}
		w, err := network.NewStore(cs.Dirs()).Lookup(name)
		if err != nil {
			return ""
		}
		return w.ID
	}}
}
