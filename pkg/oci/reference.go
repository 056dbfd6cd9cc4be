// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"errors"
	"fmt"
	"strings"

	"coracle/pkg/overlay"
	"coracle/pkg/state"
)

// ErrInvalidReference is what every malformed name is, in Docker's words.
var ErrInvalidReference = errors.New("invalid reference format")

// Ref is the name of an image, completed as Docker completes it.
type Ref struct {
	domain string // docker.io
	path   string // library/busybox
	tag    string
	digest string // sha256:…
}

const (
	defaultDomain = "docker.io"
	defaultTag    = "latest"
)

// ParseRef reads a name as a user types it: busybox, user/app:1.0,
// localhost:5000/x@sha256:…
func ParseRef(s string) (Ref, error) {
	if isFullID(s) {
		return Ref{}, fmt.Errorf("%w: cannot specify 64-byte hexadecimal strings", ErrInvalidReference)
	}
	rest, dig, hasDigest := strings.Cut(s, "@")
	var r Ref
	if hasDigest {
		if !isDigest(dig) {
			return Ref{}, ErrInvalidReference
		}
		r.digest = dig
	}
	if i := strings.LastIndexByte(rest, ':'); i > strings.LastIndexByte(rest, '/') {
		r.tag, rest = rest[i+1:], rest[:i]
		if !isTag(r.tag) {
			return Ref{}, ErrInvalidReference
		}
	}
	r.domain, r.path = splitDomain(rest)
	if strings.ToLower(r.path) != r.path {
		return Ref{}, fmt.Errorf("%w: repository name (%s) must be lowercase", ErrInvalidReference, r.path)
	}
	if !isDomain(r.domain) || !isPath(r.path) || len(r.path) > 255 {
		return Ref{}, ErrInvalidReference
	}
	if r.tag == "" && r.digest == "" {
		r.tag = defaultTag
	}
	return r, nil
}

// splitDomain tells a registry from the first part of a path: it has a dot or
// a port, is localhost, or has capital letters, which a path may not.
func splitDomain(s string) (domain, path string) {
	first, rest, ok := strings.Cut(s, "/")
	if !ok || !strings.ContainsAny(first, ".:") && first != "localhost" && strings.ToLower(first) == first {
		domain, path = defaultDomain, s
	} else {
		domain, path = first, rest
	}
	if domain == "index.docker.io" {
		domain = defaultDomain
	}
	if domain == defaultDomain && !strings.Contains(path, "/") {
		path = "library/" + path
	}
	return domain, path
}

// Name is the canonical name: docker.io/library/busybox:latest. A name with a
// digest has no tag in it.
func (r Ref) Name() string {
	if r.digest != "" {
		return r.Repository() + "@" + r.digest
	}
	return r.Repository() + ":" + r.tag
}

// Repository is the canonical name without tag and digest.
func (r Ref) Repository() string { return r.domain + "/" + r.path }

// Domain is the registry: docker.io, localhost:5000.
func (r Ref) Domain() string { return r.domain }

// Path is the repository within the registry: library/busybox.
func (r Ref) Path() string { return r.path }

// Tag is the tag, or empty.
func (r Ref) Tag() string { return r.tag }

// TaggedIn reports whether arg, which the name was read from, has its tag in it.
func (r Ref) TaggedIn(arg string) bool {
	return r.tag != "" && strings.HasSuffix(arg, ":"+r.tag) && len(arg) > len(r.tag)+1
}

// Digest is the digest, or empty.
func (r Ref) Digest() string { return r.digest }

// Familiar is the name as Docker shows it: busybox:latest.
func (r Ref) Familiar() string { return Familiar(r.Name()) }

// FamiliarRepository is busybox, or user/app, or localhost:5000/x.
func (r Ref) FamiliarRepository() string { return Familiar(r.Repository()) }

// WithTag is the same repository with another tag.
func (r Ref) WithTag(tag string) Ref {
	r.tag, r.digest = tag, ""
	return r
}

// Familiar shortens a canonical name.
func Familiar(name string) string {
	if rest, ok := strings.CutPrefix(name, defaultDomain+"/"); ok {
		name = strings.TrimPrefix(rest, "library/")
	}
	return name
}

// SplitName divides a canonical name into repository and tag, or repository
// and digest, both as Docker shows them.
func SplitName(name string) (repo, tag string) {
	name = Familiar(name)
	if repo, dig, ok := strings.Cut(name, "@"); ok {
		return repo, dig
	}
	i := strings.LastIndexByte(name, ':')
	if i < 0 {
		return name, ""
	}
	return name[:i], name[i+1:]
}

// NotFoundError says that no image has the given name or ID.
type NotFoundError struct{ Arg string }

func (e *NotFoundError) Error() string { return "No such image: " + e.Arg }

// Lookup finds an image by name, or by its ID or a beginning of it. name is the
// canonical form of what was found by name or digest, else empty. An image that
// is not there is a [*NotFoundError].
func Lookup(ix *overlay.Index, arg string) (img overlay.Image, name string, err error) {
	id, isID := strings.CutPrefix(arg, "sha256:")
	ref, perr := ParseRef(arg)
	if perr == nil && !isID {
		if img, ok := ix.Find(ref.Name()); ok {
			return img, ref.Name(), nil
		}
	}
	if state.IsHex(id) && len(id) <= 64 {
		var found []overlay.Image
		for _, img := range ix.Images {
			if strings.HasPrefix(img.ID, id) {
				found = append(found, img)
			}
		}
		switch len(found) {
		case 1:
			return found[0], "", nil
		case 0:
		default:
			return overlay.Image{}, "", fmt.Errorf("ambiguous reference: image ID prefix %s matches %d images", arg, len(found))
		}
	}
	if perr != nil && !isID && !isFullID(arg) {
		return overlay.Image{}, "", perr
	}
	shown := arg
	if perr == nil && !isID {
		shown = ref.Familiar()
	}
	return overlay.Image{}, "", &NotFoundError{Arg: shown}
}
