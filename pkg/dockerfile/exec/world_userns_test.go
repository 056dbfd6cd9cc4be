// SPDX-License-Identifier: Apache-2.0

package exec

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"coracle/internal/testutil/store"
	"coracle/pkg/dockerfile/cache"
	"coracle/pkg/dockerfile/files"
	"coracle/pkg/dockerfile/parse"
	"coracle/pkg/dockerfile/plan"
	"coracle/pkg/overlay"
)

// world is a store, a context, and a runner that writes down what it is asked to
// run.
type world struct {
	t       *testing.T
	st      *overlay.Store
	context string
	hear    func(Event)                             // nil: nobody
	run     func(ctx context.Context, s Step) error // nil: a file that is called as the command

	mu  sync.Mutex
	ran []string // commands, in their order
	log []string // "Cached [1/2] RUN x", of steps that have ended
}

func newWorld(t *testing.T) *world {
	t.Helper()
	st := store.Open(t, store.Dirs(t), overlay.Options{SingleID: true})
	return &world{t: t, st: st, context: t.TempDir()}
}

// Run is the runner's.
func (w *world) Run(ctx context.Context, s Step) error {
	w.mu.Lock()
	w.ran = append(w.ran, command(s))
	w.mu.Unlock()
	if w.run != nil {
		return w.run(ctx, s)
	}
	return os.WriteFile(filepath.Join(s.Upper, command(s)), nil, 0o644)
}

// command is what a RUN in shell form says.
func command(s Step) string { return s.Args[len(s.Args)-1] }

// graph is the plan of a Dockerfile whose bases are scratch.
func (w *world) graph(text string, in plan.Input) *plan.Graph {
	w.t.Helper()
	var err error
	if in.File, err = parse.Parse("Dockerfile", []byte(text)); err != nil {
		w.t.Fatal(err)
	}
	g, err := plan.Make(&in)
	if err != nil {
		w.t.Fatal(err)
	}
	return g
}

// solve solves a Dockerfile, and returns the layers of its last vertex.
func (w *world) solve(ctx context.Context, text string) ([]overlay.LayerID, error) {
	w.t.Helper()
	return w.solveGraph(ctx, w.graph(text, plan.Input{}), Options{}, false)
}

func (w *world) solveGraph(ctx context.Context, g *plan.Graph, o Options, cacheOff bool) ([]overlay.LayerID, error) {
	w.t.Helper()
	w.ran, w.log = nil, nil
	words := map[Kind]string{Cached: "Cached ", Done: "Done ", Failed: "Failed ", Canceled: "Canceled "}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	j := &Job{Ctx: ctx, Cancel: cancel, Store: w.st, Trees: NewTrees(w.st), Cache: cache.Open(w.st, cacheOff)}
	j.Tell = NewTeller(ctx, func(e Event) {
		if word := words[e.Kind]; word != "" {
			w.log = append(w.log, word+e.Name)
		}
		if w.hear != nil {
			w.hear(e)
		}
	})
	defer j.Trees.Close()
	t, err := files.OpenTree(w.context, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	defer t.Close()
	o.Runner, o.Context = w, t
	s := New(j, o, g)
	if err := s.Solve(); err != nil {
		return nil, err
	}
	return s.Layers(g.Result.Top), nil
}

// must is solve for what does not fail.
func (w *world) must(text string) []overlay.LayerID {
	w.t.Helper()
	layers, err := w.solve(w.t.Context(), text)
	if err != nil {
		w.t.Fatalf("%s: %v", text, err)
	}
	return layers
}

// content are the names in a layer.
func (w *world) content(layer overlay.LayerID) (names []string) {
	w.t.Helper()
	lowers, err := w.st.Lowers(layer)
	if err != nil {
		w.t.Fatal(err)
	}
	entries, err := os.ReadDir(lowers[0])
	if err != nil {
		w.t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// said checks which steps have ended how, in whatever order.
func (w *world) said(what string, want ...string) {
	w.t.Helper()
	got := slices.Sorted(slices.Values(w.log))
	if slices.Sort(want); !slices.Equal(got, want) {
		w.t.Errorf("%s: steps are\n%s\nwant\n%s", what, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// nothingLeft fails for what was left in the scratch space.
func (w *world) nothingLeft(what string) {
	w.t.Helper()
	left, err := filepath.Glob(string(w.st.Dirs().Tmp()) + "/*/*")
	if err != nil || len(left) > 0 {
		w.t.Errorf("%s: left behind: %q, %v", what, left, err)
	}
}
