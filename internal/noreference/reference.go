// SPDX-License-Identifier: Apache-2.0

// Package reference stands in, by a replace directive, for
// github.com/distribution/reference, whose regular expressions take 3 ms before
// main begins, in every command. compose-go asks for it in one place: to write the
// digests of images into a project, which coracle does by itself, with package
// oci/reference. Here are the names that this place needs to be compiled; none of
// them is reached.
package reference

import (
	"errors"

	"github.com/opencontainers/go-digest"
)

// Named is an image with a name.
type Named interface {
	String() string
	Name() string
}

// Canonical is one with a digest.
type Canonical interface {
	Named
	Digest() digest.Digest
}

// ParseDockerRef refuses.
func ParseDockerRef(string) (Named, error) { return nil, errors.ErrUnsupported }

// WithDigest refuses.
func WithDigest(Named, digest.Digest) (Canonical, error) { return nil, errors.ErrUnsupported }
