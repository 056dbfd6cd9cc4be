// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/opencontainers/go-digest"

	"coracle/pkg/hint"
	"coracle/pkg/overlay"
)

// Adopt copies the layers of an image of another store, as far as they are not here,
// and records it. Each layer is put together again from its record, so that owners,
// modes and attributes are the image's whatever its files have there, and has to have
// the digest that the image's configuration says.
func Adopt(ctx context.Context, st *overlay.Store, img *overlay.SharedImage, events func(Event)) error {
	if events == nil {
		events = func(Event) {}
	}
	c, err := parseImage(img.Config)
	if err != nil {
		return err
	}
	chain, have := present(st, c.RootFS.DiffIDs)
	if have < len(chain) {
		events(Event{Status: fmt.Sprintf("Copying layers of the shared store %s (%d)", img.Shared, len(chain)-have)})
	}
	l := &loader{st: st, events: events}
	for i := have; i < len(chain); i++ {
		if err := l.adopt(ctx, img, i, chain[:i], c.RootFS.DiffIDs[i]); err != nil {
			return err
		}
	}
	_, err = st.CreateImage(ctx, overlay.NewImage{Config: img.Config, Manifest: img.Manifest(), Layers: chain, Names: img.Names, RepoDigests: img.RepoDigests})
	return err
}

func (l *loader) adopt(ctx context.Context, img *overlay.SharedImage, i int, below []overlay.LayerID, diffID digest.Digest) error {
	in, err := overlay.OpenShared(img.Stack[i])
	if err == nil {
		err = l.layer(ctx, func() (io.Reader, error) { return in, nil }, below, diffID)
		err = errors.Join(err, in.Close())
	}
	if err == nil {
		return nil
	}
	err = fmt.Errorf("copy from the shared store %s: %w", img.Shared, err)
	if errors.Is(err, fs.ErrPermission) {
		return hint.About(hint.SharedStores, err, "who keeps it opens it to others by: chmod -R a+rX "+img.Shared+" (images have their own owners and modes nevertheless)")
	}
	return err
}
