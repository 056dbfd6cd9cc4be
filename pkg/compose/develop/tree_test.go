// SPDX-License-Identifier: Apache-2.0

package develop

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"coracle/internal/testutil"
)

// heard collects what a tree says.
type heard struct {
	mu    sync.Mutex
	paths map[string]bool
}

func (h *heard) add(path string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.paths[path] = true
}

func (h *heard) has(path string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.paths[path]
}

// watchTree watches paths in a directory until the test ends.
func watchTree(t *testing.T, skip func(string) bool, roots ...string) (*Tree, *heard) {
	t.Helper()
	tree, err := NewTree(roots, skip)
	if err != nil {
		t.Fatal(err)
	}
	h := &heard{paths: map[string]bool{}}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- tree.Run(ctx, h.add) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return tree, h
}

func write(t *testing.T, path string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
}

func (h *heard) hears(t *testing.T, path string) {
	t.Helper()
	testutil.Eventually(t, path, func() bool { return h.has(path) })
}

// TestTree: every way in which a path can change.
func TestTree(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	write(t, in("root/old/file"))
	write(t, in("root/skipped/file"))
	write(t, in("beside/file"))
	write(t, in("single"))
	_, h := watchTree(t, func(dir string) bool { return filepath.Base(dir) == "skipped" }, in("root"), in("single"), in("later/on"))
	write(t, in("root/old/file"))
	h.hears(t, in("root/old/file"))
	write(t, in("root/new/a/b/c"))
	h.hears(t, in("root/new/a/b/c"))
	if err := os.Rename(in("root/new"), in("root/moved")); err != nil {
		t.Fatal(err)
	}
	h.hears(t, in("root/moved/a/b/c"))
	write(t, in("root/moved/a/b/d"))
	h.hears(t, in("root/moved/a/b/d"))
	if err := os.Rename(in("root/moved"), in("away")); err != nil {
		t.Fatal(err)
	}
	h.hears(t, in("root/moved"))
	write(t, in("away/a/b/e")) // of the watch that went along nothing is heard
	write(t, in("root/skipped/other"))
	write(t, in("beside/file"))
	write(t, in("single"))
	h.hears(t, in("single"))
	write(t, in("later/on/file"))
	h.hears(t, in("later/on/file"))
	if err := os.RemoveAll(in("root")); err != nil {
		t.Fatal(err)
	}
	write(t, in("root/again/file"))
	h.hears(t, in("root/again/file"))
	for _, name := range []string{"root/moved/a/b/e", "away/a/b/e", "root/skipped/other", "beside/file"} {
		if h.has(in(name)) {
			t.Errorf("%s was heard of", name)
		}
	}
}

// TestManyFiles: what comes all at once is heard of.
func TestManyFiles(t *testing.T) {
	dir := t.TempDir()
	tree, h := watchTree(t, nil, dir)
	const dirs, files = 40, 50
	for d := range dirs {
		for f := range files {
			write(t, filepath.Join(dir, fmt.Sprint(d), fmt.Sprint(f)))
		}
	}
	for d := range dirs {
		for f := range files {
			h.hears(t, filepath.Join(dir, fmt.Sprint(d), fmt.Sprint(f)))
		}
	}
	_ = tree
}

// TestOverflow: where events were lost everything may have changed.
func TestOverflow(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a/b"))
	tree, err := NewTree([]string{dir}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tree.Close()
	if n := len(tree.paths); n != 3 {
		t.Errorf("%d watches, want dir, a and what dir is in", n)
	}
	var list []string
	const overflow = 0x4000 // IN_Q_OVERFLOW
	if err := tree.heard(-1, overflow, "", func(p string) { list = append(list, strings.TrimPrefix(p, dir)) }); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(list, " "); got != " /a /a/b" {
		t.Errorf("%q", got)
	}
}
