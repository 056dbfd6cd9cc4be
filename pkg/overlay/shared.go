// SPDX-License-Identifier: Apache-2.0

package overlay

import (
	"encoding/json"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"coracle/pkg/ids"
	"coracle/pkg/overlay/shared"
	"coracle/pkg/state"
)

// SharedImage is one of a store that somebody else keeps.
type SharedImage struct {
	Details
	Stack []shared.Layer // base first
	// InPlace says that a container can be made of it where it is: its files are the
	// caller's, and as they were made. Overlayfs takes nothing over from a layer below whose owners the
	// user namespace does not have (EOVERFLOW, since Linux 6.2 and CVE-2023-0386).
	InPlace  bool
	manifest []byte
}

// Manifest is the one that the image was pulled with, or nil.
func (s *SharedImage) Manifest() []byte { return s.manifest }

// home is where a user's settings are; without one, only the host's count.
func home() string {
	dir, _ := state.Home()
	return dir
}

// UsedInPlace reports whether a container can be made of the image where it is.
func (s *SharedImage) UsedInPlace() bool { return s != nil && s.InPlace }

// SharedStores are those that the user and the host have named, as far as they can
// be read, and why others cannot.
func SharedStores() ([]*shared.Store, []error) {
	places, err := shared.Places(home())
	var list []*shared.Store
	var errs []error
	if err != nil {
		errs = append(errs, err)
	}
	for _, dir := range places {
		s, err := shared.Open(dir)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		list = append(list, s)
	}
	return list, errs
}

// SharedImages are the images of all shared stores that have no ID and no name of
// one before them; what is damaged is left out.
func SharedImages() []Image {
	stores, _ := SharedStores()
	ix := &Index{}
	for _, s := range stores {
		for _, rec := range s.Images {
			if img, err := describeShared(s, rec); err == nil {
				ix.Add(img.Image)
			}
		}
	}
	return ix.Images
}

// Add adds an image of a shared store: names that another has are its no more. Of
// one that is there already, by its ID, only the names are added.
func (ix *Index) Add(img Image) {
	taken := func(name string) bool { _, ok := ix.Find(name); return ok }
	img.Names = slices.DeleteFunc(slices.Clone(img.Names), taken)
	img.RepoDigests = slices.DeleteFunc(slices.Clone(img.RepoDigests), taken)
	i := slices.IndexFunc(ix.Images, func(have Image) bool { return have.ID == img.ID })
	if i < 0 {
		ix.Images = append(ix.Images, img)
		return
	}
	have := &ix.Images[i]
	have.Names, have.RepoDigests = slices.Concat(have.Names, img.Names), slices.Concat(have.RepoDigests, img.RepoDigests)
}

// LoadShared finds an image of the shared stores by its ID, or returns nil.
func LoadShared(id string) *SharedImage {
	stores, _ := SharedStores()
	for _, s := range stores {
		for _, rec := range s.Images {
			if rec.ID != id {
				continue
			}
			if img, err := describeShared(s, rec); err == nil {
				img.manifest = s.Manifest(rec)
				return img
			}
		}
	}
	return nil
}

// describeShared is everything of one image, but its manifest.
func describeShared(s *shared.Store, rec shared.Image) (*SharedImage, error) {
	config, err := s.Config(rec.ID)
	if err != nil {
		return nil, err
	}
	var c ocispec.Image
	if err := json.Unmarshal(config, &c); err != nil {
		return nil, err
	}
	img := &SharedImage{}
	if img.Stack, err = s.Stack(rec.Top); err != nil {
		return nil, err
	}
	if len(img.Stack) != len(c.RootFS.DiffIDs) {
		return nil, &DamagedError{rec.ID, "its layers are not those of its configuration"}
	}
	var m meta
	_ = json.Unmarshal([]byte(rec.Metadata), &m)
	img.Details = Details{Config: config, Manifest: rec.Digest, Image: Image{
		ID: rec.ID, Names: tags(rec.Names), RepoDigests: append(digests(rec.Names), m.RepoDigests...), OS: c.OS, Architecture: c.Architecture, Variant: c.Variant,
		Labels: c.Config.Labels, Shared: s.Dir,
	}}
	if c.Created != nil {
		img.Created = boundTime(*c.Created)
	}
	for _, l := range img.Stack {
		img.Layers, img.LayerDirs, img.LayerSizes = append(img.Layers, LayerID(l.ID)), append(img.LayerDirs, l.Dir), append(img.LayerSizes, l.Size)
		img.Size += l.Size
	}
	maps, err := ids.HostMaps()
	img.InPlace = err == nil && !maps.Single() && s.UID == os.Geteuid() && s.Layered() && !s.Open
	return img, nil
}

// tags and digests tell podman's two kinds of names apart.
func tags(names []string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(n string) bool { return strings.Contains(n, "@") })
}

func digests(names []string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(n string) bool { return !strings.Contains(n, "@") })
}

// OpenShared returns the tar stream of a layer of a shared store, which has the
// owners and modes of the image whatever its files have. Nothing says that it is the
// one with the layer's DiffID.
func OpenShared(l shared.Layer) (io.ReadCloser, error) { return openTar(LayerID(l.ID), l.Split, l.Dir) }

// DiffIDs are the digests of the layers that an image says it has, base first.
func (d *Details) DiffIDs() ([]digest.Digest, error) {
	c, err := d.OCI()
	return c.RootFS.DiffIDs, err
}
