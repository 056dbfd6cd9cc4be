// SPDX-License-Identifier: Apache-2.0

package exec

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/moby/buildkit/frontend/dockerfile/parser"

	"coracle/pkg/dockerfile/cache"
	"coracle/pkg/dockerfile/files"
	"coracle/pkg/dockerfile/plan"
	"coracle/pkg/overlay"
)

// Options are what a solver needs beside the graph.
type Options struct {
	Runner   Runner
	Context  *files.Tree                // nil without one
	Sums     *files.Sums                // of the context; nil keeps none
	Images   map[string]overlay.Details // by plan.Ref.Key
	AddHosts []string                   // for RUN
	ShmSize  int64
	Secrets  map[string]Secret // by ID
	// Of a build whose client has what it is made from; nil otherwise:
	AskSecret    func(ctx context.Context, id string) ([]byte, error) // fs.ErrNotExist: there is none
	Receive      func(name string) (*files.Tree, error)               // a directory, as the client calls it
	RewriteTimes bool                                                 // none in new layers is after SOURCE_DATE_EPOCH
}

// Solver makes the layers of a graph's vertices.
type Solver struct {
	*Job
	Options
	graph   *plan.Graph
	epoch   *time.Time    // SOURCE_DATE_EPOCH, or nil
	slots   chan struct{} // one is held by each step that works
	flights flights
	results map[*plan.Vertex]*result // written before the first begins, then only read

	mu     sync.Mutex
	failed error // the first failure, which canceled the others
}

// result is what a vertex becomes: when done is closed, layers or a failure.
type result struct {
	done   chan struct{}
	layers []overlay.LayerID // the lowest first
	failed bool
}

// New is a solver for one graph.
func New(j *Job, o Options, g *plan.Graph) *Solver {
	return &Solver{
		Job: j, Options: o, graph: g, epoch: g.Epoch,
		slots:   make(chan struct{}, runtime.GOMAXPROCS(0)),
		flights: flights{byKey: map[cache.Key]*flight{}}, results: map[*plan.Vertex]*result{},
	}
}

// Solve makes the layers of all vertices, at the same time as far as one does
// not read another. It returns when all have ended, with the first failure: a
// *StepError with its place in the Dockerfile, or why the build was canceled.
func (s *Solver) Solve() error {
	for _, v := range s.graph.Vertices {
		s.results[v] = &result{done: make(chan struct{})}
	}
	var all sync.WaitGroup
	for _, v := range s.graph.Vertices {
		all.Go(func() {
			r := s.results[v]
			defer close(r.done)
			var err error
			if r.layers, err = s.vertex(v); err != nil {
				r.failed = true
				s.fail(parser.WithLocation(err, v.Where))
			}
		})
	}
	all.Wait()
	return s.failed
}

// fail keeps the first failure and ends everything else.
func (s *Solver) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed == nil {
		s.failed = err
	}
	s.Cancel()
}

// wait returns when a vertex has its layers. One that has none ends the build.
//
// Preconditions: the caller holds no slot.
func (s *Solver) wait(v *plan.Vertex) error {
	r := s.results[v]
	<-r.done
	if r.failed {
		return s.Ctx.Err()
	}
	return nil
}

// Layers are those of a vertex that has them, the lowest first.
func (s *Solver) Layers(v *plan.Vertex) []overlay.LayerID { return s.results[v].layers }

// vertex makes the layers of one vertex, and tells of it when what it stands on
// is there.
func (s *Solver) vertex(v *plan.Vertex) ([]overlay.LayerID, error) {
	var below []overlay.LayerID
	if v.Parent != nil {
		if err := s.wait(v.Parent); err != nil {
			return nil, err
		}
		below = s.Layers(v.Parent)
	}
	if err := s.Ctx.Err(); err != nil {
		return nil, err
	}
	if b, ok := v.Op.(plan.Base); ok {
		if v.Title != "" {
			s.Tell.Start(v.Title).Is(s.Images[b.Ref.Key()].ID).Cached()
		}
		return s.Images[b.Ref.Key()].Layers, nil
	}
	if _, ok := v.Op.(plan.Scratch); ok {
		return nil, nil
	}
	told := s.Tell.Announce(v.Title)
	for _, in := range v.Inputs {
		if err := s.wait(in); err != nil {
			return nil, told.Fail(err)
		}
	}
	st, err := s.prepare(v.Op, told)
	if err != nil {
		return nil, told.Fail(err)
	}
	parts := v.Op.Key(plan.Facts{Layers: s.layerNames, Files: st.files})
	if len(parts) == 0 {
		told.Is(string(top(below))).Finish()
		return below, nil
	}
	id, err := s.layer(v, told, top(below), parts, st.make)
	if err != nil {
		return nil, told.Fail(err)
	}
	return append(below[:len(below):len(below)], id), nil
}

func (s *Solver) layerNames(v *plan.Vertex) []string {
	var names []string
	for _, id := range s.Layers(v) {
		names = append(names, string(id))
	}
	return names
}

func top(layers []overlay.LayerID) overlay.LayerID {
	if len(layers) == 0 {
		return ""
	}
	return layers[len(layers)-1]
}

// step is the work of a vertex: digests of the files that it takes, and how to
// write its layer.
type step struct {
	files []string
	make  func(d *overlay.Dir, lowers []string) error
}

// prepare looks at what an operation takes, as far as its key needs it.
func (s *Solver) prepare(op plan.Op, told *Report) (step, error) {
	switch op := op.(type) {
	case plan.Run:
		return s.run(op, told)
	case plan.Copy:
		return s.copy(op)
	case plan.Workdir:
		return s.workdir(op), nil
	case plan.FromDir:
		return s.fromDir(op)
	}
	return step{}, fmt.Errorf("carry out %s: no such operation", op)
}

// layer is the one that an earlier build made, or another vertex makes, or else
// a new one.
func (s *Solver) layer(v *plan.Vertex, told *Report, parent overlay.LayerID, parts []string, write func(d *overlay.Dir, lowers []string) error) (overlay.LayerID, error) {
	key := cache.NewKey(parent, parts...)
	if s.rewritesTimes() {
		key = cache.NewKey("", string(key), "rewrite-timestamp", plan.EpochKey(s.epoch))
	}
	if id, ok := s.Cache.Find(key); ok && !v.NoCache {
		told.Is(string(id)).Cached()
		return id, nil
	}
	same, mine := s.flights.get(key)
	if !mine {
		err := same.wait(s.Ctx)
		if err == nil {
			told.Is(string(same.layer)).Cached()
		}
		return same.layer, err
	}
	id, err := s.newLayer(parent, told, key, write)
	same.land(id, err)
	if err == nil {
		told.Is(string(id)).Finish()
	}
	return id, err
}

func (s *Solver) rewritesTimes() bool { return s.RewriteTimes && s.epoch != nil }

// slot takes one of the places of those that work at the same time.
func (s *Solver) slot() (release func(), err error) {
	select {
	case s.slots <- struct{}{}:
		if err := s.Ctx.Err(); err != nil { // whoever had the slot has ended for it
			<-s.slots
			return nil, err
		}
		return func() { <-s.slots }, nil
	case <-s.Ctx.Done():
		return nil, s.Ctx.Err()
	}
}

// newLayer makes a layer on the parent, and remembers it.
func (s *Solver) newLayer(parent overlay.LayerID, told *Report, key cache.Key, write func(d *overlay.Dir, lowers []string) error) (overlay.LayerID, error) {
	release, err := s.slot()
	if err != nil {
		return "", err
	}
	defer release()
	told.Is(string(key)).Begin()
	lowers, err := s.Store.Lowers(parent)
	if err != nil {
		return "", err
	}
	d, err := s.Store.NewDir()
	if err != nil {
		return "", err
	}
	defer d.Discard()
	err = write(d, lowers)
	keep := !errors.Is(err, files.ErrChanged) // good enough for this build, not for a later one
	if err != nil && keep {
		return "", err
	}
	if s.rewritesTimes() {
		if err := d.Settle(s.Ctx, lowers); err != nil { // whose times are those of its files
			return "", err
		}
		if err := clampTimes(d.Upper, *s.epoch); err != nil {
			return "", err
		}
	}
	id, err := s.Commit(d, parent, lowers)
	if err == nil && keep {
		err = s.Cache.Remember(key, id)
	}
	return id, err
}
