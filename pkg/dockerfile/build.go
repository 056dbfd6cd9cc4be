// SPDX-License-Identifier: Apache-2.0

package dockerfile

import (
	"context"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/docker/go-units"

	"coracle/pkg/dockerfile/files"
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
type Secret func(ctx context.Context) ([]byte, error)

// Images finds base images.
type Images interface {
	// Resolve returns the image that a name stands for, pulling it when it is
	// not there or when pull says so.
	Resolve(ctx context.Context, ref, platform string, pull bool) (overlay.Details, error)
}

// Runner runs a command on layers.
type Runner interface {
	// Run returns an *ExitError when the command failed.
	Run(ctx context.Context, s Step) error
}

// Step is a command to run.
type Step struct {
	Lowers         []string // directories of the layers below, topmost first
	Upper, Work    string   // where changes go
	Args, Env      []string
	Dir, User      string
	Network        string
	AddHosts       []string
	ShmSize        int64
	Mounts         []StepMount
	Stdout, Stderr io.Writer
}

// StepMount is a mount for one command.
type StepMount struct {
	Type     string // bind or tmpfs
	Source   string // on the host
	Target   string
	ReadOnly bool
	Size     int64 // of a tmpfs
}

// ExitError says that a command ran and failed.
type ExitError struct{ Code int }

func (e *ExitError) Error() string { return fmt.Sprintf("exit code: %d", e.Code) }

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
	lock, err := LockCache(ctx, st.Dirs(), state.Shared)
	if err != nil {
		return Result{}, err
	}
	defer lock.Release()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	j := &job{
		ctx: ctx, cancel: cancel, st: st, o: o, tell: &teller{ctx: ctx, send: events},
		trees: &trees{st: st, layers: map[overlay.LayerID]*files.Tree{}}, cache: &cache{st: st, off: o.NoCache}, warned: &warnings{},
	}
	defer j.trees.close()
	src := &sources{job: j}
	defer src.close()
	res, err := j.build(src, images, run)
	if err != nil {
		return res, locate(ctx, src.file, err)
	}
	return res, nil
}

// job is what all parts of one build share.
type job struct {
	ctx    context.Context
	cancel context.CancelFunc
	st     *overlay.Store
	o      Options
	tell   *teller
	trees  *trees
	cache  *cache
	warned *warnings
}

func (j *job) build(src *sources, images Images, run Runner) (Result, error) {
	if err := src.load(); err != nil {
		return Result{}, err
	}
	bases := newBases(j, images)
	g, err := bases.plan(src)
	if err != nil {
		return Result{}, err
	}
	for _, w := range g.Warnings {
		j.warn(w)
	}
	s := newSolver(j, src, bases, run, g)
	err = s.solve(g.Vertices)
	src.sums.Save(err == nil)
	if err != nil {
		return Result{}, err
	}
	e := &exporter{job: j, Result: g.Result, layers: s.layersOf(g.Result.Top), epoch: g.Epoch}
	return e.export()
}

// warn keeps a warning for the end.
func (j *job) warn(text string) { j.warned.add(text) }

// commit makes a layer of a directory.
func (j *job) commit(d *overlay.Dir, parent overlay.LayerID, lowers []string) (overlay.LayerID, error) {
	staged, err := j.st.StageDir(j.ctx, d, lowers)
	if err != nil {
		return "", err
	}
	for _, name := range staged.Reserved {
		j.warn(fmt.Sprintf("/%s was left out: in a layer, names that begin with .wh. stand for what is removed", name))
	}
	return j.st.Commit(staged, parent, nil)
}

// warnings are each said once.
type warnings struct {
	mu   sync.Mutex
	list []string
}

func (w *warnings) add(text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !slices.Contains(w.list, text) {
		w.list = append(w.list, text)
	}
}

func (w *warnings) all() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.list
}
