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
	"slices"
	"strings"

	"github.com/klauspost/pgzip"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"coracle/pkg/cancel"
	"coracle/pkg/oci/registry"
	"coracle/pkg/overlay"
)

const parallelPush = 5 // as many as Docker sends at a time

// Pushed is what a push has made.
type Pushed struct {
	Name   string // canonical
	Digest digest.Digest
	Size   int64 // of the manifest, in bytes
}

// Push sends an image to the place its name says.
func Push(ctx context.Context, st *overlay.Store, c *registry.Client, ref Ref, img overlay.Image, events func(Event)) (Pushed, error) {
	if events == nil {
		events = func(Event) {}
	}
	det, err := overlay.LoadImage(st.Dirs(), img.ID)
	if err != nil {
		return Pushed{}, err
	}
	p := pusher{ctx: ctx, st: st, ref: ref, img: det, events: events, from: sources(det.RepoDigests, ref)}
	if p.config, err = st.Config(img.ID); err != nil {
		return Pushed{}, err
	}
	if p.repo, err = c.Repository(ref.Domain(), ref.Path(), registry.Push, p.from...); err != nil {
		return Pushed{}, err
	}
	got, err := p.push()
	if err != nil {
		return got, pushError(ref, err)
	}
	return got, st.AddRepoDigest(ctx, img.ID, ref.Repository()+"@"+got.Digest.String())
}

// sources are the repositories on the same registry that an image is in.
func sources(repoDigests []string, ref Ref) []string {
	var list []string
	for _, rd := range repoDigests {
		name, _, _ := strings.Cut(rd, "@")
		path, ok := strings.CutPrefix(name, ref.Domain()+"/")
		if ok && path != ref.Path() && !slices.Contains(list, path) {
			list = append(list, path)
		}
	}
	return list
}

type pusher struct {
	ctx    context.Context
	st     *overlay.Store
	repo   *registry.Repository
	ref    Ref
	img    overlay.Details
	config []byte // the bytes whose digest the image's ID is
	from   []string
	events func(Event)
}

func (p *pusher) push() (Pushed, error) {
	ctx, cancel := context.WithCancel(p.ctx)
	defer cancel()
	diffIDs, err := p.diffIDs()
	if err != nil {
		return Pushed{}, err
	}
	for _, d := range diffIDs {
		p.events(Event{Layer: short(d), Status: StatusPreparing})
	}
	descs := make([]ocispec.Descriptor, len(diffIDs))
	errs := make(chan error, len(diffIDs))
	slots := make(limiter, parallelPush)
	for i, d := range diffIDs {
		go func() {
			slots.enter()
			defer slots.leave()
			var err error
			descs[i], err = p.layer(ctx, p.img.Layers[i], d)
			errs <- err
		}()
	}
	for range diffIDs {
		if e := <-errs; e != nil && err == nil {
			err = e
			cancel()
		}
	}
	if err != nil {
		return Pushed{}, err
	}
	m, config, err := p.manifest(descs)
	if err != nil {
		return Pushed{}, err
	}
	if err := p.blob(ctx, config, func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(p.config)), nil }); err != nil {
		return Pushed{}, err
	}
	tag := p.ref.Tag()
	if tag == "" {
		tag = m.Digest.String()
	}
	if err := p.repo.PutManifest(ctx, tag, m); err != nil {
		return Pushed{}, err
	}
	return Pushed{Name: p.ref.Name(), Digest: m.Digest, Size: int64(len(m.Body))}, nil
}

func (p *pusher) diffIDs() ([]digest.Digest, error) {
	c, err := p.img.OCI()
	if err != nil {
		return nil, err
	}
	if len(c.RootFS.DiffIDs) != len(p.img.Layers) {
		return nil, fmt.Errorf("image %.12s: its configuration does not fit its layers", p.img.ID)
	}
	return c.RootFS.DiffIDs, nil
}

// blob uploads what is not there.
func (p *pusher) blob(ctx context.Context, desc ocispec.Descriptor, open func() (io.ReadCloser, error)) error {
	have, err := p.repo.HasBlob(ctx, desc)
	if err != nil || have {
		return err
	}
	return p.repo.PutBlob(ctx, desc, open)
}

// layer makes sure that the registry has one of the layer's compressed forms,
// and returns which.
func (p *pusher) layer(ctx context.Context, id overlay.LayerID, diffID digest.Digest) (ocispec.Descriptor, error) {
	short := short(diffID)
	for _, b := range p.st.Blobs(id) {
		desc := ocispec.Descriptor{MediaType: b.MediaType, Digest: b.Digest, Size: b.Size}
		have, err := p.repo.HasBlob(ctx, desc)
		if err != nil {
			return desc, err
		}
		if have {
			p.events(Event{Layer: short, Status: StatusThere})
			return desc, nil
		}
		for _, from := range p.from {
			if ok, err := p.repo.MountBlob(ctx, b.Digest, from); err == nil && ok {
				p.events(Event{Layer: short, Status: StatusMounted + from})
				return desc, nil
			}
		}
	}
	return p.upload(ctx, id, short)
}

// upload compresses a layer and sends it. The compressed form waits in a file
// without a name: its digest must be known before it is sent.
func (p *pusher) upload(ctx context.Context, id overlay.LayerID, short string) (ocispec.Descriptor, error) {
	var desc ocispec.Descriptor
	scratch, err := p.st.Scratch()
	if err != nil {
		return desc, err
	}
	file, err := os.CreateTemp(scratch, "push-")
	if err != nil {
		return desc, fmt.Errorf("compress layer: %w", err)
	}
	defer file.Close()
	if err := os.Remove(file.Name()); err != nil {
		return desc, err
	}
	desc, err = compress(ctx, p.st, id, file)
	if err != nil {
		return desc, err
	}
	have, err := p.repo.HasBlob(ctx, desc)
	if err != nil {
		return desc, err
	}
	if have {
		p.events(Event{Layer: short, Status: StatusThere})
	} else {
		err = p.repo.PutBlob(ctx, desc, func() (io.ReadCloser, error) {
			return io.NopCloser(&progressReader{
				Reader: io.NewSectionReader(file, 0, desc.Size), report: p.events,
				event: Event{Layer: short, Status: StatusPushing, Total: desc.Size},
			}), nil
		})
		if err != nil {
			return desc, err
		}
		p.events(Event{Layer: short, Status: StatusPushed})
	}
	return desc, p.st.AddBlob(id, overlay.Blob{Digest: desc.Digest, Size: desc.Size, MediaType: desc.MediaType})
}

// compress writes the gzip form of a layer. The same layer always gives the
// same bytes.
func compress(ctx context.Context, st *overlay.Store, id overlay.LayerID, w io.Writer) (ocispec.Descriptor, error) {
	desc := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageLayerGzip}
	diffID, err := st.DiffID(id)
	if err != nil {
		return desc, err
	}
	tar, err := openVerified(st, id, diffID)
	if err != nil {
		return desc, err
	}
	defer tar.Close()
	sum := digest.SHA256.Digester()
	var size counter
	zw := pgzip.NewWriter(io.MultiWriter(w, sum.Hash(), &size))
	if _, err = io.Copy(zw, cancel.Reader(ctx, tar)); err == nil {
		err = zw.Close()
	}
	if err != nil {
		return desc, fmt.Errorf("compress layer %.12s: %w", id, err)
	}
	desc.Digest, desc.Size = sum.Digest(), size.n.Load()
	return desc, nil
}

// manifest is the manifest that the image was pulled with, if it describes
// what has been sent, so that its digest stays; else a new one.
func (p *pusher) manifest(layers []ocispec.Descriptor) (registry.Manifest, ocispec.Descriptor, error) {
	if raw := p.st.Manifest(p.img.ID); raw != nil {
		var old ocispec.Manifest
		if json.Unmarshal(raw, &old) == nil && sameBlobs(old.Layers, layers) {
			t := old.MediaType
			if t == "" {
				t = ocispec.MediaTypeImageManifest
			}
			return registry.Manifest{Body: raw, MediaType: t, Digest: digest.FromBytes(raw)}, old.Config, nil
		}
	}
	m := ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest,
		Config: ocispec.Descriptor{MediaType: ocispec.MediaTypeImageConfig, Digest: digest.FromBytes(p.config), Size: int64(len(p.config))},
	}
	for _, l := range layers {
		// A manifest of one standard names media types of that standard.
		if l.MediaType == registry.DockerLayer {
			l.MediaType = ocispec.MediaTypeImageLayerGzip
		}
		m.Layers = append(m.Layers, l)
	}
	raw, err := json.MarshalIndent(m, "", "  ")
	return registry.Manifest{Body: raw, MediaType: m.MediaType, Digest: digest.FromBytes(raw)}, m.Config, err
}

func sameBlobs(a, b []ocispec.Descriptor) bool {
	return slices.EqualFunc(a, b, func(x, y ocispec.Descriptor) bool { return x.Digest == y.Digest && x.Size == y.Size })
}

// pushError says in Docker's words why a push failed.
func pushError(ref Ref, err error) error {
	var re *registry.Error
	if !errors.As(err, &re) || !re.Denied() {
		return err
	}
	return remoteError(re, "push access denied for %s, repository does not exist or may require 'docker login': %w", ref.FamiliarRepository(), err)
}
