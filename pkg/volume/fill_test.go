// SPDX-License-Identifier: Apache-2.0

package volume

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"coracle/pkg/state"
)

// TestFilledOnce cuts a fill off at each of its steps.
func TestFilledOnce(t *testing.T) {
	past := time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC)
	for name, prepare := range map[string]func(dir state.VolumeDir) error{
		"from nothing": func(state.VolumeDir) error { return nil },
		"while it was prepared": func(dir state.VolumeDir) error {
			return errors.Join(os.Mkdir(dir.NewFill(), 0o700), os.WriteFile(filepath.Join(dir.NewFill(), "a"), []byte("ha"), 0o600))
		},
		"while it was moved": func(dir state.VolumeDir) error {
			return errors.Join(os.Mkdir(dir.Fill(), 0o750), os.WriteFile(filepath.Join(dir.Fill(), "b"), []byte("b"), 0o640),
				os.Chtimes(dir.Fill(), past, past), os.WriteFile(filepath.Join(dir.Data(), "a"), []byte("a"), 0o640))
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := newStore(t)
			create(t, s, "vol", nil)
			image := t.TempDir()
			content := filepath.Join(image, "d")
			err := errors.Join(os.Mkdir(content, 0o750), os.WriteFile(filepath.Join(content, "a"), []byte("a"), 0o640),
				os.WriteFile(filepath.Join(content, "b"), []byte("b"), 0o640), os.Chtimes(content, past, past), prepare(s.dirs.Volume("vol")))
			if err != nil {
				t.Fatal(err)
			}
			root, err := os.Open(image)
			if err != nil {
				t.Fatal(err)
			}
			defer root.Close()
			for range 2 {
				if err := s.Fill(t.Context(), "vol", "/d", root); err != nil {
					t.Fatal(err)
				}
			}
			for _, f := range []string{"a", "b"} {
				if text, err := os.ReadFile(filepath.Join(s.DataDir("vol"), f)); err != nil || string(text) != f {
					t.Errorf("%s: %q %v", f, text, err)
				}
			}
			if info, err := os.Stat(s.DataDir("vol")); err != nil || info.Mode().Perm() != 0o750 || !info.ModTime().Equal(past) {
				t.Errorf("the volume itself: %v %v", info, err)
			}
			left, err := os.ReadDir(string(s.dirs.Volume("vol")))
			if err != nil || len(left) != 3 { // data, lock, volume.json
				t.Errorf("left: %v %v", left, err)
			}
		})
	}
}

// image is a root file system with /d/f and links that lead to other places.
func image(t *testing.T) *os.File {
	t.Helper()
	dir, outside := t.TempDir(), t.TempDir()
	err := errors.Join(
		os.WriteFile(filepath.Join(outside, "secret"), nil, 0o600),
		os.Mkdir(filepath.Join(dir, "d"), 0o755), os.WriteFile(filepath.Join(dir, "d", "f"), []byte("x"), 0o644),
		os.Symlink("d", filepath.Join(dir, "link")), os.Symlink("/d", filepath.Join(dir, "absolute")),
		os.Symlink(outside, filepath.Join(dir, "out")), os.Symlink("../../../../../.."+outside, filepath.Join(dir, "up")),
		os.Symlink("loop", filepath.Join(dir, "loop")))
	if err != nil {
		t.Fatal(err)
	}
	root, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	return root
}

// files are the names in a directory.
func files(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return strings.Join(all, " ")
}

// TestFillStaysInside: links of an image mean its own files, as the kernel would
// follow them in there, and what leads nowhere leaves the volume empty.
func TestFillStaysInside(t *testing.T) {
	s, _ := newStore(t)
	root := image(t)
	for target, want := range map[string]string{
		"/d": "f", "/link": "f", "/absolute": "f", "/d/../d/": "f",
		"/out": "", "/up": "", "/loop": "", "/nosuch": "", "/d/f": "",
	} {
		v := create(t, s, "", nil).Name
		if err := s.Fill(t.Context(), v, target, root); err != nil {
			t.Errorf("%s: %v", target, err)
		}
		if got := files(t, s.DataDir(v)); got != want {
			t.Errorf("%s: %q, want %q", target, got, want)
		}
	}
}

// TestNeedsFill tells what a fill would find, before it, within it and after it.
func TestNeedsFill(t *testing.T) {
	s, _ := newStore(t)
	bound, full := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(full, "own"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	bind := func(dir string) map[string]string {
		return map[string]string{"type": "none", "o": "bind", "device": dir}
	}
	create(t, s, "own", nil)
	create(t, s, "bound", bind(bound))
	create(t, s, "full", bind(full))
	create(t, s, "later", bind(bound+"/nosuch"))
	create(t, s, "memory", map[string]string{"type": "tmpfs", "device": "x"})
	create(t, s, "begun", nil)
	if err := os.Mkdir(s.dirs.Volume("begun").Fill(), 0o700); err != nil {
		t.Fatal(err)
	}
	root := image(t)
	for name, want := range map[string]Need{
		"own": IfAny, "bound": IfAny, "full": NoFill, "later": NoFill, "memory": NoFill, "begun": Unfinished, "nosuch": NoFill,
	} {
		if got := s.NeedsFill(name); got != want {
			t.Errorf("%s needs %v, want %v", name, got, want)
		}
		if err := s.Fill(t.Context(), name, "/d", root); (err != nil) != (name == "nosuch") {
			t.Errorf("fill %s: %v", name, err)
		}
		if got := s.NeedsFill(name); got != NoFill && name != "begun" { // what was begun had nothing
			t.Errorf("%s needs %v after it was filled", name, got)
		}
	}
	if own, there, kept := files(t, s.DataDir("own")), files(t, bound), files(t, full); own != "f" || there != "f" || kept != "own" {
		t.Errorf("own %q, bound %q, full %q", own, there, kept)
	}
	if got := files(t, s.DataDir("bound")); got != "" {
		t.Errorf("a volume of another place was filled itself: %q", got)
	}
}

// TestFillWaits: who fills has the volume's lock, and is waited for.
func TestFillWaits(t *testing.T) {
	s, _ := newStore(t)
	create(t, s, "vol", nil)
	var lock *state.Lock
	var err error
	var other sync.WaitGroup // as another process has it: not a lock of this goroutine
	other.Go(func() { lock, err = state.TryAcquire(s.dirs.Volume("vol").FillLock(), state.Exclusive) })
	if other.Wait(); err != nil {
		t.Fatal(err)
	}
	defer lock.Release()
	now, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Fill(now, "vol", "/d", image(t)); !errors.Is(err, state.ErrLocked) || !strings.HasPrefix(err.Error(), "fill volume vol: ") {
		t.Error(err)
	}
	if got := files(t, s.DataDir("vol")); got != "" {
		t.Errorf("it was filled: %q", got)
	}
}
