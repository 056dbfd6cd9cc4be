// SPDX-License-Identifier: Apache-2.0

package compose

import (
	"context"
	"time"

	"coracle/pkg/container"
	"coracle/pkg/docker"
	"coracle/pkg/oci"
	"coracle/pkg/overlay"
)

// UsedImage is the image that a container was made of.
type UsedImage struct {
	Container  string // its name
	ID         string // sha256:…
	Repository string // empty, like Tag, where the name is another image's by now
	Tag        string
	Image      *overlay.Image // nil: it was removed
}

// Platform is OS/ARCHITECTURE[/VARIANT], of which nothing is known once the image is
// gone.
func (u UsedImage) Platform() string {
	if u.Image == nil {
		return "unknown"
	}
	text := u.Image.OS + "/" + u.Image.Architecture
	if v := u.Image.Variant; v != "" {
		text += "/" + v
	}
	return text
}

// Created is when the image was made; nil: nobody knows.
func (u UsedImage) Created() *time.Time {
	if u.Image == nil || u.Image.Created.IsZero() {
		return nil
	}
	return &u.Image.Created
}

// Size is that of the unpacked layers, in bytes.
func (u UsedImage) Size() int64 {
	if u.Image == nil {
		return 0
	}
	return u.Image.Size
}

// UsedImages finds the images of containers, in their order.
func UsedImages(ctx context.Context, e *Engine, list []*container.Container) ([]UsedImage, error) {
	used := make([]UsedImage, 0, len(list))
	for _, c := range list {
		u := UsedImage{Container: c.Name, ID: "sha256:" + c.ImageID}
		img, _, err := e.images().Find(ctx, c.ImageID)
		switch {
		case err == nil:
			u.Image = &img
		case docker.KindOf(err) != docker.NotFound:
			return nil, err
		}
		named, _, err := e.images().Find(ctx, c.Image)
		if err == nil && named.ID == c.ImageID || err != nil && u.Image == nil {
			if ref, err := oci.ParseRef(c.Image); err == nil {
				u.Repository, u.Tag = ref.FamiliarRepository(), ref.Tag()
			}
		}
		used = append(used, u)
	}
	return used, nil
}
