// SPDX-License-Identifier: Apache-2.0

package dockerfile

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/docker/go-units"

	"coracle/pkg/dockerfile/files"
	"coracle/pkg/dockerfile/parse"
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
type Context struct {
	Dir   string // on the host
	Image string
}

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
	b := &builder{
		ctx: ctx, cancel: cancel, st: st, images: images, runner: run, o: o,
		tell:  &teller{ctx: ctx, send: events},
		slots: make(chan struct{}, runtime.GOMAXPROCS(0)),
		bases: map[string]*base{}, contexts: map[string]*namedContext{}, used: map[string]bool{},
		layerTrees: map[overlay.LayerID]*files.Tree{}, flights: map[cacheKey]*flight{},
	}
	defer b.close()
	res, err := b.build()
	if err != nil {
		return res, b.locate(err)
	}
	return res, nil
}

type builder struct {
	ctx    context.Context
	cancel context.CancelFunc
	st     *overlay.Store
	images Images
	runner Runner
	o      Options
	tell   *teller
	slots  chan struct{} // one is held by each step that works

	// Written before the first stage begins, then only read.
	file    *parse.File
	metaVar lookup     // the ARGs before the first FROM
	epoch   *time.Time // the SOURCE_DATE_EPOCH, or nil
	context *files.Tree
	sums    *files.Sums
	jobs    []*job
	start   func(stage int)

	mu         sync.Mutex
	failed     error         // the first failure, which canceled the others
	trees      []*files.Tree // open: of images and stages that COPY --from reads, of downloads
	layerTrees map[overlay.LayerID]*files.Tree
	flights    map[cacheKey]*flight
	bases      map[string]*base
	contexts   map[string]*namedContext
	used       map[string]bool // build arguments that something asked for
	warnings   []string
}

func (b *builder) close() {
	for _, t := range b.trees {
		t.Close()
	}
	if b.context != nil {
		b.context.Close()
	}
}

func (b *builder) build() (Result, error) {
	if err := b.load(); err != nil {
		return Result{}, err
	}
	target, err := b.file.Target(b.o.Target)
	if err != nil {
		return Result{}, err
	}
	needed, err := b.needed(target)
	if err != nil {
		return Result{}, err
	}
	s, err := b.runStages(target, needed)
	if err != nil {
		b.sums.Save(false)
		return Result{}, err
	}
	b.sums.Save(true)
	return b.export(s)
}

// job is a stage that is being built by a goroutine of its own.
type job struct {
	once  sync.Once
	done  chan struct{}
	stage *stage
	err   error
}

// runStages builds the stages at the same time, as far as one does not need
// another, and returns the target. It returns when all have ended.
func (b *builder) runStages(target int, needed map[int]bool) (*stage, error) {
	b.jobs = make([]*job, len(b.file.Stages))
	for i := range b.jobs {
		b.jobs[i] = &job{done: make(chan struct{})}
	}
	var all sync.WaitGroup
	start := func(i int) {
		b.jobs[i].once.Do(func() {
			all.Go(func() {
				j := b.jobs[i]
				defer close(j.done)
				if j.stage, j.err = b.stage(i); j.err != nil {
					b.fail(j.err)
				}
			})
		})
	}
	b.start = start
	for i := range b.jobs {
		if needed[i] {
			start(i)
		}
	}
	all.Wait()
	if b.failed != nil {
		return nil, b.failed
	}
	return b.jobs[target].stage, nil
}

// fail keeps the first failure and ends everything else.
func (b *builder) fail(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.failed == nil {
		b.failed = err
	}
	b.cancel()
}

// wait returns an earlier stage when it is there. One that nobody needed until
// now, but for a trigger of a base image, is begun.
//
// Preconditions: the caller holds no slot.
func (b *builder) wait(i int) (*stage, error) {
	b.start(i)
	j := b.jobs[i]
	<-j.done
	return j.stage, j.err
}

// slot takes one of the places of those that work at the same time.
func (b *builder) slot() (release func(), err error) {
	select {
	case b.slots <- struct{}{}:
		return func() { <-b.slots }, nil
	case <-b.ctx.Done():
		return nil, b.ctx.Err()
	}
}

// warn keeps a warning for the end.
func (b *builder) warn(text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !slices.Contains(b.warnings, text) {
		b.warnings = append(b.warnings, text)
	}
}
