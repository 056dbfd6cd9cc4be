// SPDX-License-Identifier: Apache-2.0

package image

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"syscall"

	dockerspec "github.com/moby/docker-image-spec/specs-go/v1"

	"coracle/pkg/oci"
)

// SaveRequest asks for an archive of images.
type SaveRequest struct {
	Images    []string `json:"images"`              // names or IDs, as a user types them; a repository is all its tags
	Platforms []string `json:"platforms,omitempty"` // that the images must be for

	// Format is that of an image that is written as one file system, to a file.
	Format oci.Format `json:"format,omitempty"`
}

// WriteError is an archive that could not be written to where it should go.
type WriteError struct {
	Message string        `json:"message"`
	Errno   syscall.Errno `json:"errno"`
}

func (e *WriteError) Error() string { return e.Message }

// Unwrap is the error number: EPIPE, ENOSPC, …
func (e *WriteError) Unwrap() error { return e.Errno }

// Save writes images to a file or pipe, as one tar archive, or one image to a file in
// another format.
func (s *Store) Save(ctx context.Context, r SaveRequest, out *os.File) error {
	if !slices.Contains([]oci.Format{oci.Archive, oci.Squashfs, oci.SIF}, r.Format) {
		return fmt.Errorf("--format %q: must be squashfs or sif", r.Format)
	}
	list, err := s.toSave(ctx, r)
	if err != nil {
		return err // before anything is written that somebody waits for
	}
	if r.Format != oci.Archive && len(list) != 1 {
		return fmt.Errorf("--format %s: one image is needed, not %d", r.Format, len(list))
	}
	_, err = call(ctx, s, saveVerb, r, []*os.File{out}, nil)
	return err
}

var saveVerb = verb[SaveRequest, nothing]{"image.save", func(ctx context.Context, s *Store, j job, r SaveRequest) (nothing, error) {
	images, err := s.toSave(ctx, r)
	if err != nil {
		return nothing{}, err
	}
	for _, img := range images {
		if _, err := s.adopt(ctx, img.ID, nil); err != nil {
			return nothing{}, err
		}
		s.happened("save", "sha256:"+img.ID, "sha256:"+img.ID)
	}
	if r.Format != oci.Archive {
		return nothing{}, oci.SaveFilesystem(ctx, s.inner, j.files[0], r.Format, images[0])
	}
	return nothing{}, s.Archive(ctx, images, j.files[0])
}}

// Archive is Save for a process that has the store open, of images that are known.
func (s *Store) Archive(ctx context.Context, images []oci.SaveImage, file *os.File) error {
	out := &sink{File: file}
	err := oci.Save(ctx, s.inner, out, images)
	var no syscall.Errno
	if err != nil && errors.As(out.err, &no) {
		err = &WriteError{Message: err.Error(), Errno: no}
	}
	return err
}

// sink tells a failure to write from one to read what is written.
type sink struct {
	*os.File
	err error
}

func (s *sink) Write(p []byte) (int, error) {
	n, err := s.File.Write(p)
	if err != nil && s.err == nil {
		s.err = err
	}
	return n, err
}

// toSave finds what the arguments mean. A repository without a tag means all its
// tags, as in Docker.
func (s *Store) toSave(ctx context.Context, r SaveRequest) ([]oci.SaveImage, error) {
	ix, err := s.Index(ctx)
	if err != nil {
		return nil, err
	}
	var list []oci.SaveImage
	add := func(id string, name string) {
		i := slices.IndexFunc(list, func(s oci.SaveImage) bool { return s.ID == id })
		if i < 0 {
			i, list = len(list), append(list, oci.SaveImage{ID: id})
		}
		if name != "" && !slices.Contains(list[i].Names, name) {
			list[i].Names = append(list[i].Names, name)
		}
	}
	for _, arg := range r.Images {
		if len(r.Platforms) > 0 {
			img, _, err := oci.Lookup(ix, arg)
			if err == nil {
				err = checkPlatforms(arg, r.Platforms, img)
			}
			if err != nil {
				return nil, err
			}
		}
		if ref, err := oci.ParseRef(arg); err == nil && !ref.TaggedIn(arg) {
			if names := namesIn(ix, ref); len(names) > 0 {
				for _, n := range names {
					img, _ := ix.Find(n)
					add(img.ID, n)
				}
				continue
			}
		}
		img, name, err := oci.Lookup(ix, arg)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(img.Names, name) {
			name = "" // found by ID or digest
		}
		add(img.ID, name)
	}
	return list, nil
}

// LoadRequest asks for the images of an archive.
type LoadRequest struct {
	Platform string `json:"platform,omitempty"` // of an archive with several; empty: the host's
}

// Load brings the images of an archive here: a docker-archive or an OCI layout,
// in a file or pipe, in any compression, or a file with a squashfs or SIF. It returns those it has brought, with
// an error about the next one. They are told as events, too, as they come.
func (s *Store) Load(ctx context.Context, r LoadRequest, in *os.File, progress func(oci.Event)) ([]oci.Loaded, error) {
	return call(ctx, s, loadVerb, r, []*os.File{in}, progress)
}

var loadVerb = verb[LoadRequest, []oci.Loaded]{"image.load", func(ctx context.Context, s *Store, j job, r LoadRequest) ([]oci.Loaded, error) {
	loaded, err := oci.Load(ctx, s.inner, j.files[0], oci.LoadOptions{Platform: r.Platform, Events: j.event})
	for _, l := range loaded {
		s.happened("load", "sha256:"+l.Image.ID, "sha256:"+l.Image.ID)
		s.tagged(l.Image.ID, l.Names)
		for _, n := range l.Names {
			if old := l.Moved[n]; old != "" {
				j.event(oci.Event{Status: fmt.Sprintf("The image %s already exists, renaming the old one with ID sha256:%s to empty string", oci.Familiar(n), old)})
			}
			j.event(oci.Event{Status: "Loaded image: " + oci.Familiar(n)})
		}
		if len(l.Names) == 0 {
			j.event(oci.Event{Status: "Loaded image ID: sha256:" + l.Image.ID})
		}
	}
	return loaded, err
}}

// ImportRequest asks for an image of a root file system.
type ImportRequest struct {
	Name    string                          `json:"name,omitempty"` // as a user types it; or none
	Message string                          `json:"message,omitempty"`
	Config  dockerspec.DockerOCIImageConfig `json:"config"`
}

// Import makes an image of one layer of a tar stream, in any compression, and
// returns its ID.
func (s *Store) Import(ctx context.Context, r ImportRequest, in *os.File) (id string, err error) {
	return call(ctx, s, importVerb, r, []*os.File{in}, nil)
}

var importVerb = verb[ImportRequest, string]{"image.import", func(ctx context.Context, s *Store, j job, r ImportRequest) (string, error) {
	o := oci.ImportOptions{Message: r.Message, Config: r.Config}
	if r.Name != "" {
		ref, err := oci.ParseRef(r.Name)
		if err != nil {
			return "", err
		}
		o.Names = []string{ref.Name()}
	}
	img, err := oci.Import(ctx, s.inner, j.files[0], o)
	if err != nil {
		return "", err
	}
	s.happened("import", "sha256:"+img.ID, r.Name)
	return img.ID, nil
}}
