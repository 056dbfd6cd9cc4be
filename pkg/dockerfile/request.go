// SPDX-License-Identifier: Apache-2.0

package dockerfile

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/docker/go-units"

	"coracle/pkg/dockerfile/plan"
	"coracle/pkg/network"
	"coracle/pkg/oci/registry"
)

// Request asks for a build. Where Docker's API has a field, it has its name. It
// is data, as JSON has it, but for the files, which the caller has open and keeps.
type Request struct {
	ContextDir string // absolute; empty without a context
	Dockerfile string // a path on the host; with an archive, in that
	// Source is the Dockerfile; without ContextDir it may be an archive, which is
	// the context. Nil: the Dockerfile is a file on the host.
	Source *os.File `json:"-"`
	// Archive says that Source is one, whatever it begins with.
	Archive bool
	Tags    []string // canonical names for the result

	BuildArgs   map[string]string
	Labels      map[string]string
	Target      string   // a stage's name; empty: the last
	Platform    string   // empty: this machine's
	NetworkMode string   // for RUN: "" or "default", none, host
	ExtraHosts  []string // for RUN: NAME:IP, NAME:host-gateway
	NoCache     bool
	// NoCacheFilter are names of stages that take nothing from the cache.
	NoCacheFilter []string
	PullParent    bool // registries are asked for images that are here, too
	// Contexts replace stages and images of their names, which are lower-case.
	Contexts map[string]Context
	Ulimits  []units.Ulimit // for RUN
	ShmSize  int64          // bytes, for RUN; 0: 64 MiB
	Secrets  []Secret

	Outputs      []Destination // none: the store
	RewriteTimes bool          // none in new layers is after SOURCE_DATE_EPOCH
	TellPlan     bool          // events tell of all instructions before the first is carried out

	Access registry.Access // who asks registries
}

// Context is what a name stands for: one of the two.
type Context = plan.Context

// Destination is where a result goes. Its type is one of BuildKit's:
//
//	image      the store
//	docker     the store, and an archive where there is a File
//	oci        likewise
//	local      the files, into the directory Dir, where they belong to the caller; with
//	           a File as an archive, for a directory that is elsewhere
//	tar        the files with their owners, as an archive, into File
//	cacheonly  nowhere
type Destination struct {
	Type string
	Dir  string   // absolute
	File *os.File `json:"-"`
}

// KeepsImage reports whether the result becomes an image in the store.
func (r *Request) KeepsImage() bool {
	return len(r.Outputs) == 0 || slices.ContainsFunc(r.Outputs, func(o Destination) bool {
		return o.Type == "image" || o.Type == "docker" || o.Type == "oci"
	})
}

// Check refuses what no build can be given.
func (r *Request) Check() error {
	if _, err := network.ParseAddHosts(r.ExtraHosts); err != nil {
		return err
	}
	switch r.NetworkMode {
	case "", "default", network.Bridge, network.None, network.Host:
	default:
		return fmt.Errorf("network mode %q not supported by a build: use default, none or host", r.NetworkMode)
	}
	return nil
}

// runNetwork is the network of a RUN that says nothing: empty, none or host.
func (r *Request) runNetwork() string {
	if r.NetworkMode == "default" || r.NetworkMode == network.Bridge {
		return ""
	}
	return r.NetworkMode
}

// parcel is a request on its way to a worker: its files are numbers among the
// descriptors that go along, from 1, and 0 for none.
type parcel struct {
	Request Request
	Source  int
	Secrets []int
	Outputs []int
	Client  int // where the client is asked
}

// pack is a request as a parcel, and the files that go along.
func pack(r Request) (parcel, []*os.File) {
	p := parcel{Request: r}
	var list []*os.File
	number := func(f *os.File) int {
		if f == nil {
			return 0
		}
		list = append(list, f)
		return len(list)
	}
	p.Source = number(r.Source)
	for _, s := range r.Secrets {
		p.Secrets = append(p.Secrets, number(s.File))
	}
	for _, o := range r.Outputs {
		p.Outputs = append(p.Outputs, number(o.File))
	}
	return p, list
}

// unpack is the request again.
func (p parcel) unpack(list []*os.File) (Request, error) {
	r := p.Request
	if len(p.Secrets) != len(r.Secrets) || len(p.Outputs) != len(r.Outputs) {
		return r, errors.New("read request: a file is missing")
	}
	var err error
	file := func(n int) *os.File {
		if n < 0 || n > len(list) {
			err = fmt.Errorf("read request: there is no file %d", n)
		}
		if n <= 0 || err != nil {
			return nil
		}
		return list[n-1]
	}
	r.Source = file(p.Source)
	for i, n := range p.Secrets {
		r.Secrets[i].File = file(n)
	}
	for i, n := range p.Outputs {
		r.Outputs[i].File = file(n)
	}
	return r, err
}
