// SPDX-License-Identifier: Apache-2.0

package inroot

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

func TestNothingLeadsOut(t *testing.T) {
	base := t.TempDir()
	root, outside := filepath.Join(base, "root"), filepath.Join(base, "outside")
	err := errors.Join(os.MkdirAll(filepath.Join(root, "d"), 0o755), os.Mkdir(outside, 0o755), os.Symlink("../outside", filepath.Join(root, "up")),
		os.Symlink(outside, filepath.Join(root, "absolute")), os.Symlink("/d", filepath.Join(root, "inside")), os.Symlink("loop", filepath.Join(root, "loop")))
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(root)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, name := range []string{"up/x", "absolute/x", "../outside/x", "inside/y", "new/deep/z"} {
		for what, d := range map[string]Dir{"root": Root(f), "beneath": Beneath(f)} {
			if made, err := d.MkdirAll(name); err == nil {
				if link, _ := os.Readlink(Path(made)); !filepath.IsLocal(filepath.Join(".", link[len(base):])[1:]) || link[:len(root)] != root {
					t.Errorf("%s: %s was made at %s", what, name, link)
				}
				made.Close()
			} else if what == "root" {
				t.Errorf("%s: %s: %v", what, name, err)
			}
		}
	}
	if left, err := os.ReadDir(outside); err != nil || len(left) > 0 {
		t.Errorf("SOMETHING WAS MADE OUTSIDE: %v %v", left, err)
	}
	if _, err := Beneath(f).Open("up", unix.O_PATH, 0); !errors.Is(err, unix.EXDEV) {
		t.Errorf("beneath: a link that leads out: %v", err)
	}
	if _, err := Root(f).MakeFile("loop"); err == nil {
		t.Error("a link to itself is a file")
	}
}

func TestMadeWhateverTheUmask(t *testing.T) {
	dir := t.TempDir()
	f, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, mask := range []int{0o077, 0} {
		old := unix.Umask(mask)
		d, derr := Root(f).MkdirAll("/a/b")
		file, ferr := Root(f).MakeFile("/a/f")
		unix.Umask(old)
		if err := errors.Join(derr, ferr); err != nil {
			t.Fatal(err)
		}
		d.Close()
		file.Close()
		for name, want := range map[string]os.FileMode{"a": 0o755, "a/b": 0o755, "a/f": 0o644} {
			if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm() != want {
				t.Errorf("umask %o: %s: %v %v", mask, name, info, err)
			}
		}
		if err := os.RemoveAll(filepath.Join(dir, "a")); err != nil {
			t.Fatal(err)
		}
	}
}
