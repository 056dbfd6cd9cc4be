// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"coracle/pkg/oci/platform"
	"coracle/pkg/oci/registry"
)

// What an image may have. Registries and archives are made by others, and
// everything in them costs us memory or files.
const (
	maxLayers  = 500
	maxConfig  = 8 << 20
	maxEntries = 1000 // of an index
)

// document is a manifest or an index; which of both, its lists tell.
type document struct {
	SchemaVersion int                  `json:"schemaVersion"`
	MediaType     string               `json:"mediaType"`
	Config        ocispec.Descriptor   `json:"config"`
	Layers        []ocispec.Descriptor `json:"layers"`
	Manifests     []ocispec.Descriptor `json:"manifests"`
	FSLayers      []json.RawMessage    `json:"fsLayers"`
}

func isIndexType(t string) bool { return t == registry.DockerIndex || t == ocispec.MediaTypeImageIndex }

// isLayerType reports whether a media type is one that a manifest of ours may
// name again.
func isLayerType(t string) bool {
	switch t {
	case registry.DockerLayer, ocispec.MediaTypeImageLayer, ocispec.MediaTypeImageLayerGzip, ocispec.MediaTypeImageLayerZstd:
		return true
	}
	return false
}

// schema1Error is an image in a form that ended in 2019.
type schema1Error struct{}

func (schema1Error) Error() string {
	return "image manifest version 2, schema 1 is not supported any more: it cannot be verified"
}

func (schema1Error) Hint() string {
	return "ask the image's owner to push it again with a current engine, or convert it with skopeo copy --format v2s2"
}

// parseDocument reads a manifest or index and checks its form.
func parseDocument(data []byte, mediaType string) (*document, error) {
	if mediaType == registry.Schema1 || mediaType == registry.Schema1Signed {
		return nil, schema1Error{}
	}
	var d document
	if err := json.Unmarshal(data, &d); err != nil {
		return nil, fmt.Errorf("parse manifest: %w", err)
	}
	index := d.Manifests != nil
	switch {
	case d.SchemaVersion == 1 || d.FSLayers != nil:
		return nil, schema1Error{}
	case d.SchemaVersion != 2:
		return nil, fmt.Errorf("parse manifest: unknown schema version %d", d.SchemaVersion)
	case index && (d.Layers != nil || d.Config.Digest != ""):
		// One reader would see an image, the other an index (CVE-2021-41190).
		return nil, errors.New("parse manifest: it has both layers and manifests")
	case index == (mediaType == registry.DockerManifest || mediaType == ocispec.MediaTypeImageManifest) && mediaType != "" && (index || isIndexType(mediaType)):
		return nil, fmt.Errorf("parse manifest: media type %s does not fit the content", mediaType)
	case !index && d.Config.Digest == "":
		return nil, errors.New("parse manifest: no configuration: this is not an image")
	case len(d.Layers) > maxLayers:
		return nil, fmt.Errorf("parse manifest: %d layers are more than %d", len(d.Layers), maxLayers)
	case len(d.Manifests) > maxEntries:
		return nil, fmt.Errorf("parse manifest: %d entries are more than %d", len(d.Manifests), maxEntries)
	}
	for _, desc := range slices.Concat(d.Layers, d.Manifests, []ocispec.Descriptor{d.Config}) {
		if index && desc.Digest == "" && desc.Size == 0 {
			continue // the configuration that an index has not
		}
		if err := checkDescriptor(desc); err != nil {
			return nil, fmt.Errorf("parse manifest: %w", err)
		}
	}
	return &d, nil
}

// checkDescriptor refuses digests that are not sha256: they become names of
// files and parts of URLs.
func checkDescriptor(d ocispec.Descriptor) error {
	if d.Digest.Validate() != nil || d.Digest.Algorithm() != digest.SHA256 {
		return fmt.Errorf("%.100q is not a sha256 digest", string(d.Digest))
	}
	if d.Size < 0 {
		return fmt.Errorf("%s has a negative size", d.Digest)
	}
	return nil
}

// ParsePlatform reads linux/arm64/v8, linux/amd64, or arm64; empty is the
// host's. Images of other operating systems than linux are of no use here.
func ParsePlatform(s string) (ocispec.Platform, error) {
	p, err := platform.Parse(s)
	if err == nil && p.OS != "linux" {
		err = fmt.Errorf("operating system %q is not supported: only linux is", p.OS)
	}
	return p, err
}

// NoMatchError is an index without an image for the platform, or an image that is for
// another one.
type NoMatchError struct {
	Platform ocispec.Platform
	Have     []string
	Image    string // that is no index, as users write it
}

func (e *NoMatchError) Error() string {
	if e.Image != "" {
		return fmt.Sprintf("image with reference %s was found but does not provide the specified platform (%s)", e.Image, platform.String(e.Platform))
	}
	return "no matching manifest for " + platform.String(e.Platform) + " in the manifest list entries"
}

// Hint names the platforms there are.
func (e *NoMatchError) Hint() string {
	if len(e.Have) == 0 {
		return ""
	}
	return "the image exists for " + strings.Join(e.Have, ", ")
}

// maxUnnamed is how many entries of an index without a platform are looked at.
const maxUnnamed = 16

// isAttestation tells what BuildKit puts beside images: statements about them.
func isAttestation(d ocispec.Descriptor) bool {
	return d.Annotations["vnd.docker.reference.type"] == "attestation-manifest" ||
		d.Platform != nil && d.Platform.OS == "unknown"
}

// choose picks from an index what may be the image for a platform: the entry
// that suits it best, or else those that have no platform, whose configurations
// say the rest.
func choose(list []ocispec.Descriptor, want ocispec.Platform) ([]ocispec.Descriptor, error) {
	var best ocispec.Descriptor
	var unnamed []ocispec.Descriptor
	score := 0
	missing := &NoMatchError{Platform: want}
	for _, d := range list {
		if isAttestation(d) {
			continue
		}
		if d.Platform == nil || d.Platform.OS == "" {
			unnamed = append(unnamed, d)
			continue
		}
		if s := platform.Suits(want, *d.Platform); s > score {
			best, score = d, s
		}
		missing.Have = append(missing.Have, platform.String(*d.Platform))
	}
	switch {
	case score > 0:
		return []ocispec.Descriptor{best}, nil
	case len(unnamed) > 0:
		return unnamed[:min(len(unnamed), maxUnnamed)], nil
	}
	return nil, missing
}
