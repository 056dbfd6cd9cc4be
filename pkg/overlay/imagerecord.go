// SPDX-License-Identifier: Apache-2.0

package overlay

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"
	"go.podman.io/storage"
)

// imageRecords are the library's records of images.
//
// Preconditions of all that changes one: the image lock is held exclusively.
type imageRecords struct{ lib storage.Store }

// meta is what the library keeps for us with an image.
type meta struct {
	RepoDigests []string `json:"repoDigests,omitempty"`
	Size        int64    `json:"size"`
}

const manifestKey = "manifest"

// add records an image whose layers are there.
func (r imageRecords) add(id string, n NewImage) error {
	var c struct{ Created *time.Time }
	if err := json.Unmarshal(n.Config, &c); err != nil {
		return fmt.Errorf("decode configuration: %w", err)
	}
	m := meta{RepoDigests: n.RepoDigests}
	for _, l := range n.Layers {
		layer, err := r.lib.Layer(string(l))
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
		o.CreationDate = boundTime(*c.Created)
	}
	if n.Manifest != nil {
		o.Digest = digest.FromBytes(n.Manifest)
		o.BigData = append(o.BigData, storage.ImageBigDataOption{Key: manifestKey, Data: n.Manifest, Digest: o.Digest})
	}
	_, err = r.lib.CreateImage(id, nil, string(n.Layers[len(n.Layers)-1]), string(text), o)
	return err
}

// mend writes the configuration of an image that is there again, should it
// have been damaged.
func (r imageRecords) mend(id string, n NewImage) error {
	if _, err := r.config(id); err == nil {
		return nil
	}
	return r.lib.SetImageBigData(id, "sha256:"+id, n.Config, nil)
}

func (r imageRecords) addDigests(id string, digests []string) error {
	img, err := r.lib.Image(id)
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
	return r.lib.SetMetadata(id, string(text))
}

func (r imageRecords) dropDigest(id, repoDigest string) error {
	img, err := r.lib.Image(id)
	if err != nil {
		return err
	}
	var m meta
	if err := json.Unmarshal([]byte(img.Metadata), &m); err != nil {
		return err
	}
	m.RepoDigests = slices.DeleteFunc(m.RepoDigests, func(d string) bool { return d == repoDigest })
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	return r.lib.SetMetadata(id, string(text))
}

// moveName gives name to the image id and takes it from any other.
func (r imageRecords) moveName(id, name string) error {
	if other, err := r.lib.Image(name); err == nil {
		if other.ID == id && slices.Contains(other.Names, name) {
			return nil
		}
		if err := r.lib.RemoveNames(other.ID, []string{name}); err != nil {
			return fmt.Errorf("untag %s: %w", name, err)
		}
	}
	if err := r.lib.AddNames(id, []string{name}); err != nil {
		return fmt.Errorf("tag %s: %w", name, err)
	}
	return nil
}

// manifest returns the manifest an image was pulled with, or nil.
func (r imageRecords) manifest(id string) []byte {
	data, err := r.lib.ImageBigData(id, manifestKey)
	if err != nil {
		return nil
	}
	return data
}

// config returns the configuration of an image.
func (r imageRecords) config(id string) ([]byte, error) {
	data, err := r.lib.ImageBigData(id, "sha256:"+id)
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	if digest.FromBytes(data).Encoded() != id {
		return nil, errors.New("its configuration is not what it was")
	}
	return data, nil
}
