// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"coracle/pkg/overlay"
)

// parseImage reads an image configuration and checks what we rely on.
func parseImage(data []byte) (ocispec.Image, error) {
	var c ocispec.Image
	if err := json.Unmarshal(data, &c); err != nil {
		return c, fmt.Errorf("parse configuration: %w", err)
	}
	if c.OS != "" && c.OS != "linux" {
		return c, fmt.Errorf("image operating system %q cannot be used on this platform: only linux can", c.OS)
	}
	if len(c.RootFS.DiffIDs) == 0 {
		return c, errors.New("parse configuration: the image has no layers")
	}
	for _, d := range c.RootFS.DiffIDs {
		if err := checkDescriptor(ocispec.Descriptor{Digest: d}); err != nil {
			return c, fmt.Errorf("parse configuration: %w", err)
		}
	}
	return c, nil
}

// present returns the chain of layers and how many of them are in the store.
func present(st *overlay.Store, diffIDs []digest.Digest) (chain []overlay.LayerID, have int) {
	var id overlay.LayerID
	for _, d := range diffIDs {
		id = overlay.ChainID(id, d)
		chain = append(chain, id)
	}
	for have = len(chain); have > 0 && !st.HasLayer(chain[have-1]); have-- {
	}
	return chain, have
}

// stage extracts a layer in any compression and checks its uncompressed
// digest. The stream is read to its end, so that a reader that verifies it has
// seen all of it.
func stage(ctx context.Context, st *overlay.Store, in io.Reader, diffID digest.Digest) (*overlay.Staged, error) {
	plain, err := Decompress(in)
	if err != nil {
		return nil, err
	}
	defer plain.Close()
	staged, err := st.StageTar(ctx, plain)
	if err != nil {
		return nil, err
	}
	if _, err = io.Copy(io.Discard, in); err == nil && staged.DiffID() != diffID {
		err = fmt.Errorf("uncompressed content is %s, but the configuration says %s", staged.DiffID(), diffID)
	}
	if err != nil {
		return nil, errors.Join(err, staged.Discard())
	}
	return staged, nil
}

// short is how a layer is named to people.
func short(d digest.Digest) string { return d.Encoded()[:12] }

// openVerified is the tar stream of a layer. Its last Read fails when it is not
// the stream that the layer was made from.
func openVerified(st *overlay.Store, id overlay.LayerID, diffID digest.Digest) (io.ReadCloser, error) {
	tar, err := st.OpenTar(id)
	if err != nil {
		return nil, &damagedLayerError{id, err}
	}
	return &verified{tar, id, diffID.Verifier()}, nil
}

type verified struct {
	io.ReadCloser
	id  overlay.LayerID
	sum digest.Verifier
}

func (v *verified) Read(p []byte) (int, error) {
	n, err := v.ReadCloser.Read(p)
	_, _ = v.sum.Write(p[:n])
	switch {
	case err == nil, err == io.EOF && v.sum.Verified():
		return n, err
	case err == io.EOF:
		err = errors.New("its digest is another")
	}
	return n, &damagedLayerError{v.id, err}
}

// damagedLayerError is a layer that cannot be sent or saved any more.
type damagedLayerError struct {
	id  overlay.LayerID
	err error
}

func (e *damagedLayerError) Error() string {
	return fmt.Sprintf("layer %.12s in the store is not what it was: %v", e.id, e.err)
}

func (e *damagedLayerError) Unwrap() error { return e.err }
func (e *damagedLayerError) Hint() string  { return "remove the image and pull or load it again" }
