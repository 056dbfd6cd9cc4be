// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/parser"

	"coracle/pkg/dockerfile/parse"
	"coracle/pkg/oci/platform"
	"coracle/pkg/oci/reference"
)

// Input is what a plan is made from. Nothing of it is changed but the
// instructions of File, in which Make replaces variables by their values.
type Input struct {
	File          *parse.File
	Target        string // a stage's name, or empty for the last
	Platform      string // of the result; empty means this machine's
	Network       string // of each RUN that says nothing: "", none, host
	BuildArgs     map[string]string
	NoCacheFilter []string           // names of stages that take nothing from the cache
	Contexts      map[string]Context // by lower-case name: in place of the stages and images of that name
	NoContext     bool               // there are no files that COPY could read
	Images        map[string]Found   // what the images of Needs are, by Ref.Key
}

// Context is what a name stands for: one of the three.
type Context struct {
	Dir   string // on the host
	Image string
	Sent  string // a directory of the client's, as that calls it
}

// Ref names an image, as the Dockerfile does.
type Ref struct{ Name, Platform string }

// Key is one for all names of an image.
func (r Ref) Key() string {
	p, _ := platform.Parse(r.Platform) // Needs refuses what is none
	return platform.String(p) + " " + reference.Complete(r.Name)
}

// Found is what is known of an image.
type Found struct {
	Image
	Digests []string // REPOSITORY@DIGEST, the names that will not mean another image
}

// Need is an image that has to be found before there can be a plan.
type Need struct {
	Ref
	Where []parser.Range // the instruction that asks for it
}

// named returns what --build-context says of a name. "scratch" is never one.
func (in *Input) named(name string) (Context, bool) {
	c, ok := in.Contexts[strings.ToLower(name)]
	return c, ok && name != "scratch"
}
