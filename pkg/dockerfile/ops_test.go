// SPDX-License-Identifier: Apache-2.0

package dockerfile

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"coracle/pkg/dockerfile/exec"
	"coracle/pkg/dockerfile/plan"
	"coracle/pkg/events"
	"coracle/pkg/image"
	"coracle/pkg/overlay"
	"coracle/pkg/state"
)

// outside is a process that has no store open, with a context of its own that
// has this program in it.
type outside struct {
	t       *testing.T
	dirs    state.Dirs
	context string
}

func newOutside(t *testing.T) *outside {
	t.Helper()
	t.Setenv("XDG_RUNTIME_DIR", "")
	d, err := state.Open(filepath.Join(t.TempDir(), "root"))
	if err != nil {
		t.Fatal(err)
	}
	o := &outside{t: t, dirs: d, context: t.TempDir()}
	data, err := os.ReadFile("/proc/self/exe")
	if err == nil {
		err = os.WriteFile(filepath.Join(o.context, "program"), data, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// build builds text, and returns the events as "Done [1/2] COPY …".
func (o *outside) build(ctx context.Context, text string, r Request, hear func(Event)) (Result, []string, error) {
	o.t.Helper()
	r.ContextDir, r.Dockerfile, r.Source = o.context, "Dockerfile", stream(o.t, strings.NewReader(text))
	words := map[Kind]string{Started: "Started", Cached: "Cached", Output: "Output", Done: "Done", Failed: "Failed", Canceled: "Canceled"}
	var log []string
	res, err := Build(ctx, o.dirs, r, func(e Event) {
		if word := words[e.Kind]; word != "" && !strings.HasPrefix(e.Name, "[internal]") {
			log = append(log, strings.TrimSpace(word+" "+e.Name+" "+string(e.Data)))
		}
		if hear != nil {
			hear(e)
		}
	})
	return res, log, err
}

// nothingLeft fails for what a build has left in the scratch space.
func (o *outside) nothingLeft() {
	o.t.Helper()
	left, err := filepath.Glob(string(o.dirs.Tmp()) + "/*/*")
	if err != nil || len(left) > 0 {
		o.t.Errorf("left behind: %q, %v", left, err)
	}
}

const program = "FROM scratch\nCOPY program /\n"

// What a build does and gives is the same from outside of the user namespace.
func TestBuildByAWorker(t *testing.T) {
	o := newOutside(t)
	tags := []string{"docker.io/library/built:latest"}
	text := program + "RUN --network=none [\"/program\", \"fail\"]\n"
	_, log, err := o.build(t.Context(), text, Request{}, nil)
	var failed *Error
	var exit *exec.ExitError
	if !errors.As(err, &failed) || !errors.As(err, &exit) {
		t.Fatalf("error is %v after %q", err, log)
	}
	const cause = `process "/program fail" did not complete successfully: exit code: 3`
	if failed.StepName != `[2/2] RUN --network=none ["/program", "fail"]` || failed.Text != cause || err.Error() != cause || exit.Code != 3 || !strings.Contains(failed.Excerpt, "3 | >>> RUN --network=none") {
		t.Errorf("error is %+v", failed)
	}
	if !slices.Contains(log, "Output "+failed.StepName+" the last words") {
		t.Errorf("events are %q", log)
	}
	res, log, err := o.build(t.Context(), program+"LABEL a=b\n", Request{Tags: tags, Labels: map[string]string{"c": "d"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(log, []string{"Cached [1/1] COPY program /", "Started exporting to image", "Done exporting to image"}) {
		t.Errorf("events are %q", log)
	}
	img, err := overlay.LoadImage(o.dirs, res.Image.ID)
	if err != nil || !slices.Equal(img.Names, tags) || img.Labels["a"] != "b" || img.Labels["c"] != "d" {
		t.Errorf("image is %+v, %v", img, err)
	}
	var happened []string
	err = events.Read(t.Context(), o.dirs.Root, events.Options{Past: true}, func(e events.Event) error {
		happened = append(happened, e.Action)
		return nil
	})
	if err != nil || strings.Join(happened, " ") != "build tag" {
		t.Errorf("the journal has %q, %v", happened, err)
	}
	o.nothingLeft()
}

func TestRefusedBeforeAWorker(t *testing.T) {
	o := newOutside(t)
	if _, log, err := o.build(t.Context(), program, Request{NetworkMode: "own"}, nil); !strings.HasPrefix(message(err), "network mode") || len(log) > 0 {
		t.Errorf("error is %v, events %q", err, log)
	}
}

// Who ends the context ends the build, whatever it does, and has the rest tidied up.
func TestCancel(t *testing.T) {
	o := newOutside(t)
	for i := range 2000 {
		if err := os.WriteFile(filepath.Join(o.context, fmt.Sprint(i)), []byte(fmt.Sprint(i)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	many := "FROM scratch\n"
	for i := range 30 {
		many += fmt.Sprintf("COPY . /%d\n", i)
	}
	for _, tt := range []struct {
		what, text string
		when       func(Event) bool
	}{
		{"RUN", program + "RUN --network=none [\"/program\", \"wait\"]\n", func(e Event) bool { return strings.Contains(string(e.Data), "waiting") }},
		{"COPY", many, func(e Event) bool { return e.Kind == Started && strings.Contains(e.Name, "COPY") }},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		var at time.Time
		res, log, err := o.build(ctx, tt.text, Request{}, func(e Event) {
			if at.IsZero() && tt.when(e) {
				at = time.Now()
				cancel()
			}
		})
		cancel()
		if at.IsZero() || !errors.Is(err, context.Canceled) || !strings.HasSuffix(err.Error(), "context canceled") || res.Image.ID != "" {
			t.Errorf("%s: error is %v after %q", tt.what, err, log)
		}
		var failed *Error
		if !errors.As(err, &failed) || failed.Excerpt != "" || !slices.ContainsFunc(log, func(l string) bool { return strings.HasPrefix(l, "Canceled ") }) {
			t.Errorf("%s: error is %+v after %q", tt.what, failed, log)
		}
		if took := time.Since(at); took > 10*time.Second {
			t.Errorf("%s: it took %s to end", tt.what, took)
		}
		o.nothingLeft()
		if lock, err := state.TryAcquire(o.dirs.BuildLock(), state.Exclusive); err != nil {
			t.Errorf("%s: the build cache is in use: %v", tt.what, err)
		} else {
			lock.Release()
		}
	}
}

// A process may ask for many builds at once; the end of one is not that of another.
func TestManyBuilds(t *testing.T) {
	o := newOutside(t)
	if _, _, err := o.build(t.Context(), program, Request{}, nil); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	waits := make(chan struct{})
	var one, others sync.WaitGroup
	one.Go(func() {
		_, _, err := o.build(ctx, program+"RUN --network=none [\"/program\", \"wait\"]\n", Request{}, func(e Event) {
			if e.Kind == Output {
				close(waits)
			}
		})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("canceled: %v", err)
		}
	})
	for i := range 4 {
		others.Go(func() {
			<-waits
			res, log, err := o.build(t.Context(), program+fmt.Sprintf("LABEL n=%d\n", i), Request{}, nil)
			if err != nil || res.Image.Labels["n"] != fmt.Sprint(i) {
				t.Errorf("build %d: %+v, %v after %q", i, res.Image, err, log)
			}
		})
	}
	others.Wait()
	cancel()
	one.Wait()
}

// Where a result goes beside the store.
func TestDestinations(t *testing.T) {
	o := newOutside(t)
	const text = "FROM scratch\nCOPY --chown=0:0 <<EOF /dir/file\ntext\nEOF\n"
	file := func(name string) *os.File {
		f, err := os.Create(filepath.Join(t.TempDir(), name))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		return f
	}
	dir, files, layout := t.TempDir(), file("files.tar"), file("image.tar")
	res, _, err := o.build(t.Context(), text, Request{Outputs: []Destination{{Type: "local", Dir: filepath.Join(dir, "new")}, {Type: "tar", File: files}}}, nil)
	if err != nil || res.Image.ID != "" {
		t.Errorf("an image without a place: %+v, %v", res, err)
	}
	if data, err := os.ReadFile(filepath.Join(dir, "new", "dir", "file")); err != nil || string(data) != "text\n" {
		t.Errorf("local: %q, %v", data, err)
	}
	if got := entries(t, files); !slices.Equal(got, []string{"dir/", "dir/file"}) {
		t.Errorf("tar: %q", got)
	}
	res, _, err = o.build(t.Context(), text, Request{Tags: []string{"docker.io/library/kept:1"}, Outputs: []Destination{{Type: "oci", File: layout}}}, nil)
	if got := entries(t, layout); err != nil || res.Image.ID == "" || !slices.Contains(got, "index.json") || !slices.Contains(got, "manifest.json") {
		t.Errorf("oci: %+v, %v: %q", res, err, got)
	}
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	res, _, err = o.build(t.Context(), text, Request{Outputs: []Destination{{Type: "docker", File: full}}}, nil)
	var lost *image.WriteError
	if !errors.As(err, &lost) || !errors.Is(err, syscall.ENOSPC) || res.Image.ID == "" {
		t.Errorf("nowhere to write to: %+v, %v", res, err)
	}
	_, _, err = o.build(t.Context(), text, Request{Outputs: []Destination{{Type: "tar", File: full}}}, nil)
	if got := message(err); got != "write archive: write /dev/full: no space left on device" {
		t.Errorf("nowhere to write the files to: %v", err)
	}
}

// entries are the names in an archive.
func entries(t *testing.T, f *os.File) (names []string) {
	t.Helper()
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	for r := tar.NewReader(f); ; {
		h, err := r.Next()
		if err == io.EOF {
			return names
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, h.Name)
	}
}

// The cache is looked at, and forgotten, from outside as well.
func TestCacheByAWorker(t *testing.T) {
	o := newOutside(t)
	const text = "FROM scratch\nCOPY <<EOF /a\n%s\nEOF\n"
	for _, n := range []string{"one", "two", "three"} {
		if _, _, err := o.build(t.Context(), fmt.Sprintf(text, n), Request{Outputs: []Destination{{Type: "cacheonly"}}}, nil); err != nil {
			t.Fatal(err)
		}
	}
	use := func() []CacheRecord {
		t.Helper()
		list, err := CacheUse(t.Context(), o.dirs)
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	list := use()
	if len(list) != 3 || !slices.IsSortedFunc(list, func(a, b CacheRecord) int { return a.Created.Compare(b.Created) }) {
		t.Fatalf("the cache has %+v", list)
	}
	for _, r := range list {
		if len(r.ID) != 64 || r.Type != "regular" || r.Size == 0 || r.Shared || r.Used.IsZero() {
			t.Errorf("a record is %+v", r)
		}
	}
	if freed, err := PruneCache(t.Context(), o.dirs, PruneCacheRequest{IDs: []string{list[1].ID, "another"}}); err != nil || freed != list[1].Size {
		t.Errorf("one: freed %d, %v", freed, err)
	}
	if got := use(); len(got) != 2 || got[0].ID != list[0].ID || got[1].ID != list[2].ID {
		t.Errorf("after one the cache has %+v", got)
	}
	if freed, err := PruneCache(t.Context(), o.dirs, PruneCacheRequest{}); err != nil || freed != 0 {
		t.Errorf("none: freed %d, %v", freed, err)
	}
	if freed, err := PruneCache(t.Context(), o.dirs, PruneCacheRequest{All: true, Keep: list[2].Size}); err != nil || freed != list[0].Size {
		t.Errorf("what does not fit: freed %d, %v", freed, err)
	}
	if freed, err := PruneCache(t.Context(), o.dirs, PruneCacheRequest{All: true}); err != nil || freed != list[2].Size || len(use()) != 0 {
		t.Errorf("all: freed %d, %v", freed, err)
	}
	_, err := os.ReadDir(o.dirs.BuildCache())
	if errors.Is(err, fs.ErrNotExist) {
		t.Error("the cache is gone with its content")
	}
}

// A Dockerfile can be looked at, and nothing is built for that.
func TestDescribe(t *testing.T) {
	o := newOutside(t)
	text := "ARG A=1\n# base the program\n" + strings.Replace(program, "scratch", "scratch AS base", 1) + "FROM base AS top\nARG A\nRUN --mount=type=secret,id=s,required x\n"
	about := func(r DescribeRequest) (Description, error) {
		r.Request.ContextDir, r.Request.Dockerfile, r.Request.Source = o.context, "Dockerfile", stream(t, strings.NewReader(text))
		return Describe(t.Context(), o.dirs, r, nil)
	}
	d, err := about(DescribeRequest{Request: Request{BuildArgs: map[string]string{"A": "2"}}})
	const graph = "0 scratch\n1 <- 0 copy [\"program\"] to \"/\" [base 1/1] COPY program /\n2 <- 1 run "
	targets := []plan.Target{{Name: "base", Description: "the program"}, {Name: "top", Default: true}}
	want := plan.Outline{Target: targets[1], Args: []plan.Arg{{Name: "A", Value: "2"}}, Secrets: []plan.SecretUse{{ID: "s", Required: true}}}
	if err != nil || !strings.HasPrefix(d.Graph, graph) || !slices.Equal(d.Targets, targets) || fmt.Sprint(d.Outline) != fmt.Sprint(want) {
		t.Errorf("it is %+v, %v", d, err)
	}
	if d, err := about(DescribeRequest{TargetsOnly: true}); err != nil || !slices.Equal(d.Targets, targets) || d.Graph != "" {
		t.Errorf("its targets: %+v, %v", d, err)
	}
	var failed *Error
	if _, err := about(DescribeRequest{Request: Request{Target: "tip"}}); !errors.As(err, &failed) || failed.Text != `target stage "tip" could not be found (did you mean top?)` {
		t.Errorf("another target: %v", err)
	}
	text = "FROM scratch\nUSER\n"
	if _, err := about(DescribeRequest{TargetsOnly: true}); !errors.As(err, &failed) || !strings.Contains(failed.Excerpt, "2 | >>> USER") {
		t.Errorf("a mistake: %v", err)
	}
	if list, err := CacheUse(t.Context(), o.dirs); err != nil || len(list) > 0 {
		t.Errorf("the cache has %+v, %v", list, err)
	}
	if _, err := about(DescribeRequest{Request: Request{NetworkMode: "own"}}); err == nil {
		t.Error("what no build can be given is described")
	}
	o.nothingLeft()
}
