// SPDX-License-Identifier: Apache-2.0

package exec

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"coracle/pkg/dockerfile/files"
)

// flip exchanges two names for as long as the test runs, and counts.
func flip(t *testing.T, a, b string) *atomic.Int64 {
	t.Helper()
	var n atomic.Int64
	var end atomic.Bool
	var wg sync.WaitGroup
	wg.Go(func() {
		for !end.Load() {
			if unix.Renameat2(unix.AT_FDCWD, a, unix.AT_FDCWD, b, unix.RENAME_EXCHANGE) == nil {
				n.Add(1)
			}
		}
	})
	t.Cleanup(func() { end.Store(true); wg.Wait() })
	return &n
}

// A source of a mount whose directory turns into a link to the outside, and
// back, shows what is inside or nothing.
func TestAttachWhileLinksFlip(t *testing.T) {
	if !inUserns(t) {
		return
	}
	dir, outside := t.TempDir(), t.TempDir()
	for file, text := range map[string]string{filepath.Join(dir, "way", "f"): "inside", filepath.Join(outside, "f"): "outside"} {
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(outside, filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	flips := flip(t, filepath.Join(dir, "way"), filepath.Join(dir, "link"))
	seen := map[string]int{}
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end) && (seen["inside"] < 50 || seen["nothing"] < 50); {
		seen[attached(t, root, "way")]++
	}
	if seen["inside"] < 50 || seen["nothing"] < 50 || flips.Load() == 0 {
		t.Errorf("the attack did not run: %v, %d flips", seen, flips.Load())
	}
	if seen["outside"] > 0 {
		t.Errorf("the outside was mounted: %v", seen)
	}
}

// attached is the text of the file f in the mount that a source gives.
func attached(t *testing.T, root *os.Root, source string) string {
	t.Helper()
	tree, isDir, err := cloneTree(root, source, true)
	var missing *files.NotFoundError
	if errors.As(err, &missing) {
		return "nothing"
	}
	if err != nil || !isDir {
		t.Fatal(isDir, err)
	}
	defer unix.Close(tree)
	fd, err := unix.Openat(tree, "f", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fd), "f")
	defer f.Close()
	text, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Faccessat(tree, "f", unix.W_OK, 0); !errors.Is(err, unix.EROFS) {
		t.Errorf("a read-only mount can be written to: %v", err)
	}
	return string(text)
}
