// SPDX-License-Identifier: Apache-2.0

package dockerfile

import (
	"context"
	"io"

	"github.com/docker/go-units"

	"coracle/pkg/dockerfile/cache"
	"coracle/pkg/dockerfile/exec"
	"coracle/pkg/dockerfile/plan"
	"coracle/pkg/overlay"
	"coracle/pkg/state"
)

// Options say what to build. They are plain data, but for what the caller has
// open and keeps: Source, Secrets, and the Tar of an output.
type Options struct {
	ContextDir string    // empty without a context
	Dockerfile string    // a path on the host; with an archive, in that
	Source     io.Reader `json:"-"` // the Dockerfile; without ContextDir it may be an archive, which is the context
	Names      []string  // canonical names for the result

	BuildArgs map[string]string
	Labels    map[string]string
	Target    string
	Platform  string
	Network   string   // for RUN: "", none, host
	AddHosts  []string // for RUN
	NoCache   bool
	// NoCacheFilter are names of stages that take nothing from the cache.
	NoCacheFilter []string
	// Contexts replace stages and images of their names, which are lower-case.
	Contexts map[string]Context
	Ulimits  []units.Ulimit // for RUN

	Outputs      []Destination
	NoImage      bool // nothing goes into the store but the cache
	RewriteTimes bool // none in new layers is after SOURCE_DATE_EPOCH
	Pull         bool
	Secrets      map[string]Secret `json:"-"` // by ID
	ShmSize      int64
}

// Context is what a name stands for: one of the two.
type Context = plan.Context

// Image is an image configuration with Docker's additions to the OCI format.
type Image = plan.Image

// Configure applies instructions that only change the configuration, those of
// commit and import --change. Its texts are Docker's.
func Configure(image *Image, changes []string) error { return plan.Configure(image, changes) }

// Secret reads a secret, when it is asked for.
type Secret = exec.Secret

// Images finds base images.
type Images interface {
	// Resolve returns the image that a name stands for, pulling it when it is
	// not there or when pull says so.
	Resolve(ctx context.Context, ref, platform string, pull bool) (overlay.Details, error)
}

// What RUN needs of whoever runs commands.
type (
	// Runner runs a command on layers.
	Runner = exec.Runner
	// Step is a command to run.
	Step = exec.Step
	// StepMount is a mount for one command.
	StepMount = exec.StepMount
	// ExitError says that a command ran and failed.
	ExitError = exec.ExitError
)

// Result is what a build gives.
type Result struct {
	Image    overlay.Image
	Warnings []string
}

// Build carries out a Dockerfile. What happens is told to events, one event at
// a time.
//
// Preconditions: the process is inside the user namespace, in a mount
// namespace of its own.
func Build(ctx context.Context, st *overlay.Store, images Images, run Runner, o Options, events func(Event)) (Result, error) {
	// Whoever prunes the cache waits for us: layers that no image has yet are
	// not garbage while they are being built on.
	lock, err := cache.Lock(ctx, st.Dirs(), state.Shared)
	if err != nil {
		return Result{}, err
	}
	defer lock.Release()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	j := &exec.Job{
		Ctx: ctx, Cancel: cancel, Store: st, Tell: exec.NewTeller(ctx, events),
		Trees: exec.NewTrees(st), Cache: cache.Open(st, o.NoCache),
	}
	defer j.Trees.Close()
	src := &sources{Job: j, o: &o}
	defer src.close()
	res, err := build(src, images, run)
	if err != nil {
		return res, locate(ctx, src.file, err)
	}
	return res, nil
}

func build(src *sources, images Images, run Runner) (Result, error) {
	if err := src.load(); err != nil {
		return Result{}, err
	}
	j, o := src.Job, src.o
	b := newBases(src, images)
	g, err := b.plan()
	if err != nil {
		return Result{}, err
	}
	for _, w := range g.Warnings {
		j.Warn(w)
	}
	s := exec.New(j, exec.Options{
		Runner: run, Context: src.context, Sums: src.sums, Images: b.found,
		AddHosts: o.AddHosts, ShmSize: o.ShmSize, Secrets: o.Secrets, RewriteTimes: o.RewriteTimes,
	}, g)
	err = s.Solve()
	src.sums.Save(err == nil)
	if err != nil {
		return Result{}, err
	}
	e := &exporter{Job: j, Result: g.Result, o: o, layers: s.Layers(g.Result.Top), epoch: g.Epoch}
	return e.export()
}
