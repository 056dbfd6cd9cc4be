// SPDX-License-Identifier: Apache-2.0

package dockerfile

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"coracle/pkg/dockerfile/cache"
	"coracle/pkg/dockerfile/exec"
	"coracle/pkg/state"
)

// mounted is what a RUN finds: the targets, and the names in each.
func (w *world) mounted(text string, o Request) []string {
	w.t.Helper()
	var found []string
	w.run = func(_ context.Context, s exec.Step) error {
		for _, m := range s.Mounts {
			var names []string
			entries, err := os.ReadDir(m.Source)
			for _, e := range entries {
				names = append(names, e.Name())
			}
			if m.Type == "bind" && err != nil {
				names = []string{"a file"}
			}
			found = append(found, fmt.Sprintf("%s %s ro=%t %s", m.Type, m.Target, m.ReadOnly, names))
		}
		return nil
	}
	defer func() { w.run = nil }()
	o.NoCache = true
	if _, err := w.build(text, o); err != nil {
		w.t.Fatalf("%s: %v", text, err)
	}
	left, err := filepath.Glob(string(w.st.Dirs().Tmp()) + "/*/*")
	if err != nil || len(left) > 0 {
		w.t.Errorf("%s: left behind: %q, %v", text, left, err)
	}
	return found
}

func TestMounts(t *testing.T) {
	if !inUserns(t) {
		return
	}
	w := newWorld(t)
	w.write(map[string]string{"d/f": "1"})
	const from = "FROM scratch AS one\nCOPY d /d\nFROM scratch\nWORKDIR /w\n"
	secret := Request{Secrets: []Secret{{ID: "s", Value: []byte("x")}}}
	for _, tt := range []struct{ line, want string }{
		{"RUN --mount=from=one x", "bind /w ro=true [d]"},
		{"RUN --mount=from=one,source=d,target=m x", "bind /w/m ro=true [f]"},
		{"RUN --mount=from=one,source=d,rw,target=/m x", "bind /m ro=false [f]"},
		{"RUN --mount=from=one,source=/d/f,target=/m x", "bind /m ro=true [a file]"},
		{"RUN --mount=source=d,target=/m x", "bind /m ro=true [f]"},
		{"RUN --mount=source=d,target=/m,rw x", "bind /m ro=false [f]"},
		{"RUN --mount=type=tmpfs x", "tmpfs /w ro=false []"},
		{"RUN --mount=type=cache,target=/c x", "bind /c ro=false []"},
		{"RUN --mount=type=cache,target=/c,from=one,source=d x", "bind /c ro=false [f]"},
		{"RUN --mount=type=secret,source=s x", "bind /run/secrets/s ro=true [a file]"},
		{"RUN --mount=type=secret,id=s,target=/q x", "bind /q ro=true [a file]"},
		{"RUN --mount=type=secret,id=s,env=S x", ""},
		{"RUN --mount=type=secret,id=other x", ""},
		{"RUN --mount=type=tmpfs,target=/b/c --mount=type=tmpfs,target=/b x", "tmpfs /b ro=false [];tmpfs /b/c ro=false []"},
	} {
		if got := strings.Join(w.mounted(from+tt.line+"\n", secret), ";"); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.line, got, tt.want)
		}
	}
	for line, want := range map[string]string{
		"RUN --mount=target=/ x":                        `invalid mount target "/"`,
		"RUN --mount=from=one,source=/no,target=/m x":   `failed to compute cache key: failed to calculate checksum of ref: "/no": not found`,
		"RUN --mount=type=secret,id=no,required x":      "secret no: not found",
		"RUN --mount=type=cache,target=/c,source=/no x": `failed to compute cache key: failed to calculate checksum of ref: "/no": not found`,
		"COPY --from=7 /d /d":                           "invalid stage index 7",
	} {
		if _, err := w.build(from+line+"\n", Request{}); message(err) != want {
			t.Errorf("%s: error is %v, want %q", line, err, want)
		}
	}
}

// Caches of one id that begin differently are not the same; two mounts of one
// cache in one RUN do not wait for each other.
func TestCacheMounts(t *testing.T) {
	if !inUserns(t) {
		return
	}
	w := newWorld(t)
	w.run = func(_ context.Context, s exec.Step) error {
		return os.WriteFile(filepath.Join(s.Mounts[0].Source, s.Args[2]), nil, 0o600)
	}
	if _, err := w.build("FROM scratch\nRUN --mount=type=cache,target=/c plain\nRUN --mount=type=cache,target=/c,mode=0700 own\n", Request{NoCache: true}); err != nil {
		t.Fatal(err)
	}
	for line, want := range map[string]string{
		"--mount=type=cache,target=/c":                 "[plain]",
		"--mount=type=cache,target=/d,id=/c":           "[plain]",
		"--mount=type=cache,target=/c,mode=0700":       "[own]",
		"--mount=type=cache,target=/c,sharing=locked":  "[plain]",
		"--mount=type=cache,target=/c,sharing=private": "[plain]",
		"--mount=type=cache,target=/c,uid=0,mode=0750": "[]",
		"--mount=type=cache,target=/c,ro":              "[plain]",
	} {
		if got := w.mounted("FROM scratch\nRUN "+line+" x\n", Request{}); !strings.HasSuffix(got[0], want) {
			t.Errorf("%s: got %q, want %s", line, got, want)
		}
	}
	const twice = "--mount=type=cache,id=z,target=/a,sharing=locked --mount=type=cache,id=z,target=/b,sharing=locked"
	if got := w.mounted("FROM scratch\nRUN "+twice+" x\n", Request{}); len(got) != 2 {
		t.Errorf("mounted twice: %q", got)
	}
}

// A private cache that is in use is another one.
func TestPrivateCacheInUse(t *testing.T) {
	if !inUserns(t) {
		return
	}
	w := newWorld(t)
	const text = "FROM scratch\nRUN --mount=type=cache,target=/c,sharing=private first\n"
	w.run = func(_ context.Context, s exec.Step) error {
		return os.WriteFile(filepath.Join(s.Mounts[0].Source, "first"), nil, 0o600)
	}
	if _, err := w.build(text, Request{NoCache: true}); err != nil {
		t.Fatal(err)
	}
	locks, err := filepath.Glob(filepath.Join(w.st.Dirs().CacheMounts(), "*.lock"))
	if err != nil || len(locks) != 1 {
		t.Fatal(locks, err)
	}
	var held *state.Lock
	var other sync.WaitGroup // another build's line of work
	other.Go(func() {
		held, err = state.Acquire(t.Context(), state.LockFile{Path: locks[0], Rank: state.RankCacheMount}, state.Exclusive)
	})
	other.Wait()
	if err != nil {
		t.Fatal(err)
	}
	if got := w.mounted(text, Request{}); !slices.Equal(got, []string{"bind /c ro=false []"}) {
		t.Errorf("the cache in use was taken: %q", got)
	}
	held.Release()
	if got := w.mounted(text, Request{}); !slices.Equal(got, []string{"bind /c ro=false [first]"}) {
		t.Errorf("the cache was not found again: %q", got)
	}
}

// Whatever lies where the cache keeps its records costs a rebuild.
func TestDamagedCache(t *testing.T) {
	if !inUserns(t) {
		return
	}
	w := newWorld(t)
	w.write(map[string]string{"f": "1"})
	const text = "FROM scratch\nCOPY f /f\nRUN x\nCMD y\n"
	dir := w.st.Dirs().BuildCache()
	for what, damage := range map[string]func(file string) error{
		"nothing":          os.Remove,
		"no JSON":          func(f string) error { return os.WriteFile(f, []byte("{"), 0o600) },
		"null":             func(f string) error { return os.WriteFile(f, []byte("null"), 0o600) },
		"another layer":    func(f string) error { return os.WriteFile(f, []byte(`{"layer":"../../x","created":"x"}`), 0o600) },
		"a strange layer":  func(f string) error { return os.WriteFile(f, []byte(`{"layer":"../../.."}`), 0o600) },
		"a full directory": func(f string) error { return os.MkdirAll(filepath.Join(f, "d"), 0o700) },
		"a pipe's way":     func(f string) error { return os.Symlink("/nosuch/file", f) },
	} {
		if _, err := w.build(text, Request{}); err != nil {
			t.Fatal(err)
		}
		records, err := filepath.Glob(dir + "/*.[js]*")
		if err != nil || len(records) < 3 { // one more, of sums, where all this takes long
			t.Fatal(records, err)
		}
		for _, r := range records {
			_ = os.Remove(r)
			if err := damage(r); err != nil && what != "nothing" {
				t.Fatal(err)
			}
		}
		if _, err := w.build(text, Request{}); err != nil {
			t.Errorf("%s in place of the records: %v", what, err)
		}
		if slices.ContainsFunc(w.log, func(l string) bool { return strings.HasPrefix(l, "CACHED") }) {
			t.Errorf("%s in place of the records: %q", what, w.log)
		}
		if _, err := w.build(text, Request{}); err != nil || !slices.ContainsFunc(w.log, func(l string) bool { return strings.HasPrefix(l, "CACHED") }) {
			t.Errorf("after %s in place of the records: %q, %v", what, w.log, err)
		}
		for _, r := range records {
			_ = os.RemoveAll(r)
			if err := os.MkdirAll(filepath.Join(r, "d"), 0o700); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := cache.Clear(dir); err != nil {
			t.Errorf("clear: %v", err)
		}
	}
}
