// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"coracle/pkg/cancel"
	"coracle/pkg/overlay"
)

// Annotations of an index that carry a name: Docker and containerd write the
// first, podman and skopeo read the second.
const (
	annotationName = "io.containerd.image.name"
	annotationTag  = ocispec.AnnotationRefName
)

// SaveImage is one image of an archive, with the names it gets there.
type SaveImage struct {
	ID    string
	Names []string // canonical
}

// archiveEntry is one image in manifest.json, Docker's own list of contents.
type archiveEntry struct {
	Config   string
	RepoTags []string
	Layers   []string
}

// Save writes images as one tar stream which is two things at once, as
// Docker's is: an OCI layout with an index.json, and a docker-archive with a
// manifest.json whose paths lead to the same blobs. Layers are not compressed,
// so that their digests are the ones the configuration has.
func Save(ctx context.Context, st *overlay.Store, w io.Writer, images []SaveImage) error {
	s := &saver{ctx: ctx, st: st, tar: tar.NewWriter(w), written: map[digest.Digest]bool{}}
	for _, dir := range []string{"blobs/", "blobs/sha256/"} {
		if err := s.tar.WriteHeader(&tar.Header{Name: dir, Typeflag: tar.TypeDir, Mode: 0o755, ModTime: time.Unix(0, 0)}); err != nil {
			return fmt.Errorf("save: %w", err)
		}
	}
	var list []archiveEntry
	index := ocispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex}
	for _, img := range images {
		entry, desc, err := s.image(img)
		if err != nil {
			return fmt.Errorf("save %.12s: %w", img.ID, err)
		}
		list = append(list, entry)
		index.Manifests = append(index.Manifests, named(desc, img.Names)...)
	}
	for _, f := range []struct {
		name    string
		content any
	}{{"index.json", index}, {"manifest.json", list}, {"oci-layout", ocispec.ImageLayout{Version: ocispec.ImageLayoutVersion}}} {
		data, err := json.Marshal(f.content)
		if err != nil {
			return err
		}
		if err := s.file(f.name, int64(len(data)), bytes.NewReader(data)); err != nil {
			return fmt.Errorf("save: %w", err)
		}
	}
	if err := s.tar.Close(); err != nil {
		return fmt.Errorf("save: %w", err)
	}
	return nil
}

// named is one descriptor for each name, or one without.
func named(d ocispec.Descriptor, names []string) []ocispec.Descriptor {
	if len(names) == 0 {
		return []ocispec.Descriptor{d}
	}
	var list []ocispec.Descriptor
	for _, n := range names {
		_, tag := SplitName(n)
		d.Annotations = map[string]string{annotationName: n, annotationTag: tag}
		list = append(list, d)
	}
	return list
}

type saver struct {
	ctx     context.Context
	st      *overlay.Store
	tar     *tar.Writer
	written map[digest.Digest]bool
}

func (s *saver) image(img SaveImage) (entry archiveEntry, desc ocispec.Descriptor, err error) {
	det, err := overlay.LoadImage(s.st.Dirs(), img.ID)
	if err != nil {
		return entry, desc, err
	}
	config, err := s.st.Config(img.ID)
	if err != nil {
		return entry, desc, err
	}
	m := ocispec.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest}
	if m.Config, err = s.blob(ocispec.MediaTypeImageConfig, config); err != nil {
		return entry, desc, err
	}
	entry.Config = blobPath(m.Config.Digest)
	for _, n := range img.Names {
		entry.RepoTags = append(entry.RepoTags, Familiar(n))
	}
	for _, id := range det.Layers {
		l, err := s.layer(id)
		if err != nil {
			return entry, desc, err
		}
		m.Layers = append(m.Layers, l)
		entry.Layers = append(entry.Layers, blobPath(l.Digest))
	}
	data, err := json.Marshal(m)
	if err != nil {
		return entry, desc, err
	}
	if desc, err = s.blob(ocispec.MediaTypeImageManifest, data); err != nil {
		return entry, desc, err
	}
	var c ocispec.Image
	if json.Unmarshal(config, &c) == nil && c.OS != "" {
		desc.Platform = &ocispec.Platform{OS: c.OS, Architecture: c.Architecture, Variant: c.Variant}
	}
	return entry, desc, nil
}

func blobPath(d digest.Digest) string { return "blobs/sha256/" + d.Encoded() }

func (s *saver) blob(mediaType string, data []byte) (ocispec.Descriptor, error) {
	d := ocispec.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(data), Size: int64(len(data))}
	if s.written[d.Digest] {
		return d, nil
	}
	s.written[d.Digest] = true
	return d, s.file(blobPath(d.Digest), d.Size, bytes.NewReader(data))
}

func (s *saver) layer(id overlay.LayerID) (ocispec.Descriptor, error) {
	d := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageLayer}
	var err error
	if d.Digest, err = s.st.DiffID(id); err != nil {
		return d, err
	}
	if d.Size, err = s.st.TarSize(id); err != nil || s.written[d.Digest] {
		return d, err
	}
	s.written[d.Digest] = true
	in, err := openVerified(s.st, id, d.Digest)
	if err != nil {
		return d, err
	}
	defer in.Close()
	return d, s.file(blobPath(d.Digest), d.Size, in)
}

// file writes one file. All are of the same age, so that saving twice gives
// the same bytes.
func (s *saver) file(name string, size int64, r io.Reader) error {
	h := &tar.Header{Name: name, Size: size, Mode: 0o644, ModTime: time.Unix(0, 0), Format: tar.FormatUSTAR}
	if size >= 8<<30 {
		h.Format = tar.FormatPAX // beyond what the old header can say
	}
	if err := s.tar.WriteHeader(h); err != nil {
		return err
	}
	n, err := io.Copy(s.tar, cancel.Reader(s.ctx, r))
	if err == nil && n != size {
		err = fmt.Errorf("%s: %d bytes instead of %d", name, n, size)
	}
	return err
}
