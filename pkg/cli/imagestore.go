// SPDX-License-Identifier: Apache-2.0

package cli

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

// images is the set of images.
func images(e *env) (*image.Store, error) {
	if e.store != nil {
		return image.Within(e.store, container.ImageUsers), nil
	}
	d, err := e.open()
	if err != nil {
		return nil, err
	}
	return image.NewStore(d, container.ImageUsers, imagesOutside(e, false)), nil
}

// imagesOutside gets done what needs the store, for a process outside of the
// user namespace. What a pull says goes to standard error, unless quiet is set.
func imagesOutside(e *env, quiet bool) image.Outside {
	return func(ctx context.Context, request any) error {
		switch r := request.(type) {
		case image.PullRequest:
			return pullForRun(e, r.Name, r.Platform, quiet)
		case image.ReindexRequest:
			if !ns.Inside() {
				return e.enter(e.stdout.File, "__reindex")
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

// onImages runs f with the images inside the user namespace, for what reads or
// writes as others let it.
func onImages(e *env, ctx context.Context, f func(*image.Store) error) error {
	return e.inside(func(st *overlay.Store) error {
		return within(ctx, func() error { return f(image.Within(st, container.ImageUsers)) })
	})
}

// pullForRun pulls an image that a command needs; everything it says goes to
// stderr. Outside of the user namespace it calls ourselves in there.
func pullForRun(e *env, arg, platform string, quiet bool) error {
	args := []string{"__pull"}
	if quiet {
		args = append(args, "--quiet")
	}
	if platform != "" {
		args = append(args, "--platform="+platform)
	}
	return saidInside(e.enter(e.stderr, append(args, arg)...))
}

// saidInside gives a failure of ourselves in the user namespace run's code. What
// failed in there has been said in there; that we did not come there has not.
func saidInside(err error) error {
	var code *exitError
	if errors.As(err, &code) {
		return exit(125)
	}
	return err
}

// access is who asks registries: this program, with the user's credentials.
func access(e *env) registry.Access {
	return registry.Access{UserAgent: "coracle/" + e.version, ConfigDir: e.config}
}
