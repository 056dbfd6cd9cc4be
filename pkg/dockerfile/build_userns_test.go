// SPDX-License-Identifier: Apache-2.0

package dockerfile

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"coracle/internal/testutil/store"
	"coracle/pkg/dockerfile/exec"
	"coracle/pkg/oci/spec"
	"coracle/pkg/overlay"
)

// world is what a build needs from elsewhere.
type world struct {
	t       *testing.T
	st      *overlay.Store
	context string
	run     func(ctx context.Context, s exec.Step) error
	hear    func(Event)
	log     []string // "CACHED [1/2] …" and so on
	// Of the last build.
	image    string
	warnings []string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	st := store.Open(t, store.Dirs(t), overlay.Options{SingleID: true})
	return &world{t: t, st: st, context: t.TempDir()}
}

func (w *world) Run(ctx context.Context, s exec.Step) error {
	if w.run != nil {
		return w.run(ctx, s)
	}
	return os.WriteFile(filepath.Join(s.Upper, "ran"), []byte(strings.Join(s.Args, " ")), 0o644)
}

func (w *world) resolve(_ context.Context, ref, _ string) (overlay.Details, error) {
	return overlay.Details{}, fmt.Errorf("%s: not found", ref)
}

// stream is a pipe with the content of r.
func stream(t *testing.T, r io.Reader) *os.File {
	t.Helper()
	out, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	var copied sync.WaitGroup
	copied.Go(func() {
		_, _ = io.Copy(in, r) // to nobody, where a build has failed before
		in.Close()
	})
	t.Cleanup(func() { out.Close(); copied.Wait() })
	return out
}

func (w *world) write(files map[string]string) {
	w.t.Helper()
	for name, text := range files {
		p := filepath.Join(w.context, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(p), 0o755), os.WriteFile(p, []byte(text), 0o644)); err != nil {
			w.t.Fatal(err)
		}
	}
}

func (w *world) build(text string, o Request) (Result, error) {
	w.t.Helper()
	w.log = nil
	words := map[Kind]string{Cached: "CACHED ", Done: "DONE ", Failed: "ERROR ", Canceled: "CANCELED "}
	o.Source, o.Dockerfile, o.ContextDir = stream(w.t, strings.NewReader(text)), "Dockerfile", w.context
	res, err := build(w.t.Context(), w.st, w, w, o, nil, func(e Event) {
		if word, ok := words[e.Kind]; ok && strings.HasPrefix(e.Name, "[") && !strings.HasPrefix(e.Name, "[internal]") {
			w.log = append(w.log, word+e.Name)
		}
		if w.hear != nil {
			w.hear(e)
		}
	})
	w.image, w.warnings = res.Image.ID, res.Warnings
	return res, err
}

// config is the configuration of a build that must not fail.
func (w *world) config(text string, o Request) Image {
	w.t.Helper()
	res, err := w.build(text, o)
	if err != nil {
		w.t.Fatal(err)
	}
	det, err := overlay.LoadImage(w.st.Dirs(), res.Image.ID)
	var img Image
	if err == nil {
		err = json.Unmarshal(det.Config, &img)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	layers := 0
	for _, h := range img.History {
		if !h.EmptyLayer {
			layers++
		}
	}
	if layers != len(img.RootFS.DiffIDs) || layers != len(det.Layers) {
		w.t.Errorf("history tells of %d layers, the image has %d", layers, len(img.RootFS.DiffIDs))
	}
	return img
}

func TestScratchWithoutFiles(t *testing.T) {
	if !inUserns(t) {
		return
	}
	w := newWorld(t)
	img := w.config("FROM scratch\nCMD [\"/x\"]\n", Request{})
	if len(img.RootFS.DiffIDs) != 1 || !slices.Equal(img.Config.Cmd, []string{"/x"}) || img.Architecture != runtime.GOARCH {
		t.Errorf("image is %+v", img)
	}
	if _, err := w.build("FROM scratch\n", Request{}); message(err) != "no image was generated: is the Dockerfile empty?" {
		t.Errorf("error is %v", err)
	}
}

func TestCacheRules(t *testing.T) {
	if !inUserns(t) {
		return
	}
	w := newWorld(t)
	w.write(map[string]string{"a": "1", "b": "1"})
	const text = "FROM scratch\nARG V\nCOPY a /a\nRUN make\nCOPY b /b\n"
	first := w.config(text, Request{})
	tests := []struct {
		what string
		do   func() Request
		text string
		want string // of the three steps
	}{
		{"nothing", func() Request { return Request{} }, text, "CACHED CACHED CACHED"},
		{"the last file", func() Request { w.write(map[string]string{"b": "2"}); return Request{} }, text, "CACHED CACHED DONE"},
		{"the first file", func() Request { w.write(map[string]string{"a": "2"}); return Request{} }, text, "DONE DONE DONE"},
		{"an argument", func() Request { return Request{BuildArgs: map[string]string{"V": "1"}} }, text, "CACHED DONE DONE"},
		{"a proxy", func() Request { return Request{BuildArgs: map[string]string{"http_proxy": "p"}} }, text, "CACHED CACHED CACHED"},
		{"a comment", func() Request { return Request{} }, "# x\n" + text, "CACHED CACHED CACHED"},
		{"the user", func() Request { return Request{} }, strings.Replace(text, "RUN", "USER u\nRUN", 1), "CACHED DONE DONE"},
		{"a label", func() Request { return Request{} }, strings.Replace(text, "RUN", "LABEL a=b\nRUN", 1), "CACHED CACHED CACHED"},
		{"no cache", func() Request { return Request{NoCache: true} }, text, "DONE DONE DONE"},
	}
	for _, tt := range tests {
		o := tt.do()
		if _, err := w.build(tt.text, o); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, l := range w.log {
			word, _, _ := strings.Cut(l, " ")
			got = append(got, word)
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("%s has changed: %s, want %s", tt.what, got, tt.want)
		}
	}
	w.write(map[string]string{"a": "1", "b": "1"})
	if again := w.config(text, Request{}); !again.Created.Equal(*first.Created) {
		t.Errorf("the same build gives another image: %s, %s", first.Created, again.Created)
	}
}

func TestStagesRunAtTheSameTime(t *testing.T) {
	if !inUserns(t) {
		return
	}
	runtime.GOMAXPROCS(2)
	w := newWorld(t)
	met := make(chan struct{})
	w.run = func(ctx context.Context, s exec.Step) error {
		select { // whoever comes first waits for the other
		case met <- struct{}{}:
		case <-met:
		case <-ctx.Done():
			return ctx.Err()
		}
		return os.WriteFile(filepath.Join(s.Upper, s.Args[2]), nil, 0o644)
	}
	img := w.config("FROM scratch AS a\nRUN a\nFROM scratch AS b\nRUN b\nFROM scratch\nCOPY --from=a /a /\nCOPY --from=b /b /\n", Request{})
	if len(img.RootFS.DiffIDs) != 2 {
		t.Errorf("layers are %s", img.RootFS.DiffIDs)
	}
}

func TestFailureCancelsOtherStages(t *testing.T) {
	if !inUserns(t) {
		return
	}
	runtime.GOMAXPROCS(2)
	w := newWorld(t)
	waiting, last := make(chan struct{}), make(chan struct{}) // for the end; the last stage's step has been told of
	w.hear = func(e Event) {
		if e.Kind == Announced && strings.HasPrefix(e.Name, "[stage-2 1/2]") {
			close(last)
		}
	}
	w.run = func(ctx context.Context, s exec.Step) error {
		if s.Args[2] == "a" {
			close(waiting)
			<-ctx.Done()
			return ctx.Err()
		}
		<-waiting
		<-last
		return &exec.ExitError{Code: 3}
	}
	_, err := w.build("FROM scratch AS a\nRUN a\nFROM scratch AS b\nRUN b\nFROM scratch\nCOPY --from=a / /\nCOPY --from=b / /\n", Request{})
	var exit *exec.ExitError
	var e *Error
	if !errors.As(err, &exit) || exit.Code != 3 || !errors.As(err, &e) || e.StepName != "[b 1/1] RUN b" {
		t.Errorf("error is %v", err)
	}
	slices.Sort(w.log)
	if want := []string{"CANCELED [a 1/1] RUN a", "CANCELED [stage-2 1/2] COPY --from=a / /", "ERROR [b 1/1] RUN b"}; !slices.Equal(w.log, want) {
		t.Errorf("steps are %q, want %q", w.log, want)
	}
	left, err := filepath.Glob(string(w.st.Dirs().Tmp()) + "/*/*")
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %q, %v", left, err)
	}
}

func TestTriggersOfAStage(t *testing.T) {
	if !inUserns(t) {
		return
	}
	w := newWorld(t)
	w.write(map[string]string{"f": "1"})
	img := w.config("FROM scratch AS base\nONBUILD COPY f /f\nONBUILD ENV A=1\nFROM base\nRUN x\n", Request{})
	if len(img.Config.OnBuild) != 0 || len(img.RootFS.DiffIDs) != 2 || !slices.Equal(img.Config.Env, []string{"PATH=" + spec.DefaultPath, "A=1"}) {
		t.Errorf("image is %+v", img)
	}
}

// Equal steps of two stages are made once, with the cache and without.
func TestEqualStepsAreMadeOnce(t *testing.T) {
	if !inUserns(t) {
		return
	}
	runtime.GOMAXPROCS(4)
	w := newWorld(t)
	var runs atomic.Int32
	w.run = func(_ context.Context, s exec.Step) error {
		runs.Add(1)
		return os.WriteFile(filepath.Join(s.Upper, "f"), nil, 0o644)
	}
	const text = "FROM scratch AS a\nRUN x\nFROM scratch AS b\nRUN x\nFROM scratch\nCOPY --from=a /f /a\nCOPY --from=b /f /b\n"
	for n, o := range []Request{{}, {NoCache: true}} {
		img := w.config(text, o)
		if got := runs.Load(); int(got) != n+1 || len(img.RootFS.DiffIDs) != 2 {
			t.Errorf("build %d: %d runs, layers %s", n+1, got, img.RootFS.DiffIDs)
		}
		var told []string
		for _, l := range w.log {
			if strings.HasSuffix(l, "RUN x") {
				told = append(told, l[:strings.Index(l, " ")])
			}
		}
		if slices.Sort(told); !slices.Equal(told, []string{"CACHED", "DONE"}) {
			t.Errorf("build %d: steps are %q", n+1, w.log)
		}
	}
}

// When an equal step fails, its error is that of the build.
func TestEqualStepsFailOnce(t *testing.T) {
	if !inUserns(t) {
		return
	}
	runtime.GOMAXPROCS(4)
	w := newWorld(t)
	w.run = func(context.Context, exec.Step) error { return &exec.ExitError{Code: 3} }
	_, err := w.build("FROM scratch AS a\nRUN x\nFROM scratch AS b\nRUN x\nFROM scratch\nCOPY --from=a / /\nCOPY --from=b / /\n", Request{})
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.Code != 3 {
		t.Errorf("error is %v", err)
	}
	failed := slices.DeleteFunc(w.log, func(l string) bool { return !strings.HasPrefix(l, "ERROR ") })
	if len(failed) != 1 {
		t.Errorf("steps are %q", failed)
	}
}
