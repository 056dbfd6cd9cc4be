// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"coracle/pkg/oci/platform"
	"coracle/pkg/overlay"
)

// LoadOptions of Load.
type LoadOptions struct {
	Platform string      // of an archive with several; empty: the host's
	Events   func(Event) // called one at a time; nil: nobody watches
}

// Loaded is one image that an archive brought.
type Loaded struct {
	Image overlay.Image
	Names []string // canonical; none: the archive has none for it
	// Moved are the names that stood for other images, and the IDs of those.
	Moved map[string]string
}

// Load makes images of a docker-archive or an OCI layout in a tar stream, in
// any compression, or one image of a squashfs or SIF. The archive is hostile: every layer is checked against the
// configuration, and the configuration is what the ID is made of.
func Load(ctx context.Context, st *overlay.Store, in *os.File, o LoadOptions) ([]Loaded, error) {
	if format := formatOf(in); format != Archive {
		one, err := loadFilesystem(ctx, st, in, format)
		if err != nil {
			return nil, fmt.Errorf("load: %w", err)
		}
		return []Loaded{one}, nil
	}
	a, err := openArchive(ctx, st, in)
	if err != nil {
		return nil, fmt.Errorf("load: %w", err)
	}
	defer a.Close()
	l := &loader{st: st, a: a, events: o.Events}
	if l.events == nil {
		l.events = func(Event) {}
	}
	if l.platform, err = ParsePlatform(o.Platform); err != nil {
		return nil, err
	}
	var plans []plan
	switch {
	case a.has("manifest.json"):
		plans, err = l.dockerPlans()
	case a.has("index.json"):
		plans, err = l.layoutPlans()
	default:
		err = &notArchiveError{}
	}
	var done []Loaded
	for _, p := range plans {
		if err != nil {
			break
		}
		var one Loaded
		if one, err = l.load(ctx, p); err == nil {
			done = append(done, one)
		}
	}
	if err != nil {
		return done, fmt.Errorf("load: %w", err)
	}
	return done, nil
}

type notArchiveError struct{}

func (*notArchiveError) Error() string {
	return "not an image archive: neither manifest.json nor index.json in it"
}

func (*notArchiveError) Hint() string {
	return "a tar of a root file system becomes an image with import"
}

type loader struct {
	st       *overlay.Store
	a        *archiveFile
	platform ocispec.Platform
	events   func(Event)
}

// plan is one image of an archive, in either form.
type plan struct {
	config   []byte
	manifest []byte
	names    []string
	layers   []func() (io.Reader, error)
}

func (l *loader) dockerPlans() ([]plan, error) {
	data, err := l.a.read("manifest.json", maxConfig)
	if err != nil {
		return nil, err
	}
	var list []archiveEntry
	if err := json.Unmarshal(data, &list); err != nil {
		return nil, fmt.Errorf("parse manifest.json: %w", err)
	}
	var plans []plan
	for _, e := range list {
		p := plan{}
		if p.config, err = l.a.read(e.Config, maxConfig); err != nil {
			return nil, err
		}
		for _, tag := range e.RepoTags {
			ref, err := ParseRef(tag)
			if err != nil {
				return nil, fmt.Errorf("%.200q: %w", tag, err)
			}
			p.names = append(p.names, ref.Name())
		}
		if len(e.Layers) > maxLayers {
			return nil, fmt.Errorf("%d layers are more than %d", len(e.Layers), maxLayers)
		}
		for _, name := range e.Layers {
			p.layers = append(p.layers, func() (io.Reader, error) { return l.a.open(name) })
		}
		plans = append(plans, p)
	}
	return plans, nil
}

func (l *loader) layoutPlans() ([]plan, error) {
	data, err := l.a.read("index.json", maxConfig)
	if err != nil {
		return nil, err
	}
	doc, err := parseDocument(data, "")
	if err != nil {
		return nil, err
	}
	// Several entries without any name are one image for several platforms.
	entries, anyName := doc.Manifests, false
	for _, d := range entries {
		anyName = anyName || d.Annotations[annotationName]+d.Annotations[annotationTag] != ""
	}
	if !anyName && len(entries) > 1 {
		list, err := choose(entries, l.platform)
		if err != nil {
			return nil, err
		}
		p, err := l.first(list, 0)
		return []plan{p}, err
	}
	var plans []plan
	byDigest := map[digest.Digest]int{}
	for _, d := range entries {
		if isAttestation(d) {
			continue
		}
		if i, again := byDigest[d.Digest]; again {
			plans[i].names = append(plans[i].names, layoutNames(d)...)
			continue
		}
		p, err := l.layoutPlan(d)
		if err != nil {
			return nil, err
		}
		byDigest[d.Digest] = len(plans)
		plans = append(plans, p)
	}
	return plans, nil
}

// layoutNames is the name of an entry: a tag alone is none.
func layoutNames(d ocispec.Descriptor) []string {
	for _, name := range []string{d.Annotations[annotationName], d.Annotations[annotationTag]} {
		if ref, err := ParseRef(name); err == nil && ref.Digest() == "" && (name == d.Annotations[annotationName] || isFullName(name)) {
			return []string{ref.Name()}
		}
	}
	return nil
}

// isFullName tells docker.io/library/x:1 and x:1 from a tag.
func isFullName(s string) bool {
	for _, c := range s {
		if c == '/' || c == ':' {
			return true
		}
	}
	return false
}

func (l *loader) layoutPlan(d ocispec.Descriptor) (plan, error) {
	p, err := l.resolve(d, 0)
	p.names = layoutNames(d)
	return p, err
}

// resolve follows indexes to the manifest for the platform.
func (l *loader) resolve(d ocispec.Descriptor, depth int) (plan, error) {
	var p plan
	data, err := l.a.readBlob(d, maxManifestFile)
	if err != nil {
		return p, err
	}
	doc, err := parseDocument(data, d.MediaType)
	if err != nil {
		return p, err
	}
	if doc.Manifests == nil {
		p.manifest = data
		for _, layer := range doc.Layers {
			p.layers = append(p.layers, func() (io.Reader, error) { return l.a.blob(layer) })
		}
		p.config, err = l.a.readBlob(doc.Config, maxConfig)
		return p, err
	}
	if depth == maxDepth {
		return p, errors.New("too many indexes within one another")
	}
	list, err := choose(doc.Manifests, l.platform)
	if err != nil {
		return p, err
	}
	return l.first(list, depth)
}

// first is the first entry of an index that is an image for the platform.
func (l *loader) first(list []ocispec.Descriptor, depth int) (plan, error) {
	var first error
	for _, d := range list {
		p, err := l.resolve(d, depth+1)
		if err == nil {
			var c ocispec.Image
			if c, err = parseImage(p.config); err == nil && (len(list) == 1 || platform.Suits(l.platform, c.Platform) > 0) {
				return p, nil
			}
		}
		if first == nil {
			first = err
		}
	}
	if first == nil {
		first = &NoMatchError{Platform: l.platform}
	}
	return plan{}, first
}

const maxManifestFile = 4 << 20

// load brings one image into the store.
func (l *loader) load(ctx context.Context, p plan) (Loaded, error) {
	c, err := parseImage(p.config)
	if err != nil {
		return Loaded{}, err
	}
	diffIDs := c.RootFS.DiffIDs
	if len(diffIDs) != len(p.layers) {
		return Loaded{}, fmt.Errorf("%d layers in the configuration, but %d in the archive", len(diffIDs), len(p.layers))
	}
	chain, have := present(l.st, diffIDs)
	for i := have; i < len(chain); i++ {
		if err := l.layer(ctx, p.layers[i], chain[:i], diffIDs[i]); err != nil {
			return Loaded{}, err
		}
	}
	out := Loaded{Names: p.names, Moved: l.moved(p)}
	out.Image, err = l.st.CreateImage(ctx, overlay.NewImage{Config: p.config, Manifest: p.manifest, Layers: chain, Names: p.names})
	return out, err
}

func (l *loader) layer(ctx context.Context, open func() (io.Reader, error), below []overlay.LayerID, diffID digest.Digest) error {
	in, err := open()
	if err != nil {
		return err
	}
	bar := &progressReader{Reader: in, report: l.events, event: Event{Layer: short(diffID), Status: "Loading layer"}}
	if sized, ok := in.(interface{ Size() int64 }); ok {
		bar.event.Total = sized.Size()
	}
	staged, err := stage(ctx, l.st, bar, diffID)
	if err != nil {
		return fmt.Errorf("layer %s: %w", short(diffID), err)
	}
	var parent overlay.LayerID
	if len(below) > 0 {
		parent = below[len(below)-1]
	}
	_, err = l.st.Commit(staged, parent, nil)
	return err
}

// moved finds the names that another image has now.
func (l *loader) moved(p plan) map[string]string {
	ix, err := overlay.ReadIndex(l.st.Dirs())
	if err != nil {
		return nil
	}
	id := digest.FromBytes(p.config).Encoded()
	out := map[string]string{}
	for _, n := range p.names {
		if img, ok := ix.Find(n); ok && img.ID != id {
			out[n] = img.ID
		}
	}
	return out
}
