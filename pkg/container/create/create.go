// SPDX-License-Identifier: Apache-2.0

package create

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"

	"coracle/pkg/container"
	"coracle/pkg/docker"
	"coracle/pkg/overlay"
	"coracle/pkg/state"
	"coracle/pkg/trace"
	"coracle/pkg/trash"
	"coracle/pkg/volume"
)

// Images are where the images of a container come from.
type Images struct {
	// Resolve finds the image that the container is made of, pulled where that was
	// asked for, and returns with the image lock held, shared. Before it pulls it
	// asks check, whose error is its own.
	Resolve func(ctx context.Context, check func() error) (*state.Lock, overlay.Details, error)
	// Find finds an image that is mounted.
	Find func(ref string) (overlay.Details, error)
}

// Create makes the container of a request. The image lock is held from the moment
// the image is found until the record is in place, so that nobody removes the
// image in between. Warnings are said once there is nothing to refuse.
func Create(ctx context.Context, cs *container.Store, id string, q docker.CreateRequest, images Images, warn func([]docker.Warning)) (*container.Container, error) {
	cs.ReclaimName(strings.TrimPrefix(q.Name, "/"))
	world := World(cs, images.Find)
	lock, img, err := images.Resolve(ctx, func() error { return q.Check(id, world) })
	if err != nil {
		return nil, err
	}
	defer lock.Release()
	trace.Mark("found the image")
	r, warnings, err := q.Record(id, img, world)
	if err != nil {
		return nil, err
	}
	warn(untold(cs, warnings))
	if err := withVolumes(ctx, cs, r); err != nil {
		return nil, err
	}
	return cs.Load(r.ID)
}

// untold leaves out what the user of this store has been told of before.
func untold(cs *container.Store, list []docker.Warning) []docker.Warning {
	return slices.DeleteFunc(list, func(w docker.Warning) bool {
		if w.Once == "" {
			return false
		}
		f, err := os.OpenFile(cs.Dirs().ToldOf(w.Once), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err == nil {
			f.Close()
		}
		return errors.Is(err, fs.ErrExist) // what cannot be noted down is said again
	})
}

// withVolumes makes the container and the volumes that it asks for, which nobody
// removes in between; or none of them.
func withVolumes(ctx context.Context, cs *container.Store, r *container.Record) error {
	if !slices.ContainsFunc(r.Mounts, func(m container.Mount) bool { return m.Type == container.MountVolume }) {
		return cs.Create(ctx, r)
	}
	vs := container.Volumes(cs.Dirs())
	lock, err := vs.Hold(ctx)
	if err != nil {
		return err
	}
	undo, err := makeVolumes(ctx, vs, r)
	if err == nil {
		err = cs.Create(ctx, r)
	}
	lock.Release()
	if err != nil {
		undo()
	}
	return err
}

// makeVolumes makes the volumes of a record that are not there yet, and
// returns how to take them back.
//
// Preconditions: the volumes are held.
func makeVolumes(ctx context.Context, vs *volume.Store, r *container.Record) (undo func(), err error) {
	var made []string
	undo = func() {
		for _, name := range made {
			_ = vs.Remove(context.WithoutCancel(ctx), name)
		}
	}
	for i := range r.Mounts {
		m := &r.Mounts[i]
		if m.Type != container.MountVolume {
			continue
		}
		if m.Inherited { // it goes with its containers, and none of its name takes its place
			if _, err := vs.Load(m.Name); err != nil {
				return undo, err
			}
			continue
		}
		v, isNew, err := vs.Ensure(ctx, m.Name, m.Labels, m.Options)
		if err != nil {
			return undo, err
		}
		if isNew {
			made = append(made, v.Name)
		}
		m.Name = v.Name
	}
	return undo, nil
}

// Fill gives the new volumes of a container that is not started yet what the image
// has for them. Without that there is no container.
func Fill(ctx context.Context, cs *container.Store, c *container.Container) error {
	err := container.FillVolumes(ctx, cs.Dirs(), c)
	if err != nil {
		tidy := context.WithoutCancel(ctx)
		_ = cs.Remove(tidy, c)
		_ = container.Volumes(cs.Dirs()).RemoveAnonymous(tidy, c.VolumeNames())
		_ = trash.Empty(tidy, cs.Dirs())
	}
	return err
}
