// SPDX-License-Identifier: Apache-2.0

package reference

import (
	"errors"
	"fmt"
	"strings"
)

// ErrInvalid is what every malformed name is, in Docker's words.
var ErrInvalid = errors.New("invalid reference format")

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

// Parse reads a name as a user types it: busybox, user/app:1.0,
// localhost:5000/x@sha256:…
func Parse(s string) (Ref, error) {
	if IsFullID(s) {
		return Ref{}, fmt.Errorf("%w: cannot specify 64-byte hexadecimal strings", ErrInvalid)
	}
	r := split(s)
	switch {
	case strings.Contains(s, "@") && !isDigest(r.digest), r.tagged && !isTag(r.tag):
		return Ref{}, ErrInvalid
	case strings.ToLower(r.path) != r.path:
		return Ref{}, fmt.Errorf("%w: repository name (%s) must be lowercase", ErrInvalid, r.path)
	case !isDomain(r.domain) || !isPath(r.path) || len(r.path) > 255:
		return Ref{}, ErrInvalid
	}
	return r.Ref, nil
}

// Complete is a name with registry, path, and tag or digest, or both, for those
// who read: it need not be a right one.
func Complete(s string) string {
	r := split(s)
	name := r.Repository()
	if r.tag != "" {
		name += ":" + r.tag
	}
	if r.digest != "" {
		name += "@" + r.digest
	}
	return name
}

// parts are those of a name, right or wrong.
type parts struct {
	Ref
	tagged bool // the tag is the name's own
}

func split(s string) (p parts) {
	rest, dig, _ := strings.Cut(s, "@")
	p.digest = dig
	if i := strings.LastIndexByte(rest, ':'); i > strings.LastIndexByte(rest, '/') {
		p.tag, rest, p.tagged = rest[i+1:], rest[:i], true
	}
	p.domain, p.path = splitDomain(rest)
	if !p.tagged && p.digest == "" {
		p.tag = defaultTag
	}
	return p
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

// Split divides a canonical name into repository and tag, or repository
// and digest, both as Docker shows them.
func Split(name string) (repo, tag string) {
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
