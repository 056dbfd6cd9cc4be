// SPDX-License-Identifier: Apache-2.0

package docker

import (
	"strconv"
	"strings"

	"coracle/pkg/oci"
	"coracle/pkg/oci/registry"
)

// What a search has without a limit of its own, and the most that it may have.
const (
	searchLimit    = 25
	maxSearchLimit = 100
)

// SearchRequest is the search for a term as a user types it, with filters of the
// form key=value. What stands before the first slash is a registry if it has a dot
// or a colon, or is localhost; a limit of 0 is Docker's.
func SearchRequest(term string, limit int, filters []string) (r registry.SearchRequest, err error) {
	if err := searchFilters(&r, filters); err != nil {
		return r, err
	}
	if strings.Contains(term, "://") {
		return r, invalid("invalid repository name: repository name (%s) should not have a scheme", term)
	}
	r.Domain, r.Term = "docker.io", term
	if first, rest, ok := strings.Cut(term, "/"); ok && (strings.ContainsAny(first, ".:") || first == "localhost") {
		r.Domain, r.Term = first, rest
	}
	if r.Domain == "index.docker.io" {
		r.Domain = "docker.io"
	}
	if r.Domain == "docker.io" {
		r.Term = strings.TrimPrefix(r.Term, "library/")
	} else if ref, err := oci.ParseRef(r.Domain + "/x"); err != nil || ref.Domain() != r.Domain {
		return r, invalid("invalid repository name (%s): %q is not the name of a registry", term, r.Domain)
	}
	if r.Limit = limit; limit == 0 {
		r.Limit = searchLimit
	}
	if r.Limit < 1 || r.Limit > maxSearchLimit {
		return r, invalid("limit %d is outside the range of [1, %d]", limit, maxSearchLimit)
	}
	return r, nil
}

func searchFilters(r *registry.SearchRequest, list []string) error {
	f, err := parseFilters(list, "is-automated", "is-official", "stars")
	if err != nil {
		return err
	}
	automated, err := f.Bool("is-automated")
	if err != nil {
		return err
	}
	r.Automated = automated != nil && *automated
	if r.Official, err = f.Bool("is-official"); err != nil {
		return err
	}
	for _, v := range f["stars"] {
		n, err := strconv.Atoi(v)
		if err != nil {
			return invalid("invalid filter 'stars=%s': %w", v, err)
		}
		r.Stars = max(r.Stars, n)
	}
	return nil
}
