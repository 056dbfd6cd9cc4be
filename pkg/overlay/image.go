// SPDX-License-Identifier: Apache-2.0

package overlay

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"go.podman.io/storage"

	"coracle/pkg/state"
)

// Image is one image: what the index says of it, and with LoadImage the rest.
type Image struct {
	ID           string    `json:"id"`              // 64 hex: the sha256 of the configuration
	Names        []string  `json:"names,omitempty"` // canonical: docker.io/library/busybox:latest
	RepoDigests  []string  `json:"repoDigests,omitempty"`
	Created      time.Time `json:"created"`
	Size         int64     `json:"size"` // of the unpacked layers, in bytes
	OS           string    `json:"os"`
	Architecture string    `json:"architecture"`
	Variant      string    `json:"variant,omitempty"`
	// Labels are kept here for the filters of lists.
	Labels map[string]string `json:"labels,omitempty"`
	// Damaged says what is wrong with an image that cannot be used any more,
	// only listed and removed; pulling or loading it again mends it.
	Damaged string `json:"damaged,omitempty"`
	// Shared is the directory of the store that it is in, where that is not ours: it
	// can be used, but not be changed.
	Shared string `json:"shared,omitempty"`
}

// DamagedError is an image whose files are not what they were.
type DamagedError struct{ ID, Reason string }

func (e *DamagedError) Error() string {
	return fmt.Sprintf("image %.12s is damaged: %s", e.ID, e.Reason)
}

// Hint says how to go on.
func (e *DamagedError) Hint() string {
	return fmt.Sprintf("pull or load the image again, or remove it with rmi -f %.12s", e.ID)
}

// boundTime is t in UTC, within the years that JSON and the library's records
// can hold: 0 to 9999 (RFC 3339). A zone can lead out of them.
func boundTime(t time.Time) time.Time {
	u := t.UTC()
	switch {
	case u.Year() < 0:
		return time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC)
	case u.Year() > 9999:
		return time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)
	}
	return u
}

// Details are what it takes to run an image.
type Details struct {
	Image
	Layers    []LayerID `json:"layers"`    // base first
	LayerDirs []string  `json:"layerDirs"` // absolute, base first
	// LayerSizes are those of the unpacked layers in bytes, base first; none in
	// what was written before they were kept.
	LayerSizes []int64         `json:"layerSizes,omitempty"`
	Config     json.RawMessage `json:"config"` // exactly the bytes whose digest the ID is
	Manifest   digest.Digest   `json:"manifest,omitempty"`
}

// OCI decodes the configuration.
func (d *Details) OCI() (ocispec.Image, error) {
	var c ocispec.Image
	if err := json.Unmarshal(d.Config, &c); err != nil {
		return c, fmt.Errorf("decode configuration of image %.12s: %w", d.ID, err)
	}
	return c, nil
}

// NewImage describes an image whose layers are committed.
type NewImage struct {
	Config      []byte
	Manifest    []byte    // nil for one that was made here
	Layers      []LayerID // base first
	Names       []string  // canonical; each moves here from any other image
	RepoDigests []string
}

// CreateImage records an image, or gives the names to one that is there. When
// it returns, the image survives a power cut.
func (s *Store) CreateImage(ctx context.Context, n NewImage) (Image, error) {
	if len(n.Layers) == 0 {
		return Image{}, errors.New("create image: no layers")
	}
	lock, err := s.lockImages(ctx)
	if err != nil {
		return Image{}, err
	}
	defer lock.Release()
	if s.unsynced.Swap(false) {
		if err := s.Sync(); err != nil {
			return Image{}, fmt.Errorf("create image: %w", err)
		}
	}
	id := digest.FromBytes(n.Config).Encoded()
	if _, err := s.lib.Image(id); errors.Is(err, storage.ErrImageUnknown) {
		if err := s.records.add(id, n); err != nil {
			return Image{}, explain(fmt.Errorf("create image: %w", err))
		}
	} else if err != nil {
		return Image{}, fmt.Errorf("create image: %w", err)
	} else if err := errors.Join(s.records.mend(id, n), s.records.addDigests(id, n.RepoDigests)); err != nil {
		return Image{}, fmt.Errorf("create image: %w", err)
	}
	for _, name := range n.Names {
		if err := s.records.moveName(id, name); err != nil {
			return Image{}, err
		}
	}
	if err := s.index.write(); err != nil {
		return Image{}, err
	}
	if err := s.Sync(); err != nil {
		return Image{}, fmt.Errorf("create image: %w", err)
	}
	d, err := LoadImage(s.dirs, id)
	return d.Image, err
}

// AddRepoDigest remembers under which digest a registry knows an image.
func (s *Store) AddRepoDigest(ctx context.Context, id, repoDigest string) error {
	lock, err := s.lockImages(ctx)
	if err != nil {
		return err
	}
	defer lock.Release()
	if err := s.records.addDigests(id, []string{repoDigest}); err != nil {
		return fmt.Errorf("record digest: %w", err)
	}
	return s.index.write()
}

// Tag gives a canonical name to an image.
func (s *Store) Tag(ctx context.Context, id, name string) error {
	lock, err := s.lockImages(ctx)
	if err != nil {
		return err
	}
	defer lock.Release()
	if err := s.records.moveName(id, name); err != nil {
		return err
	}
	return s.index.write()
}

// Untag takes a canonical name, or a digest in a repository, from the image that
// has it.
func (s *Store) Untag(ctx context.Context, id, name string) error {
	lock, err := s.lockImages(ctx)
	if err != nil {
		return err
	}
	defer lock.Release()
	if strings.Contains(name, "@") {
		err = s.records.dropDigest(id, name)
	} else {
		err = s.lib.RemoveNames(id, []string{name})
	}
	if err != nil {
		return fmt.Errorf("untag %s: %w", name, err)
	}
	return s.index.write()
}

// DeleteImage removes an image with all its names, and the layers that nothing
// else needs, whose IDs it returns. check is asked under the lock, so that no
// container appears between its answer and the removal.
func (s *Store) DeleteImage(ctx context.Context, id string, check func() error) ([]LayerID, error) {
	lock, err := s.lockImages(ctx)
	if err != nil {
		return nil, err
	}
	defer lock.Release()
	if check != nil {
		if err := check(); err != nil {
			return nil, err
		}
	}
	layers, err := s.lib.DeleteImage(id, true)
	if _, gone := s.lib.Image(id); errors.Is(err, storage.ErrLayerUnknown) && errors.Is(gone, storage.ErrImageUnknown) {
		err = nil // a damaged one: it had no layers to delete any more
	}
	if err != nil {
		return nil, fmt.Errorf("delete image %.12s: %w", id, err)
	}
	_ = os.Remove(s.dirs.ImageDetails(id))
	gone := make([]LayerID, len(layers))
	for i, l := range layers {
		gone[i] = LayerID(l)
		_ = os.Remove(s.dirs.LayerBlobs(l))
	}
	return gone, s.index.write()
}

// LoadImage reads the details of one image; it needs no user namespace.
func LoadImage(d state.Dirs, id string) (Details, error) {
	var det Details
	if !state.IsID(id) {
		return det, fmt.Errorf("load image %q: not an ID", id)
	}
	if err := state.ReadJSON(d.ImageDetails(id), &det); err != nil {
		return det, fmt.Errorf("load image %.12s: %w", id, err)
	}
	switch {
	case det.Damaged != "":
		return det, &DamagedError{id, det.Damaged}
	case det.ID != id || len(det.Layers) == 0 || len(det.Layers) != len(det.LayerDirs):
		return det, fmt.Errorf("load image %.12s: %s is damaged", id, d.ImageDetails(id))
	}
	return det, nil
}

// Manifest returns the manifest an image was pulled with, or nil.
func (s *Store) Manifest(id string) []byte { return s.records.manifest(id) }

// Config returns the configuration of an image, byte for byte: Details has
// the same value, but not its spaces.
func (s *Store) Config(id string) ([]byte, error) { return s.records.config(id) }
