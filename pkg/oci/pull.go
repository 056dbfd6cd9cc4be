// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"coracle/pkg/oci/platform"
	"coracle/pkg/oci/registry"
	"coracle/pkg/overlay"
)

const parallelPull = 3 // as many as Docker takes at a time

// PullOptions of Pull.
type PullOptions struct {
	Platform string // os/arch[/variant]; the host's when empty
	Events   func(Event)
}

// Pulled is what Pull has got.
type Pulled struct {
	Name     string // canonical
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
	if p.platform, err = ParsePlatform(o.Platform); err != nil {
		return Pulled{}, err
	}
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

	platform ocispec.Platform
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
	out := Pulled{Name: p.ref.Name(), Digest: top.Digest}
	m, raw, config, err := p.resolve(top, 0)
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
	if err == nil {
		_, err = p.st.Config(id) // details outlive an image whose removal was interrupted
	}
	return det.Image, err == nil
}

// resolve follows an index to the manifest for the platform, and reads the
// configuration that goes with it.
func (p *puller) resolve(m registry.Manifest, depth int) (*document, []byte, pulledConfig, error) {
	doc, err := parseDocument(m.Body, m.MediaType)
	if err != nil {
		return nil, nil, pulledConfig{}, err
	}
	if doc.Manifests == nil {
		config, err := p.config(doc)
		return doc, m.Body, config, err
	}
	if depth == maxDepth {
		return nil, nil, pulledConfig{}, errors.New("too many indexes within one another")
	}
	list, err := choose(doc.Manifests, p.platform)
	if err != nil {
		return nil, nil, pulledConfig{}, err
	}
	var first error
	for _, desc := range list {
		entry, err := p.repo.Manifest(p.ctx, desc.Digest.String())
		if err != nil {
			return nil, nil, pulledConfig{}, err
		}
		doc, raw, config, err := p.resolve(entry, depth+1)
		if err == nil && (len(list) == 1 || platform.Suits(p.platform, config.Platform) > 0) {
			return doc, raw, config, nil
		}
		if first == nil {
			first = err
		}
	}
	if first == nil {
		first = &NoMatchError{Platform: p.platform}
	}
	return nil, nil, pulledConfig{}, first
}

// maxDepth is how many indexes may stand within one another.
const maxDepth = 2

// pulledConfig is an image configuration with the bytes it came as.
type pulledConfig struct {
	ocispec.Image
	raw []byte
	id  string
}

func (p *puller) config(m *document) (pulledConfig, error) {
	c := pulledConfig{id: m.Config.Digest.Encoded()}
	switch m.Config.MediaType {
	case registry.DockerConfig, ocispec.MediaTypeImageConfig, "":
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
	if c.Image, err = parseImage(c.raw); err != nil {
		return c, err
	}
	if len(c.RootFS.DiffIDs) != len(m.Layers) {
		return c, fmt.Errorf("read configuration: %d layers, but the manifest has %d", len(c.RootFS.DiffIDs), len(m.Layers))
	}
	if p.o.Platform != "" && platform.Suits(p.platform, c.Platform) == 0 {
		return c, &NoMatchError{Platform: p.platform, Image: p.ref.Familiar(), Have: []string{platform.String(c.Platform)}}
	}
	return c, nil
}

// layers makes sure that all layers are in the store, and reports whether any
// was not. Downloads and extraction run beside each other; layers become part
// of the store in order, from the base up.
func (p *puller) layers(m *document, diffIDs []digest.Digest) (chain []overlay.LayerID, fetched bool, err error) {
	ctx, cancel := context.WithCancel(p.ctx)
	defer cancel()
	chain, have := present(p.st, diffIDs)
	for i, desc := range m.Layers {
		status := StatusPulling
		if i < have {
			// That the manifest calls it by this digest proves nothing: only
			// what has been fetched and unpacked is remembered for a push.
			status = StatusExists
		}
		p.o.Events(Event{Layer: short(desc.Digest), Status: status})
	}
	staged := make([]chan stagedLayer, len(diffIDs))
	slots := make(limiter, parallelPull)
	for i := have; i < len(diffIDs); i++ {
		staged[i] = make(chan stagedLayer, 1)
		go func() {
			slots.enter()
			defer slots.leave()
			s, err := p.stage(ctx, m.Layers[i], diffIDs[i])
			staged[i] <- stagedLayer{s, err}
		}()
	}
	for i := have; i < len(diffIDs); i++ {
		s := <-staged[i]
		switch {
		case err != nil: // an earlier one failed
		case s.err != nil:
			err = s.err
		default:
			err = p.commit(s.Staged, parentOf(chain, i), m.Layers[i])
		}
		if err != nil {
			cancel()
			if s.Staged != nil {
				_ = s.Discard()
			}
		}
	}
	return chain, have < len(diffIDs), err
}

func parentOf(chain []overlay.LayerID, i int) overlay.LayerID {
	if i == 0 {
		return ""
	}
	return chain[i-1]
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
	body, err := p.repo.Blob(ctx, desc)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	r := &progressReader{Reader: body, report: p.o.Events, event: Event{Layer: short(desc.Digest), Status: StatusDownloading, Total: desc.Size}}
	s, err := stage(ctx, p.st, r, diffID)
	if err != nil {
		return nil, fmt.Errorf("layer %s: %w", short(desc.Digest), err)
	}
	p.o.Events(Event{Layer: short(desc.Digest), Status: StatusDownloaded})
	return s, nil
}

func (p *puller) commit(s *overlay.Staged, parent overlay.LayerID, desc ocispec.Descriptor) error {
	var blob *overlay.Blob
	if isLayerType(desc.MediaType) {
		blob = &overlay.Blob{Digest: desc.Digest, Size: desc.Size, MediaType: desc.MediaType}
	}
	_, err := p.st.Commit(s, parent, blob)
	if err == nil {
		p.o.Events(Event{Layer: short(desc.Digest), Status: StatusPulled})
	}
	return err
}

// RemoteError says, in Docker's words, that a registry has not what was asked for,
// or gives it to others only. It is plain data.
type RemoteError struct {
	Message string
	Advice  string // what the user can do, or empty
	Status  int    // that the registry answered with
	err     error  // known only to the process that asked
}

func (e *RemoteError) Error() string { return e.Message }
func (e *RemoteError) Unwrap() error { return e.err }

// Hint is what the user can do, or empty.
func (e *RemoteError) Hint() string { return e.Advice }

// Missing reports whether a registry has answered that it has no such thing, or
// none for this user: Docker's engine tells the two not apart.
func (e *RemoteError) Missing() bool {
	return e.Status == http.StatusNotFound || e.Status == http.StatusUnauthorized || e.Status == http.StatusForbidden
}

func remoteError(re *registry.Error, format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	return &RemoteError{Message: err.Error(), Advice: re.Hint(), Status: re.Status, err: errors.Unwrap(err)}
}

// pullError says in Docker's words why a pull failed.
func pullError(ref Ref, err error) error {
	var re *registry.Error
	if !errors.As(err, &re) {
		return err
	}
	switch {
	case re.Denied(), re.Code == "NAME_UNKNOWN" && ref.Domain() == "docker.io":
		return remoteError(re, "pull access denied for %s, repository does not exist or may require 'docker login': %w", ref.FamiliarRepository(), err)
	case re.Status == http.StatusNotFound:
		return remoteError(re, "manifest for %s not found: %w", ref.Familiar(), err)
	}
	return err
}
