// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"time"

	dockerspec "github.com/moby/docker-image-spec/specs-go/v1"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"coracle/pkg/overlay"
	"coracle/pkg/squashfs"
)

// Images as one file system in a file, as clusters have them: a squashfs (enroot,
// podman-hpc), or a SIF with one in it (Apptainer). It has the files of all layers in
// one. The configuration and the name are kept in an attribute of the root directory,
// where nothing else looks; a SIF has the configuration by the name that Apptainer
// gives it, too.

// Format of a saved image.
type Format string

// Those that save knows.
const (
	Archive  Format = "" // docker-archive and OCI layout in one
	Squashfs Format = "squashfs"
	SIF      Format = "sif"
)

const sealAttribute = "user.coracle.image"

// seal is what is kept with the files.
type seal struct {
	Name  string                    `json:"name,omitempty"` // canonical
	Image dockerspec.DockerOCIImage `json:"image"`
}

// SaveFilesystem writes an image to a file that can be written at any place.
func SaveFilesystem(ctx context.Context, st *overlay.Store, out *os.File, format Format, img SaveImage) error {
	det, err := overlay.LoadImage(st.Dirs(), img.ID)
	if err != nil {
		return err
	}
	var s seal
	if err := json.Unmarshal(det.Config, &s.Image); err != nil {
		return fmt.Errorf("decode configuration of image %.12s: %w", det.ID, err)
	}
	s.Image.RootFS, s.Image.History = ocispec.RootFS{}, nil
	if len(img.Names) > 0 {
		s.Name = img.Names[0]
	}
	if st, err := out.Stat(); err != nil || !st.Mode().IsRegular() {
		return errors.Join(err, fmt.Errorf("save as %s: the output has to be a file (-o)", format))
	}
	top := det.Layers[len(det.Layers)-1]
	if format == SIF {
		return saveSIF(ctx, st, out, top, s)
	}
	_, err = writeSquashfs(ctx, st, out, top, squashfs.Zstd, s)
	return err
}

// writeSquashfs returns the length of what it has written.
func writeSquashfs(ctx context.Context, st *overlay.Store, out io.WriterAt, top overlay.LayerID, c squashfs.Compression, s seal) (int64, error) {
	text, err := json.Marshal(s)
	if err != nil {
		return 0, err
	}
	o := squashfs.Options{Compression: c, Xattrs: map[string]string{}}
	if len(text) < 64<<10 { // that an attribute can have
		o.Xattrs[sealAttribute] = string(text)
	}
	pr, pw := io.Pipe()
	done := make(chan error, 1)
	go func() {
		err := st.Flatten(ctx, top, pw)
		pw.CloseWithError(err)
		done <- err
	}()
	n, err := squashfs.Write(ctx, out, 0, pr, o)
	pr.CloseWithError(err)
	if ferr := <-done; err == nil {
		err = ferr
	}
	return n, err
}

// filesystem is what is found in a file.
type filesystem struct {
	*squashfs.Image
	seal seal
}

// formatOf tells the formats by their first bytes.
func formatOf(in *os.File) Format {
	head := make([]byte, 41)
	if _, err := in.ReadAt(head, 0); err != nil {
		return Archive
	}
	switch {
	case bytes.HasPrefix(head, []byte(squashfs.Magic)):
		return Squashfs
	case bytes.HasSuffix(head, []byte("SIF_MAGIC")):
		return SIF
	}
	return Archive
}

// openFilesystem reads what a file is that is no archive.
func openFilesystem(in *os.File, format Format) (*filesystem, error) {
	info, err := in.Stat()
	if err != nil {
		return nil, err
	}
	part, config := io.NewSectionReader(in, 0, info.Size()), []byte(nil)
	if format == SIF {
		if part, config, err = openSIF(in); err != nil {
			return nil, err
		}
	}
	f := &filesystem{}
	if f.Image, err = squashfs.Open(part, part.Size()); err != nil {
		return nil, err
	}
	attributes, err := f.Attributes()
	if err != nil {
		return nil, err
	}
	if text, ok := attributes[sealAttribute]; ok {
		if err := json.Unmarshal([]byte(text), &f.seal); err != nil {
			return nil, fmt.Errorf("decode configuration: %w", err)
		}
	} else if config != nil {
		if err := json.Unmarshal(config, &f.seal.Image.Config); err != nil {
			return nil, fmt.Errorf("decode configuration: %w", err)
		}
	}
	return f, nil
}

// layer makes a layer of the files.
func (f *filesystem) layer(ctx context.Context, st *overlay.Store) (*overlay.Staged, error) {
	pr, pw := io.Pipe()
	done := make(chan error, 1)
	go func() {
		err := f.WriteTar(ctx, pw, sealAttribute)
		pw.CloseWithError(err)
		done <- err
	}()
	staged, err := st.StageTar(ctx, pr)
	pr.CloseWithError(err)
	if ferr := <-done; err == nil && ferr != nil {
		err = errors.Join(ferr, staged.Discard())
	}
	return staged, err
}

// image is the configuration, of an image of one layer.
func (f *filesystem) image(diffID digest.Digest, comment string) ([]byte, error) {
	img := f.seal.Image
	if img.OS == "" {
		img.OS, img.Architecture = "linux", runtime.GOARCH
	}
	if img.Created == nil {
		now := time.Now().UTC()
		img.Created = &now
	}
	img.RootFS = ocispec.RootFS{Type: "layers", DiffIDs: []digest.Digest{diffID}}
	img.History = []ocispec.History{{Created: img.Created, Comment: comment, CreatedBy: "import"}}
	config, err := json.Marshal(img)
	if err == nil {
		_, err = parseImage(config) // it is hostile, as all of the file
	}
	return config, err
}

// loadFilesystem makes an image of a file that is no archive.
func loadFilesystem(ctx context.Context, st *overlay.Store, in *os.File, format Format) (Loaded, error) {
	f, err := openFilesystem(in, format)
	if err != nil {
		return Loaded{}, err
	}
	var out Loaded
	if ref, err := ParseRef(f.seal.Name); err == nil && f.seal.Name != "" && ref.Digest() == "" {
		out.Names = []string{ref.Name()}
	}
	out, err = f.record(ctx, st, out, "loaded from "+string(format))
	return out, err
}

func (f *filesystem) record(ctx context.Context, st *overlay.Store, out Loaded, comment string) (Loaded, error) {
	staged, err := f.layer(ctx, st)
	if err != nil {
		return out, err
	}
	config, err := f.image(staged.DiffID(), comment)
	if err != nil {
		return out, errors.Join(err, staged.Discard())
	}
	layer, err := st.Commit(staged, "", nil)
	if err != nil {
		return out, err
	}
	out.Moved = (&loader{st: st}).moved(plan{config: config, names: out.Names})
	out.Image, err = st.CreateImage(ctx, overlay.NewImage{Config: config, Layers: []overlay.LayerID{layer}, Names: out.Names})
	return out, err
}

// importFilesystem is Import of a file that is no archive: it is for the files alone,
// and what is known of the image comes from the request, as for an archive.
func importFilesystem(ctx context.Context, st *overlay.Store, in *os.File, o ImportOptions) (overlay.Image, error) {
	f, err := openFilesystem(in, formatOf(in))
	if err != nil {
		return overlay.Image{}, err
	}
	f.seal = seal{}
	f.seal.Image.Config = o.Config
	done, err := f.record(ctx, st, Loaded{Names: o.Names}, o.Message)
	return done.Image, err
}
