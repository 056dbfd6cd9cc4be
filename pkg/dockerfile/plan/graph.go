// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/moby/buildkit/frontend/dockerfile/parser"
	dockerspec "github.com/moby/docker-image-spec/specs-go/v1"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Image is an image configuration with Docker's additions to the OCI format.
type Image struct{ dockerspec.DockerOCIImage }

// Graph is a build: vertices, and what the last one becomes.
type Graph struct {
	Vertices []*Vertex // each after those that it reads
	Result   Result
	Epoch    *time.Time // SOURCE_DATE_EPOCH, or nil
	Warnings []string
	// Instructions are all that the build carries out, in the order of the Dockerfile.
	Instructions []Instruction

	target Target
	args   []Arg
}

// Result is the image, without what only the layers say.
type Result struct {
	Top     *Vertex
	Image   Image
	History []ocispec.History
	Below   int // entries of the history that are the base image's
}

// Instruction is one of the Dockerfile.
type Instruction struct {
	Text    string  // as it is written; of a trigger, of the image below
	Vertex  *Vertex // whose step does its work; nil: it changes the configuration alone
	Trigger bool    // it is an ONBUILD of what the stage is built on
	On      int     // the number, from 1, of that on whose result it stands; 0: of none
}

// Vertex is something that has layers: those of its parent, and what its
// operation adds.
type Vertex struct {
	Title   string    // "[build 2/4] RUN make"; empty for what nobody is told of
	Parent  *Vertex   // nil for what begins with nothing
	Inputs  []*Vertex // what else has to be there
	Op      Op
	NoCache bool // takes nothing from the cache
	Where   []parser.Range
}

// Op is what a vertex does: Scratch, Base, FromDir, Run, Copy or Workdir.
type Op interface {
	// Key lists what decides the result, beside the layers of the parent. It is
	// empty for what needs no work.
	Key(f Facts) []string
	// String tells of it in the printed graph.
	String() string
}

// Facts are what a key needs of the world.
type Facts struct {
	Layers func(v *Vertex) []string // of an input, the lowest first
	Files  []string                 // digests of files of contexts: of a Copy or a FromDir one, of a Run one for each mount
}

// Scratch has no layers.
type Scratch struct{}

// Key is empty: there is nothing to do.
func (Scratch) Key(Facts) []string { return nil }

func (Scratch) String() string { return "scratch" }

// Base has the layers of an image.
type Base struct{ Ref Ref }

// Key is empty: the layers are there.
func (Base) Key(Facts) []string { return nil }

func (b Base) String() string { return "image " + b.Ref.Key() }

// FromDir has the files of a directory that --build-context gives a name to. It is on
// the host, or the client has it.
type FromDir struct{ Name, Dir, Sent string }

// Key is made of the files alone.
func (FromDir) Key(f Facts) []string { return append([]string{"context"}, f.Files...) }

func (d FromDir) String() string { return "context " + d.Name }

// String prints the graph: a line for each vertex, with its number, the number
// of its parent, and what it does.
//
//	0 image linux/amd64 docker.io/library/busybox:latest
//	1 <- 0 run ["/bin/sh" "-c" "make"]
func (g *Graph) String() string {
	number := map[*Vertex]int{}
	var b strings.Builder
	for i, v := range g.Vertices {
		number[v] = i
		fmt.Fprintf(&b, "%d ", i)
		if v.Parent != nil {
			fmt.Fprintf(&b, "<- %d ", number[v.Parent])
		}
		b.WriteString(v.Op.String())
		for _, in := range v.Inputs {
			fmt.Fprintf(&b, " reads %d", number[in])
		}
		if v.NoCache {
			b.WriteString(" no-cache")
		}
		if v.Title != "" {
			b.WriteString(" " + v.Title)
		}
		b.WriteString("\n")
	}
	return b.String()
}

// ContextPaths are the paths of the context that the graph takes: all for none. some
// is false where it takes no file at all. Paths may have wildcards.
func (g *Graph) ContextPaths() (paths []string, some bool) {
	all := false
	add := func(source string) {
		p := strings.TrimPrefix(path.Join("/", source), "/")
		all = all || p == "" || strings.ContainsRune(p, '\\')
		paths, some = append(paths, p), true
	}
	for _, v := range g.Vertices {
		switch op := v.Op.(type) {
		case Copy:
			if op.From == nil {
				for _, s := range op.SourcePaths {
					if !strings.Contains(s, "://") && !strings.HasPrefix(s, "git@") { // else it is fetched
						add(s)
					}
				}
			}
		case Run:
			for _, m := range op.Mounts {
				if m.Context {
					add(m.Source)
				}
			}
		}
	}
	if all {
		paths = nil
	}
	return paths, some
}
