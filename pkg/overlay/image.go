// SPDX-License-Identifier: Apache-2.0

package overlay

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
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

// meta is what the library keeps for us with an image.
type meta struct {
	RepoDigests []string `json:"repoDigests,omitempty"`
	Size        int64    `json:"size"`
}

const manifestKey = "manifest"

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
		if err := s.addImage(id, n); err != nil {
			return Image{}, explain(fmt.Errorf("create image: %w", err))
		}
	} else if err != nil {
		return Image{}, fmt.Errorf("create image: %w", err)
	} else if err := s.addDigests(id, n.RepoDigests); err != nil {
		return Image{}, fmt.Errorf("create image: %w", err)
	}
	for _, name := range n.Names {
		if err := s.moveName(id, name); err != nil {
			return Image{}, err
		}
	}
	if err := s.reindexLocked(); err != nil {
		return Image{}, err
	}
	if err := s.Sync(); err != nil {
		return Image{}, fmt.Errorf("create image: %w", err)
	}
	d, err := LoadImage(s.dirs, id)
	return d.Image, err
}

func (s *Store) addImage(id string, n NewImage) error {
	var c struct{ Created *time.Time }
	if err := json.Unmarshal(n.Config, &c); err != nil {
		return fmt.Errorf("decode configuration: %w", err)
	}
	m := meta{RepoDigests: n.RepoDigests}
	for _, l := range n.Layers {
		layer, err := s.lib.Layer(string(l))
		if err != nil {
			return fmt.Errorf("look up layer %.12s: %w", l, err)
		}
		m.Size += max(layer.UncompressedSize, 0)
	}
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	o := &storage.ImageOptions{BigData: []storage.ImageBigDataOption{
		{Key: "sha256:" + id, Data: n.Config, Digest: digest.Digest("sha256:" + id)},
	}}
	if c.Created != nil {
		o.CreationDate = *c.Created
	}
	if n.Manifest != nil {
		o.Digest = digest.FromBytes(n.Manifest)
		o.BigData = append(o.BigData, storage.ImageBigDataOption{Key: manifestKey, Data: n.Manifest, Digest: o.Digest})
	}
	_, err = s.lib.CreateImage(id, nil, string(n.Layers[len(n.Layers)-1]), string(text), o)
	return err
}

func (s *Store) addDigests(id string, digests []string) error {
	img, err := s.lib.Image(id)
	if err != nil {
		return err
	}
	var m meta
	_ = json.Unmarshal([]byte(img.Metadata), &m)
	changed := false
	for _, d := range digests {
		if !slices.Contains(m.RepoDigests, d) {
			m.RepoDigests, changed = append(m.RepoDigests, d), true
		}
	}
	if !changed {
		return nil
	}
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	return s.lib.SetMetadata(id, string(text))
}

// AddRepoDigest remembers under which digest a registry knows an image.
func (s *Store) AddRepoDigest(ctx context.Context, id, repoDigest string) error {
	lock, err := s.lockImages(ctx)
	if err != nil {
		return err
	}
	defer lock.Release()
	if err := s.addDigests(id, []string{repoDigest}); err != nil {
		return fmt.Errorf("record digest: %w", err)
	}
	return s.reindexLocked()
}

// moveName gives name to the image id and takes it from any other.
func (s *Store) moveName(id, name string) error {
	if other, err := s.lib.Image(name); err == nil {
		if other.ID == id && slices.Contains(other.Names, name) {
			return nil
		}
		if err := s.lib.RemoveNames(other.ID, []string{name}); err != nil {
			return fmt.Errorf("untag %s: %w", name, err)
		}
	}
	if err := s.lib.AddNames(id, []string{name}); err != nil {
		return fmt.Errorf("tag %s: %w", name, err)
	}
	return nil
}

// Tag gives a canonical name to an image.
func (s *Store) Tag(ctx context.Context, id, name string) error {
	lock, err := s.lockImages(ctx)
	if err != nil {
		return err
	}
	defer lock.Release()
	if err := s.moveName(id, name); err != nil {
		return err
	}
	return s.reindexLocked()
}

// Untag takes a canonical name from the image that has it.
func (s *Store) Untag(ctx context.Context, id, name string) error {
	lock, err := s.lockImages(ctx)
	if err != nil {
		return err
	}
	defer lock.Release()
	if err := s.lib.RemoveNames(id, []string{name}); err != nil {
		return fmt.Errorf("untag %s: %w", name, err)
	}
	return s.reindexLocked()
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
	if err != nil {
		return nil, fmt.Errorf("delete image %.12s: %w", id, err)
	}
	_ = os.Remove(s.dirs.ImageDetails(id))
	gone := make([]LayerID, len(layers))
	for i, l := range layers {
		gone[i] = LayerID(l)
		_ = os.Remove(s.blobsPath(gone[i]))
	}
	return gone, s.reindexLocked()
}

// Manifest returns the manifest an image was pulled with, or nil.
func (s *Store) Manifest(id string) []byte {
	data, err := s.lib.ImageBigData(id, manifestKey)
	if err != nil {
		return nil
	}
	return data
}

// details reads everything of one image from the library.
func (s *Store) details(img *storage.Image) (Details, error) {
	var d Details
	config, err := s.lib.ImageBigData(img.ID, "sha256:"+img.ID)
	if err != nil {
		return d, fmt.Errorf("read configuration: %w", err)
	}
	var c ocispec.Image
	if err := json.Unmarshal(config, &c); err != nil {
		return d, fmt.Errorf("decode configuration: %w", err)
	}
	var m meta
	_ = json.Unmarshal([]byte(img.Metadata), &m)
	d.Image = Image{
		ID: img.ID, Names: slices.Clone(img.Names), RepoDigests: m.RepoDigests, Created: img.Created.UTC(), Size: m.Size,
		OS: c.OS, Architecture: c.Architecture, Variant: c.Variant, Labels: c.Config.Labels,
	}
	slices.Sort(d.Names)
	if c.Created == nil {
		d.Created = time.Time{}
	}
	d.Config, d.Manifest = config, img.Digest
	for id := LayerID(img.TopLayer); id != ""; {
		l, err := s.lib.Layer(string(id))
		if err != nil {
			return d, fmt.Errorf("look up layer %.12s: %w", id, err)
		}
		d.Layers = append(d.Layers, id)
		d.LayerDirs = append(d.LayerDirs, s.diffDir(id))
		d.LayerSizes = append(d.LayerSizes, max(l.UncompressedSize, 0))
		id = LayerID(l.Parent)
	}
	slices.Reverse(d.Layers)
	slices.Reverse(d.LayerDirs)
	slices.Reverse(d.LayerSizes)
	return d, nil
}

// LoadImage reads the details of one image; it needs no user namespace.
func LoadImage(d state.Dirs, id string) (Details, error) {
	var det Details
	if len(id) != 64 || strings.Trim(id, "0123456789abcdef") != "" {
		return det, fmt.Errorf("load image %q: not an ID", id)
	}
	if err := state.ReadJSON(d.ImageDetails(id), &det); err != nil {
		return det, fmt.Errorf("load image %.12s: %w", id, err)
	}
	return det, nil
}

// Config returns the configuration of an image, byte for byte: Details has
// the same value, but not its spaces.
func (s *Store) Config(id string) ([]byte, error) {
	data, err := s.lib.ImageBigData(id, "sha256:"+id)
	if err != nil {
		return nil, fmt.Errorf("read configuration of image %.12s: %w", id, err)
	}
	if digest.FromBytes(data).Encoded() != id {
		return nil, fmt.Errorf("read configuration of image %.12s: it is damaged", id)
	}
	return data, nil
}
