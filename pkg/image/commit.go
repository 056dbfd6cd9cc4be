// SPDX-License-Identifier: Apache-2.0

package image

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	dockerspec "github.com/moby/docker-image-spec/specs-go/v1"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"coracle/pkg/ids"
	"coracle/pkg/oci"
	"coracle/pkg/overlay"
)

// CommitRequest asks for an image of what was changed on top of another.
type CommitRequest struct {
	From  string `json:"from"`           // the ID of the other
	Upper string `json:"upper"`          // the directory with the changes, an upper one of overlayfs
	Work  string `json:"work,omitempty"` // the work directory beside it
	// Lowers are the layers below, the topmost first, where they are not the other
	// image's but copies for Keep.
	Lowers []string  `json:"lowers,omitempty"`
	Keep   *ids.Keep `json:"keep,omitempty"`
	Stubs  []string  `json:"stubs,omitempty"` // paths that are there only because something was mounted on them, if they are empty
	Name   string    `json:"name,omitempty"`  // as a user types it; or none

	Config    dockerspec.DockerOCIImageConfig `json:"config"`
	CreatedBy string                          `json:"createdBy,omitempty"` // for the history, as is what follows
	Author    string                          `json:"author,omitempty"`
	Comment   string                          `json:"comment,omitempty"`
}

// Committed is what a commit has made.
type Committed struct {
	ID       string   `json:"id"`
	Reserved []string `json:"reserved,omitempty"` // files that were left out, since their names mean something else in a layer
}

// Commit makes an image.
func (s *Store) Commit(ctx context.Context, r CommitRequest) (Committed, error) {
	return call(ctx, s, commitVerb, r, nil, nil)
}

var commitVerb = verb[CommitRequest, Committed]{"image.commit", func(ctx context.Context, s *Store, _ job, r CommitRequest) (Committed, error) {
	var names []string
	if r.Name != "" {
		ref, err := oci.ParseRef(r.Name)
		if err != nil {
			return Committed{}, err
		}
		names = []string{ref.Name()}
	}
	det, err := s.adopt(ctx, r.From, nil)
	if err != nil {
		return Committed{}, err
	}
	img, err := r.image(det)
	if err != nil {
		return Committed{}, err
	}
	lowers := r.Lowers
	if r.Keep == nil {
		lowers = slices.Clone(det.LayerDirs)
		slices.Reverse(lowers)
	}
	staged, err := s.inner.StageUpper(ctx, overlay.Rootfs{Lowers: lowers, Upper: r.Upper, Work: r.Work}, r.Stubs, r.Keep)
	if err != nil {
		return Committed{}, err
	}
	out := Committed{Reserved: staged.Reserved}
	img.RootFS.DiffIDs = append(img.RootFS.DiffIDs, staged.DiffID())
	top, err := s.inner.Commit(staged, det.Layers[len(det.Layers)-1], nil)
	if err != nil {
		return Committed{}, err
	}
	config, err := json.Marshal(img)
	if err != nil {
		return Committed{}, err
	}
	made, err := s.inner.CreateImage(ctx, overlay.NewImage{Config: config, Layers: append(slices.Clip(det.Layers), top), Names: names})
	if err != nil {
		return Committed{}, err
	}
	out.ID = made.ID
	s.tagged(made.ID, names)
	return out, nil
}}

// image is what is said of the image that is made, but for its topmost layer.
func (r CommitRequest) image(from overlay.Details) (img dockerspec.DockerOCIImage, err error) {
	if err := json.Unmarshal(from.Config, &img); err != nil {
		return img, fmt.Errorf("decode configuration of image %.12s: %w", from.ID, err)
	}
	now := time.Now().UTC()
	img.Created, img.Author, img.Config = &now, r.Author, r.Config
	img.History = append(img.History, ocispec.History{Created: &now, CreatedBy: r.CreatedBy, Author: r.Author, Comment: r.Comment})
	return img, nil
}
