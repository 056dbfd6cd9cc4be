// SPDX-License-Identifier: Apache-2.0

package exec

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/moby/buildkit/frontend/dockerfile/parser"

	"coracle/pkg/dockerfile/files"
	"coracle/pkg/dockerfile/plan"
)

// Each vertex that changes files adds one layer, on those of its parent.
func TestLayers(t *testing.T) {
	if !inUserns(t) {
		return
	}
	w := newWorld(t)
	if err := os.WriteFile(filepath.Join(w.context, "f"), []byte("1"), 0o600); err != nil {
		t.Fatal(err)
	}
	layers := w.must("FROM scratch\nRUN one\nENV A=1\nCOPY f /dir/\nWORKDIR /w\nWORKDIR /\nRUN two\n")
	var got []string
	for _, l := range layers {
		got = append(got, strings.Join(w.content(l), " "))
	}
	if want := []string{"one", "dir", "w", "two"}; !slices.Equal(got, want) {
		t.Errorf("layers have %q, want %q", got, want)
	}
	w.said("all", "Done [1/5] RUN one", "Done [2/5] COPY f /dir/", "Done [3/5] WORKDIR /w", "Done [4/5] WORKDIR /", "Done [5/5] RUN two")
	w.nothingLeft("all")
	if layers := w.must("FROM scratch\nCMD x\n"); len(layers) != 0 {
		t.Errorf("nothing to do gave layers: %q", layers)
	}
}

// A vertex whose key is known, and whose layer is there, is not carried out.
func TestHits(t *testing.T) {
	if !inUserns(t) {
		return
	}
	w := newWorld(t)
	const text = "FROM scratch AS fresh\nRUN one\nRUN two\n"
	first := w.must(text)
	if again := w.must(text); !slices.Equal(again, first) || len(w.ran) > 0 {
		t.Errorf("the same again ran %q, layers %q and %q", w.ran, first, again)
	}
	w.said("the same again", "Cached [1/2] RUN one", "Cached [2/2] RUN two")
	if other := w.must("FROM scratch\nRUN one\nRUN 2\n"); other[0] != first[0] || other[1] == first[1] || !slices.Equal(w.ran, []string{"2"}) {
		t.Errorf("another end ran %q, layers %q and %q", w.ran, first, other)
	}
	if other := w.must("FROM scratch\nRUN 1\nRUN two\n"); other[0] == first[0] || other[1] == first[1] || !slices.Equal(w.ran, []string{"1", "two"}) {
		t.Errorf("another beginning ran %q, layers %q and %q", w.ran, first, other)
	}
	for what, f := range map[string]func() error{
		"the cache is off": func() error {
			_, err := w.solveGraph(t.Context(), w.graph(text, plan.Input{}), Options{}, true)
			return err
		},
		"the stage is to be fresh": func() error {
			_, err := w.solveGraph(t.Context(), w.graph(text, plan.Input{NoCacheFilter: []string{"fresh"}}), Options{}, false)
			return err
		},
	} {
		if err := f(); err != nil || !slices.Equal(w.ran, []string{"one", "two"}) {
			t.Errorf("%s: ran %q, %v", what, w.ran, err)
		}
	}
}

// What the context has decides, and not how it is called.
func TestHitsOfFiles(t *testing.T) {
	if !inUserns(t) {
		return
	}
	w := newWorld(t)
	const text = "FROM scratch\nCOPY f* /to/f\nRUN --mount=source=seen,target=/s run\n"
	for _, tt := range []struct {
		write map[string]string
		want  string
	}{
		{map[string]string{"f1": "a", "seen": "a"}, "Done Done"},
		{map[string]string{"unseen": "a"}, "Cached Cached"},
		{map[string]string{"seen": "b"}, "Cached Done"},
		{map[string]string{"f1": "b"}, "Done Done"},
		{map[string]string{"f1": "a"}, "Cached Cached"},
		{map[string]string{"seen": "a"}, "Cached Cached"},
	} {
		for name, content := range tt.write {
			if err := os.WriteFile(filepath.Join(w.context, name), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		w.must(text)
		var got []string
		for _, l := range w.log {
			got = append(got, strings.Fields(l)[0])
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("after %q: %q, want %s", tt.write, got, tt.want)
		}
	}
}

// Vertices that do not read each other are made at the same time, as many as
// there are processors.
func TestAtTheSameTime(t *testing.T) {
	if !inUserns(t) {
		return
	}
	text := ""
	for i := range 6 {
		text += fmt.Sprintf("FROM scratch AS s%d\nRUN r%d\n", i, i)
	}
	text += "FROM scratch\n"
	for i := range 6 {
		text += fmt.Sprintf("COPY --from=s%d / /\n", i)
	}
	for _, slots := range []int{1, 3} {
		runtime.GOMAXPROCS(slots)
		w := newWorld(t)
		var now, most atomic.Int32
		full := make(chan struct{}) // that many have met
		w.run = func(ctx context.Context, s Step) error {
			defer now.Add(-1)
			n := now.Add(1)
			for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
			}
			if int(n) == slots {
				select {
				case <-full:
				default:
					close(full)
				}
			}
			select {
			case <-full:
			case <-ctx.Done():
				return ctx.Err()
			}
			return os.WriteFile(filepath.Join(s.Upper, command(s)), nil, 0o644)
		}
		w.must(text)
		if int(most.Load()) != slots || len(w.ran) != 6 {
			t.Errorf("with %d slots %d ran at once, %d in all", slots, most.Load(), len(w.ran))
		}
	}
}

// The first failure ends the build, with its step and its place. What stood on it
// was never begun, and what was made before is not made again.
func TestFailure(t *testing.T) {
	if !inUserns(t) {
		return
	}
	runtime.GOMAXPROCS(2)
	w := newWorld(t)
	const text = "FROM scratch AS a\nRUN before\nRUN fails\nRUN after\nFROM scratch AS b\nRUN slow\nFROM scratch\nCOPY --from=a / /\nCOPY --from=b / /\n"
	slow, last := make(chan struct{}), make(chan struct{}) // has begun; has been told of
	w.hear = func(e Event) {
		if e.Kind == Announced && strings.HasPrefix(e.Name, "[stage-2 1/2]") {
			close(last)
		}
	}
	w.run = func(ctx context.Context, s Step) error {
		switch command(s) {
		case "fails":
			<-slow
			<-last
			return &ExitError{Code: 9}
		case "slow":
			close(slow)
			<-ctx.Done()
			return ctx.Err()
		}
		return nil
	}
	_, err := w.solve(t.Context(), text)
	var step *StepError
	var exit *ExitError
	var at *parser.LocationError
	if !errors.As(err, &step) || !errors.As(err, &exit) || !errors.As(err, &at) {
		t.Fatalf("error is %v", err)
	}
	if step.Name != "[a 2/3] RUN fails" || step.Step == 0 || exit.Code != 9 || at.Locations[0][0].Start.Line != 3 {
		t.Errorf("error is %+v, %+v, %+v", step, exit, at.Locations)
	}
	if want := `process "/bin/sh -c fails" did not complete successfully: exit code: 9`; err.Error() != want {
		t.Errorf("error is %q, want %q", err, want)
	}
	w.said("failure", "Done [a 1/3] RUN before", "Failed [a 2/3] RUN fails", "Canceled [b 1/1] RUN slow", "Canceled [stage-2 1/2] COPY --from=a / /")
	w.nothingLeft("failure")
	w.run, w.hear = nil, nil
	w.must(text)
	slices.Sort(w.ran)
	if !slices.Equal(w.ran, []string{"after", "fails", "slow"}) {
		t.Errorf("after the failure ran %q", w.ran)
	}
}

// A build that is canceled ends, wherever it is, and is nobody's failure.
func TestCanceled(t *testing.T) {
	if !inUserns(t) {
		return
	}
	runtime.GOMAXPROCS(1) // one works, one waits for its slot
	w := newWorld(t)
	ctx, cancel := context.WithCancel(t.Context())
	w.run = func(ctx context.Context, _ Step) error {
		cancel()
		<-ctx.Done()
		return ctx.Err()
	}
	_, err := w.solve(ctx, "FROM scratch AS a\nRUN x\nRUN y\nFROM scratch AS b\nRUN z\nFROM scratch\nCOPY --from=a / /\nCOPY --from=b / /\n")
	if !errors.Is(err, context.Canceled) || len(w.ran) != 1 {
		t.Errorf("error is %v, ran %q", err, w.ran)
	}
	for _, l := range w.log {
		if !strings.HasPrefix(l, "Canceled ") {
			t.Errorf("a step has ended: %s", l)
		}
	}
	w.nothingLeft("canceled")
	w.run = nil
	if _, err := w.solve(ctx, "FROM scratch\nRUN x\n"); !errors.Is(err, context.Canceled) || len(w.ran) > 0 || len(w.log) > 0 {
		t.Errorf("canceled before: %v, ran %q, steps %q", err, w.ran, w.log)
	}
}

// Files that changed while they were copied are good enough for this build, and
// not for a later one.
func TestChangedFilesAreNotKept(t *testing.T) {
	if !inUserns(t) {
		return
	}
	w := newWorld(t)
	w.run = func(_ context.Context, s Step) error { return fmt.Errorf("copy: %w", files.ErrChanged) }
	for range 2 {
		if layers := w.must("FROM scratch\nRUN x\n"); len(layers) != 1 || len(w.ran) != 1 {
			t.Errorf("layers %q, ran %q", layers, w.ran)
		}
	}
}

// Equal vertices are one layer, made once; what is read of it is the same.
func TestEqualVertices(t *testing.T) {
	if !inUserns(t) {
		return
	}
	runtime.GOMAXPROCS(4)
	w := newWorld(t)
	layers := w.must("FROM scratch AS a\nRUN same\nFROM scratch AS b\nRUN same\nFROM scratch\nCOPY --from=a /same /a\nCOPY --from=b /same /b\n")
	if !slices.Equal(w.ran, []string{"same"}) || len(layers) != 2 || layers[0] == layers[1] {
		t.Errorf("ran %q, layers %q", w.ran, layers)
	}
}

// A directory with a name is a layer, known by its files.
func TestFromDir(t *testing.T) {
	if !inUserns(t) {
		return
	}
	w := newWorld(t)
	dir, link := t.TempDir(), filepath.Join(t.TempDir(), "link")
	err := errors.Join(os.WriteFile(filepath.Join(dir, "f"), []byte("1"), 0o600), os.WriteFile(filepath.Join(dir, "hidden"), nil, 0o600),
		os.WriteFile(filepath.Join(dir, ".dockerignore"), []byte("hidden\n.dockerignore\n"), 0o600), os.Symlink(dir, link))
	if err != nil {
		t.Fatal(err)
	}
	solve := func(dir string) (string, error) {
		g := w.graph("FROM named\nRUN x\n", plan.Input{Contexts: map[string]plan.Context{"named": {Dir: dir}}})
		layers, err := w.solveGraph(t.Context(), g, Options{}, false)
		if err != nil {
			return "", err
		}
		return strings.Join(w.content(layers[0]), " "), nil
	}
	if got, err := solve(link); err != nil || got != "f" {
		t.Errorf("it has %q, %v", got, err)
	}
	w.said("first", "Done [context named] load from client", "Done [1/1] RUN x")
	if _, err := solve(dir); err != nil {
		t.Error(err)
	}
	w.said("by another way", "Cached [context named] load from client", "Cached [1/1] RUN x")
	if err := os.WriteFile(filepath.Join(dir, "f"), []byte("2"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := solve(dir); err != nil {
		t.Error(err)
	}
	w.said("changed", "Done [context named] load from client", "Done [1/1] RUN x")
	var step *StepError
	if _, err := solve(dir + "/none"); !errors.As(err, &step) || !strings.HasPrefix(err.Error(), "open build context named: ") {
		t.Errorf("nowhere: %v", err)
	}
}
