// SPDX-License-Identifier: Apache-2.0

package exec

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"

	"coracle/pkg/dockerfile/cache"
	"coracle/pkg/dockerfile/plan"
	"coracle/pkg/overlay"
)

// Events come one at a time, numbered by their step, without credentials.
func TestTeller(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var got []Event
	teller := NewTeller(ctx, func(e Event) { got = append(got, e) })
	one := teller.Start("ADD https://me:secret@host/f /f")
	two := teller.Announce("RUN x")
	text := []byte("text")
	if n, err := two.Write(text); n != 4 || err != nil {
		t.Errorf("wrote %d, %v", n, err)
	}
	copy(text, "over") // what was told stays
	one.Status("half")
	one.Finish()
	two.Cached()
	bad := errors.New("get https://me:secret@host: no")
	err := two.Fail(bad)
	var step *StepError
	if !errors.As(err, &step) || step.Step != 2 || step.Name != "RUN x" || !errors.Is(err, bad) || err.Error() != bad.Error() {
		t.Errorf("error is %+v", err)
	}
	if err := one.Fail(err); err != error(step) {
		t.Errorf("another step's failure became %v", err)
	}
	cancel()
	if err := one.Fail(context.Canceled); err != context.Canceled {
		t.Errorf("the end of the build became %v", err)
	}
	want := []Event{
		{Step: 1, Kind: Announced}, {Step: 1, Kind: Started}, {Step: 2, Kind: Announced}, {Step: 2, Kind: Output, Data: []byte("text")},
		{Step: 1, Kind: Status, Text: "half"}, {Step: 1, Kind: Done}, {Step: 2, Kind: Cached},
		{Step: 2, Kind: Failed, Text: "get https://xxxxx:xxxxx@host: no"}, {Step: 1, Kind: Canceled}, {Step: 1, Kind: Canceled},
	}
	if len(got) != len(want) {
		t.Fatalf("events are %+v", got)
	}
	names := []string{"", "ADD https://xxxxx:xxxxx@host/f /f", "RUN x"}
	for i, e := range got {
		w := want[i]
		if e.Step != w.Step || e.Kind != w.Kind || e.Text != w.Text || string(e.Data) != string(w.Data) || e.Name != names[w.Step] || e.Time.IsZero() {
			t.Errorf("event %d is %+v, want %+v", i, e, w)
		}
	}
	NewTeller(ctx, nil).Start("nobody listens").Finish()
}

// The first who asks for a key makes it; the others get what it made, or wait for
// the end of the build.
func TestFlights(t *testing.T) {
	all := flights{byKey: map[cache.Key]*flight{}}
	first, mine := all.get("k")
	if !mine {
		t.Fatal("the first is another's")
	}
	same, mine := all.get("k")
	if other, own := all.get("l"); mine || same != first || !own || other == first {
		t.Fatal("keys are mixed up")
	}
	first.land("layer", nil)
	if err := same.wait(t.Context()); err != nil || same.layer != "layer" {
		t.Errorf("got %q, %v", same.layer, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	lost, _ := all.get("lost")
	lost.land("", errors.New("no"))
	done := make(chan error)
	go func() { done <- lost.wait(ctx) }()
	select {
	case err := <-done:
		t.Fatalf("it did not wait for the end of the build: %v", err)
	case <-time.After(10 * time.Millisecond): // or is about to: it ends at the cancel only
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v", err)
	}
	never, _ := all.get("never")
	if err := never.wait(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("who waits for what never comes: %v", err)
	}
}

func TestWarningsOnce(t *testing.T) {
	var j Job
	for _, w := range []string{"a", "b", "a"} {
		j.Warn(w)
	}
	if got := j.Warnings(); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("warnings are %q", got)
	}
}

func u64(n uint64) *uint64 { return &n }

// Two mounts show one cache if their ids are one and it begins as the same.
func TestCacheName(t *testing.T) {
	m := func(c instructions.Mount) mount {
		c.Type = instructions.MountTypeCache
		return mount{Mount: plan.Mount{Mount: &c}}
	}
	of := func(c instructions.Mount, layers ...overlay.LayerID) mount {
		x := m(c)
		x.Layers, x.layers = &plan.Vertex{}, layers
		return x
	}
	for _, tt := range []struct {
		a, b mount
		same bool
	}{
		{m(instructions.Mount{Target: "/c"}), m(instructions.Mount{Target: "/c/"}), true},
		{m(instructions.Mount{Target: "/c"}), m(instructions.Mount{Target: "/d", CacheID: "/c"}), true},
		{m(instructions.Mount{Target: "/c"}), m(instructions.Mount{Target: "/d"}), false},
		{m(instructions.Mount{Target: "/c", CacheID: "a"}), m(instructions.Mount{Target: "/c", CacheID: "b"}), false},
		{m(instructions.Mount{Target: "/c"}), m(instructions.Mount{Target: "/c", ReadOnly: true, CacheSharing: instructions.MountSharingLocked}), true},
		{m(instructions.Mount{Target: "/c"}), m(instructions.Mount{Target: "/c", UID: u64(0)}), false},
		{m(instructions.Mount{Target: "/c", GID: u64(0)}), m(instructions.Mount{Target: "/c", UID: u64(0)}), true},
		{m(instructions.Mount{Target: "/c", Mode: u64(0o700)}), m(instructions.Mount{Target: "/c", Mode: u64(0o755)}), false},
		{m(instructions.Mount{Target: "/c", Source: "sub"}), m(instructions.Mount{Target: "/c", Source: "sub", UID: u64(1)}), true},
		{m(instructions.Mount{Target: "/c"}), of(instructions.Mount{Target: "/c"}, "l"), false},
		{of(instructions.Mount{Target: "/c"}, "l"), of(instructions.Mount{Target: "/c"}, "l"), true},
		{of(instructions.Mount{Target: "/c"}, "l"), of(instructions.Mount{Target: "/c"}, "l", "m"), false},
		{of(instructions.Mount{Target: "/c", Source: "/a"}, "l"), of(instructions.Mount{Target: "/c", Source: "/b"}, "l"), false},
	} {
		a, b := cacheName(tt.a), cacheName(tt.b)
		if (a == b) != tt.same || len(a) != 64 {
			t.Errorf("%+v and %+v: %s and %s, want one: %t", tt.a.Mount.Mount, tt.b.Mount.Mount, a, b, tt.same)
		}
	}
}

func TestPermissions(t *testing.T) {
	for n, want := range map[uint64]fs.FileMode{
		0: 0, 0o755: 0o755, 0o4755: fs.ModeSetuid | 0o755, 0o2750: fs.ModeSetgid | 0o750, 0o1777: fs.ModeSticky | 0o777, 0o170644: 0o644,
	} {
		if got := permissions(n); got != want {
			t.Errorf("%o is %v, want %v", n, got, want)
		}
	}
}

// What is younger than the epoch gets its time, links themselves among it.
func TestClampTimes(t *testing.T) {
	dir := t.TempDir()
	epoch, before := time.Unix(1000, 0), time.Unix(500, 0)
	in := func(name string) string { return filepath.Join(dir, name) }
	err := errors.Join(os.Mkdir(in("d"), 0o755), os.WriteFile(in("d/young"), nil, 0o644), os.WriteFile(in("d/old"), nil, 0o644),
		os.Chtimes(in("d/old"), before, before), os.Symlink("/nowhere", in("link")))
	if err == nil {
		err = clampTimes(dir, epoch)
	}
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]time.Time{"": epoch, "d": epoch, "d/young": epoch, "d/old": before, "link": epoch} {
		if info, err := os.Lstat(in(name)); err != nil || !info.ModTime().Equal(want) {
			t.Errorf("%q is of %v, %v, want %v", name, info.ModTime(), err, want)
		}
	}
}

// What COPY and ADD do not take is said before anything is copied.
func TestCopyRefusals(t *testing.T) {
	s := &Solver{Job: &Job{Ctx: t.Context()}}
	c := func(words ...string) plan.Copy {
		return plan.Copy{SourcesAndDest: instructions.SourcesAndDest{SourcePaths: words, DestPath: "/"}, Verb: "COPY", Dest: "/"}
	}
	with := func(c plan.Copy, f func(*plan.Copy)) plan.Copy { f(&c); return c }
	for want, op := range map[string]plan.Copy{
		"use numeric uid[:gid] instead":                         with(c("a"), func(c *plan.Copy) { c.Link, c.Chown = true, "me" }),
		"checksum can't be specified for multiple sources":      with(c("a", "b"), func(c *plan.Copy) { c.Checksum = "sha256:0" }),
		"checksum requires HTTP(S) or Git sources":              with(c("a"), func(c *plan.Copy) { c.Checksum = "sha256:0" }),
		"invalid checksum digest format":                        with(c("https://h/a"), func(c *plan.Copy) { c.Checksum = "x" }),
		"source can't be a URL for COPY":                        c("https://h/a"),
		"source can't be a git ref for COPY":                    c("https://h/a.git"),
		"there is no build context: the Dockerfile was read fr": c("a"),
	} {
		if _, err := s.copy(op); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error is %v, want %q", op.SourcePaths, err, want)
		}
	}
}
