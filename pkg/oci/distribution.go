// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"context"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"coracle/pkg/oci/registry"
)

// Remote is what a registry says of a name.
type Remote struct {
	Descriptor ocispec.Descriptor // of what the name stands for: a manifest, or an index
	Platforms  []ocispec.Platform
}

// Inquire asks a registry what a name stands for, without pulling it.
func Inquire(ctx context.Context, c *registry.Client, ref Ref) (Remote, error) {
	repo, err := c.Repository(ref.Domain(), ref.Path(), registry.Pull)
	if err != nil {
		return Remote{}, err
	}
	r, err := inquire(ctx, repo, ref)
	if err != nil {
		return r, pullError(ref, err)
	}
	return r, nil
}

func inquire(ctx context.Context, repo *registry.Repository, ref Ref) (r Remote, err error) {
	tag := ref.Tag()
	if ref.Digest() != "" {
		tag = ref.Digest()
	}
	m, err := repo.Manifest(ctx, tag)
	if err != nil {
		return r, err
	}
	r = Remote{Descriptor: ocispec.Descriptor{MediaType: m.MediaType, Digest: m.Digest, Size: int64(len(m.Body))}, Platforms: []ocispec.Platform{}}
	doc, err := parseDocument(m.Body, m.MediaType)
	if err != nil {
		return r, err
	}
	if doc.Manifests != nil {
		for _, d := range doc.Manifests {
			if d.Platform != nil {
				r.Platforms = append(r.Platforms, *d.Platform)
			}
		}
		return r, nil
	}
	config, err := (&puller{ctx: ctx, repo: repo}).config(doc)
	r.Platforms = append(r.Platforms, config.Platform)
	return r, err
}
