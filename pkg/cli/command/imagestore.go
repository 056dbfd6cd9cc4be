// SPDX-License-Identifier: Apache-2.0

package command

import (
	"context"

	"coracle/pkg/container"
	"coracle/pkg/image"
	"coracle/pkg/oci/registry"
)

// Images is the set of images.
func Images(e *Env) (*image.Store, error) {
	d, err := e.Open()
	if err != nil {
		return nil, err
	}
	return image.NewStore(d, container.ImageUsers), nil
}

// OnImages runs f with the images, for what changes them, or reads or writes as
// others let it. A signal ends the context of f, and the program once that has
// been tidied up.
func OnImages(ctx context.Context, e *Env, f func(context.Context, *image.Store) error) error {
	s, err := Images(e)
	if err != nil {
		return err
	}
	ctx, stop := UntilSignal(ctx)
	defer stop()
	return Ended(ctx, within(ctx, func() error { return f(ctx, s) }))
}

// Access is who asks registries: this program, with the user's credentials.
func Access(e *Env) registry.Access {
	return registry.Access{UserAgent: "coracle/" + e.Version, ConfigDir: e.Config}
}
