// SPDX-License-Identifier: Apache-2.0

package command

import (
	"context"
	"errors"
	"fmt"

	"coracle/pkg/container"
	"coracle/pkg/image"
	"coracle/pkg/ns"
	"coracle/pkg/oci/registry"
	"coracle/pkg/overlay"
)

// Images is the set of images.
func Images(e *Env) (*image.Store, error) {
	if e.store != nil {
		return image.Within(e.store, container.ImageUsers), nil
	}
	d, err := e.Open()
	if err != nil {
		return nil, err
	}
	return image.NewStore(d, container.ImageUsers, ImagesOutside(e, false)), nil
}

// ImagesOutside gets done what needs the store, for a process outside of the
// user namespace. What a pull says goes to standard error, unless quiet is set.
func ImagesOutside(e *Env, quiet bool) image.Outside {
	return func(ctx context.Context, request any) error {
		switch r := request.(type) {
		case image.PullRequest:
			return pullForRun(e, r.Name, r.Platform, quiet)
		case image.ReindexRequest:
			if !ns.Inside() {
				return e.Enter(e.Stdout.File, "__reindex")
			}
			st, err := e.openStore()
			if err != nil {
				return err
			}
			return st.Reindex(ctx)
		}
		return fmt.Errorf("%T is not for outside of the user namespace", request)
	}
}

// OnImages runs f with the images inside the user namespace, for what reads or
// writes as others let it.
func OnImages(e *Env, ctx context.Context, f func(*image.Store) error) error {
	return e.Inside(func(st *overlay.Store) error {
		return within(ctx, func() error { return f(image.Within(st, container.ImageUsers)) })
	})
}

// pullForRun pulls an image that a command needs; everything it says goes to
// stderr. Outside of the user namespace it calls ourselves in there.
func pullForRun(e *Env, arg, platform string, quiet bool) error {
	args := []string{"__pull"}
	if quiet {
		args = append(args, "--quiet")
	}
	if platform != "" {
		args = append(args, "--platform="+platform)
	}
	return SaidInside(e.Enter(e.Stderr, append(args, arg)...))
}

// SaidInside gives a failure of ourselves in the user namespace run's code. What
// failed in there has been said in there; that we did not come there has not.
func SaidInside(err error) error {
	var code *ExitError
	if errors.As(err, &code) {
		return Exit(125)
	}
	return err
}

// Access is who asks registries: this program, with the user's credentials.
func Access(e *Env) registry.Access {
	return registry.Access{UserAgent: "coracle/" + e.Version, ConfigDir: e.Config}
}
