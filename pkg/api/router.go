// SPDX-License-Identifier: Apache-2.0

package api

import (
	"net/http"
	"slices"
	"strings"
	"sync"

	"coracle/pkg/docker"
)

// endpoint is one thing that can be asked for.
type endpoint struct {
	method string
	// pattern is a path without a version. At most one part of it, {name}, stands for
	// whatever is there, slashes too: names of images have some.
	pattern string
	do      handler
	since   string // the version of Docker's interface that has it first; empty: all
}

// handler answers a call; its error is the answer, unless that has begun.
type handler func(*call) error

// table is all there is. Within a method the first pattern that fits counts: those
// without a part in braces come first.
func table() []endpoint {
	all := slices.Concat(systemEndpoints(), containerEndpoints(), attachEndpoints(), execEndpoints(), logEndpoints(), archiveEndpoints(),
		imageEndpoints(), buildEndpoints(), networkEndpoints(), volumeEndpoints(), absentEndpoints())
	slices.SortStableFunc(all, func(a, b endpoint) int { return strings.Count(a.pattern, "{") - strings.Count(b.pattern, "{") })
	return all
}

// routes is the table, made once.
var routes = sync.OnceValue(table)

// pageNotFound is the answer about a path, or a method of it, that is not there.
var pageNotFound = &docker.Refusal{Kind: docker.NotFound, Message: "page not found"}

// find returns who answers, or nil, and tells the call what the part in braces is.
func find(c *call, method, path string) handler {
	for _, e := range routes() {
		name, fits := match(e.pattern, path)
		if e.method == method && fits {
			c.name = name
			return e.do
		}
	}
	if method == http.MethodOptions {
		return func(c *call) error { return c.done(http.StatusOK) }
	}
	return nil
}

// match reports whether a path fits a pattern, and what the part in braces is.
func match(pattern, path string) (name string, fits bool) {
	before, rest, braced := strings.Cut(pattern, "{")
	if !braced {
		return "", pattern == path
	}
	_, after, _ := strings.Cut(rest, "}")
	name, fits = strings.CutPrefix(path, before)
	if fits {
		name, fits = strings.CutSuffix(name, after)
	}
	if !fits || name == "" {
		return "", false
	}
	return name, true
}

// Endpoint is a line of the table of what is there, for documents.
type Endpoint struct{ Method, Pattern, Since string }

// Endpoints are all that there are, by their paths.
func Endpoints() []Endpoint {
	var list []Endpoint
	for _, e := range routes() {
		list = append(list, Endpoint{e.method, e.pattern, e.since})
	}
	slices.SortStableFunc(list, func(a, b Endpoint) int { return strings.Compare(a.Pattern, b.Pattern) })
	return list
}
