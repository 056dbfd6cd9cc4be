// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"coracle/pkg/oci/registry"
	"coracle/pkg/overlay"
)

// Bounds of what a registry may make us read.
const (
	maxConfig    = 8 << 20
	maxLayers    = 500
	parallelPull = 3 // as many as Docker takes at a time
)

// PullOptions of Pull.
type PullOptions struct {
	Platform string // os/arch[/variant]; the host's when empty
	Events   func(Event)
}

// Pulled is what Pull has got.
type Pulled struct {
	Image    overlay.Image
	Digest   digest.Digest // of what the name stands for: a manifest, or an index
	UpToDate bool          // it was here, under this name
}

// Pull fetches an image and gives it the name ref.
func Pull(ctx context.Context, st *overlay.Store, c *registry.Client, ref Ref, o PullOptions) (Pulled, error) {
	if o.Events == nil {
		o.Events = func(Event) {}
	}
	repo, err := c.Repository(ref.Domain(), ref.Path(), registry.Pull)
	if err != nil {
		return Pulled{}, err
	}
	p := puller{ctx: ctx, st: st, repo: repo, ref: ref, o: o}
	got, err := p.pull()
	if err != nil {
		return got, pullError(ref, err)
	}
	return got, nil
}

type puller struct {
	ctx  context.Context
	st   *overlay.Store
	repo *registry.Repository
	ref  Ref
	o    PullOptions
}

func (p *puller) pull() (Pulled, error) {
	tag := p.ref.Tag()
	if p.ref.Digest() != "" {
		tag = p.ref.Digest()
	}
	top, err := p.repo.Manifest(p.ctx, tag)
	if err != nil {
		return Pulled{}, err
	}
	out := Pulled{Digest: top.Digest}
	m, raw, err := p.choose(top)
	if err != nil {
		return out, err
	}
	config, err := p.config(m)
	if err != nil {
		return out, err
	}
	p.o.Events(Event{Status: fmt.Sprintf("%s: Pulling from %s", tag, p.ref.Path())})
	layers, fetched, err := p.layers(m, config.RootFS.DiffIDs)
	if err != nil {
		return out, err
	}
	repoDigest := p.ref.Repository() + "@" + top.Digest.String()
	before, known := p.find(config.id)
	out.UpToDate = known && !fetched && slices.Contains(before.Names, p.ref.Name()) && slices.Contains(before.RepoDigests, repoDigest)
	if out.UpToDate {
		out.Image = before
		return out, nil
	}
	n := overlay.NewImage{Config: config.raw, Manifest: raw, Layers: layers, RepoDigests: []string{repoDigest}}
	if p.ref.Digest() == "" {
		n.Names = []string{p.ref.Name()}
	}
	out.Image, err = p.st.CreateImage(p.ctx, n)
	return out, err
}

func (p *puller) find(id string) (overlay.Image, bool) {
	det, err := overlay.LoadImage(p.st.Dirs(), id)
	return det.Image, err == nil
}

// choose follows an index to the manifest for the platform.
func (p *puller) choose(top registry.Manifest) (ocispec.Manifest, []byte, error) {
	var m ocispec.Manifest
	for depth := 0; isIndex(top.MediaType); depth++ {
		if depth == 4 {
			return m, nil, errors.New("index of indexes is too deep")
		}
		var ix ocispec.Index
		if err := json.Unmarshal(top.Body, &ix); err != nil {
			return m, nil, fmt.Errorf("decode index: %w", err)
		}
		desc, err := Choose(ix.Manifests, p.o.Platform)
		if err != nil {
			return m, nil, err
		}
		if top, err = p.repo.Manifest(p.ctx, desc.Digest.String()); err != nil {
			return m, nil, err
		}
	}
	if err := checkManifest(top.MediaType); err != nil {
		return m, nil, err
	}
	if err := json.Unmarshal(top.Body, &m); err != nil {
		return m, nil, fmt.Errorf("decode manifest: %w", err)
	}
	if len(m.Layers) > maxLayers {
		return m, nil, fmt.Errorf("manifest has %d layers: more than %d", len(m.Layers), maxLayers)
	}
	return m, top.Body, nil
}

func isIndex(t string) bool { return t == ocispec.MediaTypeImageIndex || t == registry.DockerList }

func checkManifest(t string) error {
	switch {
	case t == ocispec.MediaTypeImageManifest || t == registry.DockerManifest:
		return nil
	case strings.Contains(t, "manifest.v1"):
		return errors.New("schema 1 manifests are not supported: the image must be pushed again by a tool of this decade")
	}
	return fmt.Errorf("unsupported manifest media type %q", t)
}

// Choose picks the manifest for a platform, os/arch[/variant], or for the
// host's.
func Choose(list []ocispec.Descriptor, platform string) (ocispec.Descriptor, error) {
	want := ocispec.Platform{OS: "linux", Architecture: runtime.GOARCH}
	if platform != "" {
		f := strings.Split(platform, "/")
		if len(f) < 2 || len(f) > 3 {
			return ocispec.Descriptor{}, fmt.Errorf("%q is an invalid platform: want os/arch[/variant]", platform)
		}
		want = ocispec.Platform{OS: f[0], Architecture: f[1]}
		if len(f) == 3 {
			want.Variant = f[2]
		}
	}
	for _, d := range list {
		if pl := d.Platform; pl != nil && pl.OS == want.OS && pl.Architecture == want.Architecture &&
			(want.Variant == "" || pl.Variant == want.Variant) {
			return d, nil
		}
	}
	shown := want.OS + "/" + want.Architecture
	if want.Variant != "" {
		shown += "/" + want.Variant
	}
	return ocispec.Descriptor{}, fmt.Errorf("no matching manifest for %s in the manifest list entries", shown)
}

// pulledConfig is an image configuration with the bytes it came as.
type pulledConfig struct {
	ocispec.Image
	raw []byte
	id  string
}

func (p *puller) config(m ocispec.Manifest) (pulledConfig, error) {
	var c pulledConfig
	switch m.Config.MediaType {
	case registry.DockerConfig, ocispec.MediaTypeImageConfig:
	default:
		return c, fmt.Errorf("not a container image: its configuration is of type %q", m.Config.MediaType)
	}
	if m.Config.Size > maxConfig {
		return c, fmt.Errorf("configuration has %d bytes: more than %d", m.Config.Size, maxConfig)
	}
	r, err := p.repo.Blob(p.ctx, m.Config)
	if err != nil {
		return c, err
	}
	defer r.Close()
	if c.raw, err = io.ReadAll(r); err != nil {
		return c, fmt.Errorf("fetch configuration: %w", err)
	}
	c.id = m.Config.Digest.Encoded()
	if err := json.Unmarshal(c.raw, &c.Image); err != nil {
		return c, fmt.Errorf("decode configuration: %w", err)
	}
	return c, checkConfig(c.Image, len(m.Layers))
}

func checkConfig(c ocispec.Image, layers int) error {
	if len(c.RootFS.DiffIDs) != layers {
		return fmt.Errorf("invalid image: %d layers, but %d of them in its configuration", layers, len(c.RootFS.DiffIDs))
	}
	for _, d := range c.RootFS.DiffIDs {
		if err := d.Validate(); err != nil || d.Algorithm() != digest.SHA256 {
			return fmt.Errorf("invalid image: layer %q: unsupported digest", d)
		}
	}
	if c.OS != "" && c.OS != "linux" {
		return fmt.Errorf("image operating system %q cannot be used on this platform", c.OS)
	}
	return nil
}

// layers makes sure that all layers are in the store, and reports whether any
// was not. Downloads and extraction run beside each other; layers become part
// of the store in order, from the base up.
func (p *puller) layers(m ocispec.Manifest, diffIDs []digest.Digest) (ids []overlay.LayerID, fetched bool, err error) {
	ctx, cancel := context.WithCancel(p.ctx)
	defer cancel()
	staged := make([]chan stagedLayer, len(m.Layers))
	slots := make(limiter, parallelPull)
	var parent overlay.LayerID
	for i, desc := range m.Layers {
		id := overlay.ChainID(parent, diffIDs[i])
		ids, parent = append(ids, id), id
		if !fetched && p.st.HasLayer(id) {
			p.o.Events(Event{Layer: shortDigest(desc.Digest), Status: StatusExists})
			continue
		}
		fetched = true
		p.o.Events(Event{Layer: shortDigest(desc.Digest), Status: StatusPulling})
		staged[i] = make(chan stagedLayer, 1)
	}
	for i, ch := range staged {
		if ch == nil {
			continue
		}
		go func() {
			slots.enter()
			defer slots.leave()
			s, err := p.stage(ctx, m.Layers[i], diffIDs[i])
			ch <- stagedLayer{s, err}
		}()
	}
	parent = ""
	for i, ch := range staged {
		if ch != nil {
			s := <-ch
			switch {
			case err != nil: // an earlier one failed
			case s.err != nil:
				err = s.err
			default:
				err = p.commit(s.Staged, parent, m.Layers[i])
			}
			if err != nil {
				cancel()
				if s.Staged != nil {
					_ = s.Discard()
				}
			}
		}
		parent = ids[i]
	}
	return ids, fetched, err
}

type stagedLayer struct {
	*overlay.Staged
	err error
}

// stage downloads, checks and extracts a layer, all in one pass.
func (p *puller) stage(ctx context.Context, desc ocispec.Descriptor, diffID digest.Digest) (*overlay.Staged, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	short := shortDigest(desc.Digest)
	body, err := p.repo.Blob(ctx, desc)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	r := &progressReader{Reader: body, report: p.o.Events, event: Event{Layer: short, Status: StatusDownloading, Total: desc.Size}}
	plain, err := Decompress(r)
	if err != nil {
		return nil, fmt.Errorf("layer %s: %w", short, err)
	}
	defer plain.Close()
	s, err := p.st.StageTar(ctx, plain)
	if err != nil {
		return nil, fmt.Errorf("layer %s: %w", short, err)
	}
	// What stands behind the compressed stream counts for the digest.
	if _, err = io.Copy(io.Discard, r); err == nil && s.DiffID() != diffID {
		err = fmt.Errorf("filesystem layer verification failed for digest %s", diffID)
	}
	if err != nil {
		_ = s.Discard()
		return nil, err
	}
	p.o.Events(Event{Layer: short, Status: StatusDownloaded})
	return s, nil
}

func (p *puller) commit(s *overlay.Staged, parent overlay.LayerID, desc ocispec.Descriptor) error {
	_, err := p.st.Commit(s, parent, &overlay.Blob{Digest: desc.Digest, Size: desc.Size, MediaType: desc.MediaType})
	if err == nil {
		p.o.Events(Event{Layer: shortDigest(desc.Digest), Status: StatusPulled})
	}
	return err
}

func shortDigest(d digest.Digest) string {
	return d.Encoded()[:min(12, len(d.Encoded()))]
}

// pullError says in Docker's words why a pull failed.
func pullError(ref Ref, err error) error {
	var re *registry.Error
	if !errors.As(err, &re) {
		return err
	}
	switch {
	case re.Denied(), re.Code == "NAME_UNKNOWN" && ref.Domain() == defaultDomain:
		return &transferError{
			fmt.Errorf("pull access denied for %s, repository does not exist or may require 'docker login': %w", ref.FamiliarRepository(), err),
			re.Hint(),
		}
	case re.Status == 404:
		return fmt.Errorf("manifest for %s not found: %w", ref.Familiar(), err)
	}
	return err
}

// transferError keeps the hint of what it wraps.
type transferError struct {
	err  error
	hint string
}

func (e *transferError) Error() string { return e.err.Error() }
func (e *transferError) Unwrap() error { return e.err }
func (e *transferError) Hint() string  { return e.hint }
