// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"bufio"
	"bytes"
	"compress/bzip2"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	dockerspec "github.com/moby/docker-image-spec/specs-go/v1"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/ulikunitz/xz"

	"coracle/pkg/overlay"
)

// What compressed streams begin with.
const (
	gzipMagic  = "\x1f\x8b"
	zstdMagic  = "\x28\xb5\x2f\xfd"
	xzMagic    = "\xfd7zXZ\x00"
	bzip2Magic = "BZh"
)

// IsCompressed reports whether a stream that begins with head is one that
// Decompress decompresses.
func IsCompressed(head []byte) bool {
	for _, magic := range []string{gzipMagic, zstdMagic, xzMagic, bzip2Magic} {
		if bytes.HasPrefix(head, []byte(magic)) {
			return true
		}
	}
	return false
}

// Decompress returns the plain stream of r, whose compression is told by its
// first bytes: gzip, zstd, xz, bzip2 or none.
func Decompress(r io.Reader) (io.ReadCloser, error) {
	br := bufio.NewReaderSize(r, 256<<10)
	head, err := br.Peek(6)
	if err != nil && err != io.EOF {
		return nil, err
	}
	switch {
	case bytes.HasPrefix(head, []byte(gzipMagic)):
		return gzip.NewReader(br)
	case bytes.HasPrefix(head, []byte(zstdMagic)):
		// A frame may ask for any window; 128 MiB is what zstd itself accepts
		// without being told.
		z, err := zstd.NewReader(br, zstd.WithDecoderMaxWindow(128<<20), zstd.WithDecoderConcurrency(2))
		if err != nil {
			return nil, err
		}
		return z.IOReadCloser(), nil
	case bytes.HasPrefix(head, []byte(xzMagic)):
		x, err := xz.NewReader(br)
		return io.NopCloser(x), err
	case bytes.HasPrefix(head, []byte(bzip2Magic)):
		return io.NopCloser(bzip2.NewReader(br)), nil
	}
	return io.NopCloser(br), nil
}

// ImportOptions describe the image that Import makes.
type ImportOptions struct {
	Names   []string // canonical
	Message string
	Config  dockerspec.DockerOCIImageConfig
}

// Import makes an image of one layer from a tar stream of a root file system,
// in any compression, or a file with a squashfs or SIF.
func Import(ctx context.Context, st *overlay.Store, r io.Reader, o ImportOptions) (overlay.Image, error) {
	if in, ok := r.(*os.File); ok && formatOf(in) != Archive {
		img, err := importFilesystem(ctx, st, in, o)
		if err != nil {
			return img, fmt.Errorf("import: %w", err)
		}
		return img, nil
	}
	plain, err := Decompress(r)
	if err != nil {
		return overlay.Image{}, fmt.Errorf("import: %w", err)
	}
	defer plain.Close()
	staged, err := st.StageTar(ctx, plain)
	if err != nil {
		return overlay.Image{}, fmt.Errorf("import: %w", err)
	}
	diffID := staged.DiffID()
	layer, err := st.Commit(staged, "", nil)
	if err != nil {
		return overlay.Image{}, fmt.Errorf("import: %w", err)
	}
	now := time.Now().UTC()
	img := dockerspec.DockerOCIImage{Config: o.Config, Image: ocispec.Image{
		Created:  &now,
		Platform: ocispec.Platform{OS: "linux", Architecture: runtime.GOARCH},
		RootFS:   ocispec.RootFS{Type: "layers", DiffIDs: []digest.Digest{diffID}},
		History:  []ocispec.History{{Created: &now, Comment: o.Message, CreatedBy: "import"}},
	}}
	config, err := json.Marshal(img)
	if err != nil {
		return overlay.Image{}, err
	}
	return st.CreateImage(ctx, overlay.NewImage{Config: config, Layers: []overlay.LayerID{layer}, Names: o.Names})
}
