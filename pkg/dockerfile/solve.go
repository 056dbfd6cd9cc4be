// SPDX-License-Identifier: Apache-2.0

package dockerfile

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/moby/buildkit/frontend/dockerfile/parser"

	"coracle/pkg/dockerfile/files"
	"coracle/pkg/dockerfile/plan"
	"coracle/pkg/overlay"
)

// solver makes the layers of a graph's vertices.
type solver struct {
	*job
	src     *sources
	bases   *bases
	runner  Runner
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

func newSolver(j *job, src *sources, b *bases, run Runner, g *plan.Graph) *solver {
	return &solver{
		job: j, src: src, bases: b, runner: run, epoch: g.Epoch,
		slots:   make(chan struct{}, runtime.GOMAXPROCS(0)),
		flights: flights{byKey: map[cacheKey]*flight{}}, results: map[*plan.Vertex]*result{},
	}
}

// solve makes the layers of all vertices, at the same time as far as one does
// not read another. It returns when all have ended.
func (s *solver) solve(list []*plan.Vertex) error {
	for _, v := range list {
		s.results[v] = &result{done: make(chan struct{})}
	}
	var all sync.WaitGroup
	for _, v := range list {
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
func (s *solver) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed == nil {
		s.failed = err
	}
	s.cancel()
}

// wait returns when a vertex has its layers. One that has none ends the build.
//
// Preconditions: the caller holds no slot.
func (s *solver) wait(v *plan.Vertex) error {
	r := s.results[v]
	<-r.done
	if r.failed {
		return s.ctx.Err()
	}
	return nil
}

// layersOf are those of a vertex that has been waited for.
func (s *solver) layersOf(v *plan.Vertex) []overlay.LayerID { return s.results[v].layers }

// vertex makes the layers of one vertex, and tells of it when what it stands on
// is there.
func (s *solver) vertex(v *plan.Vertex) ([]overlay.LayerID, error) {
	var below []overlay.LayerID
	if v.Parent != nil {
		if err := s.wait(v.Parent); err != nil {
			return nil, err
		}
		below = s.layersOf(v.Parent)
	}
	if err := s.ctx.Err(); err != nil {
		return nil, err
	}
	if b, ok := v.Op.(plan.Base); ok {
		if v.Title != "" {
			s.tell.start(v.Title).cached()
		}
		return s.bases.found[b.Ref.Key()].Layers, nil
	}
	if _, ok := v.Op.(plan.Scratch); ok {
		return nil, nil
	}
	told := s.tell.announce(v.Title)
	for _, in := range v.Inputs {
		if err := s.wait(in); err != nil {
			return nil, told.fail(err)
		}
	}
	st, err := s.prepare(v.Op, told)
	if err != nil {
		return nil, told.fail(err)
	}
	parts := v.Op.Key(plan.Facts{Layers: s.layerNames, Files: st.files})
	if len(parts) == 0 {
		told.finish()
		return below, nil
	}
	id, err := s.layer(v, told, top(below), parts, st.make)
	if err != nil {
		return nil, told.fail(err)
	}
	return append(below[:len(below):len(below)], id), nil
}

func (s *solver) layerNames(v *plan.Vertex) []string {
	var names []string
	for _, id := range s.layersOf(v) {
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
func (s *solver) prepare(op plan.Op, told *vertex) (step, error) {
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
func (s *solver) layer(v *plan.Vertex, told *vertex, parent overlay.LayerID, parts []string, write func(d *overlay.Dir, lowers []string) error) (overlay.LayerID, error) {
	key := newKey(parent, parts...)
	if s.rewritesTimes() {
		key = newKey("", string(key), "rewrite-timestamp", plan.EpochKey(s.epoch))
	}
	if id, ok := s.cache.find(key); ok && !v.NoCache {
		told.cached()
		return id, nil
	}
	same, mine := s.flights.get(key)
	if !mine {
		err := same.wait(s.ctx)
		if err == nil {
			told.cached()
		}
		return same.layer, err
	}
	id, err := s.newLayer(parent, told, key, write)
	same.land(id, err)
	if err == nil {
		told.finish()
	}
	return id, err
}

func (s *solver) rewritesTimes() bool { return s.o.RewriteTimes && s.epoch != nil }

// slot takes one of the places of those that work at the same time.
func (s *solver) slot() (release func(), err error) {
	select {
	case s.slots <- struct{}{}:
		return func() { <-s.slots }, nil
	case <-s.ctx.Done():
		return nil, s.ctx.Err()
	}
}

// newLayer makes a layer on the parent, and remembers it.
func (s *solver) newLayer(parent overlay.LayerID, told *vertex, key cacheKey, write func(d *overlay.Dir, lowers []string) error) (overlay.LayerID, error) {
	release, err := s.slot()
	if err != nil {
		return "", err
	}
	defer release()
	told.begin()
	lowers, err := s.st.Lowers(parent)
	if err != nil {
		return "", err
	}
	d, err := s.st.NewDir()
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
		if err := clampTimes(d.Upper, *s.epoch); err != nil {
			return "", err
		}
	}
	id, err := s.commit(d, parent, lowers)
	if err == nil && keep {
		err = s.cache.remember(key, id)
	}
	return id, err
}
