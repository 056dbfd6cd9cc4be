// SPDX-License-Identifier: Apache-2.0

package dockerfile

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"coracle/pkg/dockerfile/exec"
	"coracle/pkg/dockerfile/plan"
	"coracle/pkg/overlay"
)

// exporter makes what the user gets of layers.
type exporter struct {
	*exec.Job
	req *Request
	plan.Result
	layers []overlay.LayerID
	epoch  *time.Time
}

// export writes the files where they are wanted, and records the image.
func (b *exporter) export() (Result, error) {
	for _, o := range b.req.Outputs {
		if o.Type != "local" && o.Type != "tar" {
			continue
		}
		if err := b.exportFiles(b.layers, o); err != nil {
			return Result{}, err
		}
	}
	if !b.req.KeepsImage() {
		return Result{Warnings: b.Warnings()}, nil
	}
	v := b.Tell.Start("exporting to image")
	if err := b.atLeastOneLayer(); err != nil {
		return Result{}, v.Fail(err)
	}
	for _, k := range slices.Sorted(maps.Keys(b.req.Labels)) {
		if b.Image.Config.Labels == nil {
			b.Image.Config.Labels = map[string]string{}
		}
		b.Image.Config.Labels[k] = b.req.Labels[k]
	}
	config, err := b.config()
	if err != nil {
		return Result{}, v.Fail(err)
	}
	img, err := b.Store.CreateImage(b.Ctx, overlay.NewImage{Config: config, Layers: b.layers, Names: b.req.Tags})
	if err != nil {
		return Result{}, v.Fail(err)
	}
	v.Status("exporting layers done")
	v.Status("writing image sha256:" + img.ID + " done")
	for _, n := range b.req.Tags {
		v.Status("naming to " + n + " done")
	}
	v.Finish()
	return Result{Image: img, Warnings: b.Warnings()}, nil
}

// atLeastOneLayer gives an image from scratch that has only settings an empty
// layer: it is something to mount, and older tools want one.
func (b *exporter) atLeastOneLayer() error {
	if len(b.layers) > 0 {
		return nil
	}
	if len(b.History) == 0 {
		return errors.New("no image was generated: is the Dockerfile empty?")
	}
	d, err := b.Store.NewDir()
	if err != nil {
		return err
	}
	defer d.Discard()
	id, err := b.Commit(d, "", nil)
	if err != nil {
		return err
	}
	b.layers = append(b.layers, id)
	b.History[len(b.History)-1].EmptyLayer = false
	return nil
}

// config is the final configuration. The same layers with the same settings
// are the same image: the time is that of the first build.
func (b *exporter) config() ([]byte, error) {
	img := b.Image
	img.RootFS = ocispec.RootFS{Type: "layers"}
	for _, l := range b.layers {
		d, err := b.Store.DiffID(l)
		if err != nil {
			return nil, err
		}
		img.RootFS.DiffIDs = append(img.RootFS.DiffIDs, d)
	}
	img.Created, img.History = nil, b.History
	bare, err := json.Marshal(img)
	if err != nil {
		return nil, err
	}
	created := b.epoch
	if created == nil {
		first := b.Cache.FirstBuilt(digest.FromBytes(bare))
		created = &first
	}
	img.Created = created
	img.History = slices.Clone(b.History)
	for i := range img.History {
		at := img.History[i].Created
		if at == nil || b.epoch != nil && i >= b.Below && at.After(*b.epoch) {
			img.History[i].Created = created
		}
	}
	return json.Marshal(img)
}
