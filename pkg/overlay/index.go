// SPDX-License-Identifier: Apache-2.0

package overlay

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"syscall"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"go.podman.io/storage"

	"coracle/pkg/state"
)

// Index is the list of all images, newest first.
type Index struct {
	Stamp  stamp   `json:"stamp"`
	Images []Image `json:"images"`
}

// stamp tells whether the library's list of images is the one that the index
// was made from: the library replaces the file on every change.
type stamp struct {
	Ino   uint64 `json:"ino"`
	Size  int64  `json:"size"`
	Mtime int64  `json:"mtime"` // nanoseconds
}

// ErrStaleIndex says that the index is older than the images: Reindex, inside
// the user namespace, writes it again.
var ErrStaleIndex = errors.New("image index is stale")

func libraryStamp(d state.Dirs) (stamp, error) {
	var st syscall.Stat_t
	err := syscall.Stat(imageList(d), &st)
	if errors.Is(err, fs.ErrNotExist) {
		return stamp{}, nil
	}
	if err != nil {
		return stamp{}, fmt.Errorf("read image index: %w", err)
	}
	return stamp{Ino: st.Ino, Size: st.Size, Mtime: st.Mtim.Nano()}, nil
}

// ReadIndex returns the index without opening the store. It needs no user
// namespace.
func ReadIndex(d state.Dirs) (*Index, error) {
	now, err := libraryStamp(d)
	if err != nil {
		return nil, err
	}
	var ix Index
	err = state.ReadJSON(d.ImageIndex(), &ix)
	switch {
	case errors.Is(err, fs.ErrNotExist) && now == stamp{}:
		return &Index{}, nil
	case state.OfProcess(err):
		return nil, fmt.Errorf("read image index: %w", err)
	case err != nil || ix.Stamp != now || !ix.sound():
		// Damaged or old: it can be made again either way.
		return nil, ErrStaleIndex
	}
	return &ix, nil
}

// sound reports whether the images have IDs: what else may be in the index, its
// readers take from there.
func (ix *Index) sound() bool {
	return !slices.ContainsFunc(ix.Images, func(img Image) bool { return !state.IsID(img.ID) })
}

// Reindex writes the index again.
func (s *Store) Reindex(ctx context.Context) error {
	lock, err := s.lockImages(ctx)
	if err != nil {
		return err
	}
	defer lock.Release()
	return s.index.write()
}

// indexer writes the index.
type indexer struct {
	dirs    state.Dirs
	records imageRecords
}

// write writes the index and the details of images that have none, or
// other names than before.
//
// Preconditions: the image lock is held exclusively.
func (x indexer) write() error {
	images, err := x.records.lib.Images()
	if err != nil {
		return fmt.Errorf("write image index: %w", err)
	}
	now, err := libraryStamp(x.dirs)
	if err != nil {
		return err
	}
	ix := Index{Stamp: now}
	for i := range images {
		d := x.details(&images[i])
		ix.Images = append(ix.Images, d.Image)
		if err := x.writeDetails(d); err != nil {
			return explain(fmt.Errorf("write image index: image %.12s: %w", d.ID, err))
		}
	}
	x.dropDetails(ix.Images)
	slices.SortStableFunc(ix.Images, func(a, b Image) int { return b.Created.Compare(a.Created) })
	if err := state.WriteJSON(x.dirs.ImageIndex(), ix, 0o600); err != nil {
		return explain(fmt.Errorf("write image index: %w", err))
	}
	return nil
}

// writeDetails writes the details of an image, if they are others than before.
func (x indexer) writeDetails(d Details) error {
	data, err := json.Marshal(d)
	if err != nil {
		return err
	}
	path := x.dirs.ImageDetails(d.ID)
	if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, data) {
		return nil
	}
	return state.WriteFile(path, data, 0o600)
}

// dropDetails removes the details of images that are gone: a command was killed
// between the one and the other.
func (x indexer) dropDetails(of []Image) {
	for _, id := range described(x.dirs) {
		if !slices.ContainsFunc(of, func(img Image) bool { return img.ID == id }) {
			_ = os.Remove(x.dirs.ImageDetails(id))
		}
	}
}

// details is everything of one image. What is wrong with one whose files are
// damaged is part of it: no image may keep the others from being listed.
func (x indexer) details(img *storage.Image) Details {
	var m meta
	_ = json.Unmarshal([]byte(img.Metadata), &m) // without it no digests and no size
	d := Details{Manifest: img.Digest, Image: Image{
		ID: img.ID, Names: slices.Clone(img.Names), RepoDigests: m.RepoDigests, Size: max(m.Size, 0),
	}}
	slices.Sort(d.Names)
	if err := errors.Join(x.describe(&d), x.stack(&d, LayerID(img.TopLayer))); err != nil {
		d.Damaged = strings.ReplaceAll(err.Error(), "\n", "; ")
		d.Config, d.Layers, d.LayerDirs, d.LayerSizes = nil, nil, nil, nil
	}
	return d
}

// describe reads the configuration.
func (x indexer) describe(d *Details) error {
	config, err := x.records.config(d.ID)
	if err != nil {
		return err
	}
	var c ocispec.Image
	if err := json.Unmarshal(config, &c); err != nil {
		return fmt.Errorf("decode configuration: %w", err)
	}
	d.OS, d.Architecture, d.Variant, d.Labels, d.Config = c.OS, c.Architecture, c.Variant, c.Config.Labels, config
	if c.Created != nil {
		d.Created = boundTime(*c.Created)
	}
	return nil
}

// stack lists the layers from the top one down.
func (x indexer) stack(d *Details, top LayerID) error {
	for id := top; id != ""; {
		l, err := x.records.lib.Layer(string(id))
		if err != nil {
			return fmt.Errorf("look up layer %.12s: %w", id, err)
		}
		if _, err := os.Lstat(diffDir(x.dirs, id)); err != nil {
			return fmt.Errorf("layer %.12s is lost", id)
		}
		d.Layers = append(d.Layers, id)
		d.LayerDirs = append(d.LayerDirs, diffDir(x.dirs, id))
		d.LayerSizes = append(d.LayerSizes, max(l.UncompressedSize, 0))
		id = LayerID(l.Parent)
	}
	if len(d.Layers) == 0 {
		return errors.New("no layers")
	}
	slices.Reverse(d.Layers)
	slices.Reverse(d.LayerDirs)
	slices.Reverse(d.LayerSizes)
	return nil
}

// Find returns the image that has the canonical name.
func (ix *Index) Find(name string) (Image, bool) {
	for _, img := range ix.Images {
		if slices.Contains(img.Names, name) || slices.Contains(img.RepoDigests, name) {
			return img, true
		}
	}
	return Image{}, false
}
