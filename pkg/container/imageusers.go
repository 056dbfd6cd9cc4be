// SPDX-License-Identifier: Apache-2.0

package container

import (
	"slices"

	"coracle/pkg/image"
	"coracle/pkg/state"
)

// UsesImage reports whether a container was made of an image, or mounts it.
func (c *Container) UsesImage(id string) bool {
	return c.ImageID == id || slices.ContainsFunc(c.Mounts, func(m Mount) bool { return m.Type == MountImage && m.Name == id })
}

// ImageUsers are the containers that use an image. A damaged one keeps nothing.
func ImageUsers(d state.Dirs, id string) ([]image.User, error) {
	list, err := NewStore(d).Readable()
	var users []image.User
	for _, c := range list {
		if c.UsesImage(id) {
			users = append(users, image.User{ID: c.ID, Running: c.State.IsRunning()})
		}
	}
	return users, err
}
