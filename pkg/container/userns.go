// SPDX-License-Identifier: Apache-2.0

package container

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"coracle/pkg/ids"
	"coracle/pkg/overlay"
	"coracle/pkg/state"
	"coracle/pkg/worker"
)

// Userns is who the caller is inside of the container.
type Userns struct {
	Mode string    `json:"mode,omitempty"` // as it was asked for: host, keep-id:uid=1000
	Keep *ids.Keep `json:"keep,omitempty"` // nil: root
	// Copied says that the files of layers have other owners than those on the disk:
	// the container has copies.
	Copied bool `json:"copied,omitempty"`
	// Name is what the caller is called on the host; inside too, if nobody has that id.
	Name string `json:"name,omitempty"`
	// User is the image's, where the process is the kept user in its stead because
	// none was asked for.
	User *string `json:"user,omitempty"`
}

// Maps are those of the user namespace that the container is in.
func (c *Container) Maps() (ids.Maps, error) {
	m, err := ids.HostMaps()
	if k := c.Safety.Userns.Keep; k != nil && err == nil {
		m = m.Keep(*k)
	}
	return m, err
}

// With is what goes along with a request to a worker that is to see the
// container's files with the owners that they have inside. Their layers are there
// from now on.
func (c *Container) With(ctx context.Context, d state.Dirs, w worker.With) (worker.With, error) {
	if c.Safety.Userns.Keep == nil {
		return w, nil
	}
	m, err := c.Maps()
	if err != nil {
		return w, err
	}
	w.Maps = &m
	return w, c.KeepLayers(ctx, d, func() {})
}

// KeepLayers copies the layers of the container's images that have no copy yet with
// the owners that it wants; begins is called when that takes a moment.
func (c *Container) KeepLayers(ctx context.Context, d state.Dirs, begins func()) error {
	u := c.Safety.Userns
	if !u.Copied {
		return nil
	}
	missing := overlay.Unkept(c.allLayers(), *u.Keep)
	if len(missing) == 0 {
		return nil
	}
	begins()
	_, err := keepOp.Call(ctx, d, keepRequest{missing, *u.Keep}, worker.With{})
	return err
}

// allLayers are those of the image, and of the images that are mounted.
func (c *Container) allLayers() []string {
	all := slices.Clone(c.LayerDirs)
	for _, m := range c.Mounts {
		all = append(all, m.LayerDirs...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

type keepRequest struct {
	Layers []string `json:"layers"`
	Keep   ids.Keep `json:"keep"`
}

var keepOp = worker.Op[keepRequest, struct{}]{Name: "container.keep", Do: func(ctx context.Context, _ *worker.Job, r keepRequest) (none struct{}, err error) {
	return none, overlay.KeepLayers(ctx, r.Layers, r.Keep)
}}

// lowers are layers as the container sees them, the topmost first.
func (c *Container) lowers(dirs []string) []string {
	if u := c.Safety.Userns; u.Copied {
		dirs = overlay.KeptDirs(dirs, *u.Keep)
	}
	return topmostFirst(dirs)
}

// OwnRoot gives the read-write layer to root of the container, before it is mounted
// for the first time: it was made by the caller, who may be somebody else inside.
//
// Preconditions: root in the container's user namespace.
func (c *Container) OwnRoot() error {
	if !c.Safety.Userns.Copied {
		return nil
	}
	entries, err := os.ReadDir(c.dir.Work())
	if err == nil && len(entries) == 0 {
		err = os.Chown(c.dir.Upper(), 0, 0)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("give the root directory to root: %w", err)
	}
	return nil
}
