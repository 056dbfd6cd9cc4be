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

// rootWith opens a new directory with links in it: their names, and where they lead.
func rootWith(t *testing.T, links map[string]string) (*os.File, string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "d", "e"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, to := range links {
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	f, err := OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f, dir
}

func TestFollow(t *testing.T) {
	f, _ := rootWith(t, map[string]string{"abs": "/d", "up": "../../../d", "none": "/not/there", "chain": "abs"})
	for name, want := range map[string]string{
		"/d/e": "/d/e", "d": "/d", "/": "/", "": "/", "..": "/", "../../x": "/x",
		"abs/e": "/d/e", "up/e": "/d/e", "chain/e/f": "/d/e/f", "none/x": "/not/there/x", "new/x": "/new/x",
	} {
		if got, err := Root(f).Follow(name); err != nil || got != want {
			t.Errorf("%q: %q, %v, want %q", name, got, err, want)
		}
	}
}

// TestNoLinks: a link is an error wherever in the path it is (CVE-2023-28642).
func TestNoLinks(t *testing.T) {
	f, dir := rootWith(t, map[string]string{"proc": "/d"})
	for name, want := range map[string]error{"/d/e": nil, "/proc": unix.ELOOP, "/proc/e": unix.ELOOP, "/none": unix.ENOENT} {
		got, err := Root(f).NoLinks().Open(name, unix.O_PATH, 0)
		if !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
		if err == nil {
			got.Close()
		}
		if got, err := Plain(dir+name, unix.O_PATH); !errors.Is(err, want) {
			t.Errorf("plain %s: %v, want %v", name, err, want)
		} else if err == nil {
			got.Close()
		}
	}
}

func TestNoMounts(t *testing.T) {
	top, err := OpenRoot("/")
	if err != nil {
		t.Fatal(err)
	}
	defer top.Close()
	if _, err := Root(top).NoMounts().Open("/proc/self", unix.O_PATH, 0); !errors.Is(err, unix.EXDEV) {
		t.Errorf("onto another mount: %v", err)
	}
}

// TestMagicLinks: what /proc shows as a link leads out of every root.
func TestMagicLinks(t *testing.T) {
	proc, err := OpenRoot("/proc/self")
	if err != nil {
		t.Fatal(err)
	}
	defer proc.Close()
	for what, d := range map[string]Dir{"root": Root(proc), "beneath": Beneath(proc)} {
		for _, name := range []string{"cwd", "root", "root/etc", "exe"} {
			if f, err := d.Open(name, unix.O_PATH, 0); err == nil {
				f.Close()
				t.Errorf("%s: %s LEADS OUT", what, name)
			}
		}
	}
}

func TestOpenRootOfAFile(t *testing.T) {
	if _, err := OpenRoot("/etc/passwd"); !errors.Is(err, unix.ENOTDIR) {
		t.Errorf("%v", err)
	}
}
