// SPDX-License-Identifier: Apache-2.0

package plain

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"coracle/pkg/xattr"
)

// sh runs a script in a new directory, and returns it.
func sh(t *testing.T, script string) string {
	t.Helper()
	dir := t.TempDir()
	run(t, dir, script)
	return dir
}

func run(t *testing.T, dir, script string) {
	t.Helper()
	cmd := exec.Command("sh", "-ec", script)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// mark makes marks of removed files, and opaque directories.
func mark(t *testing.T, dir string, removed, opaque []string) {
	t.Helper()
	for _, name := range removed {
		d, err := os.Open(filepath.Join(dir, filepath.Dir(name)))
		if err != nil {
			t.Fatal(err)
		}
		if err := Mark(int(d.Fd()), filepath.Base(name)); err != nil {
			t.Fatal(err)
		}
		d.Close()
	}
	for _, name := range opaque {
		if err := unix.Setxattr(filepath.Join(dir, name), Opaque, []byte{'y'}, 0); err != nil {
			t.Fatal(err)
		}
	}
}

// look is what is in a tree: by name its kind, mode, and contents or target. Marks
// are told from files.
func look(t *testing.T, dir string) map[string]string {
	t.Helper()
	seen := map[string]string{}
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || p == dir {
			return err
		}
		name, _ := filepath.Rel(dir, p)
		var st unix.Stat_t
		if err := unix.Lstat(p, &st); err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		text := info.Mode().String()
		switch {
		case IsMark(p, st.Mode, st.Rdev, st.Size):
			text = "removed"
		case info.Mode().IsRegular():
			data, err := os.ReadFile(p)
			if err != nil {
				return err
			}
			text += " " + string(data)
		case info.Mode()&fs.ModeSymlink != 0:
			target, err := os.Readlink(p)
			if err != nil {
				return err
			}
			text = "-> " + target
		}
		attrs, err := xattr.Read(p)
		if err != nil {
			return err
		}
		for _, k := range slices.Sorted(maps.Keys(attrs)) {
			text += fmt.Sprintf(" %s=%s", k, attrs[k])
		}
		seen[name] = text
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return seen
}

func same(t *testing.T, what string, got, want map[string]string) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if got[name] != want[name] {
			t.Errorf("%s: %s is %q, want %q", what, name, got[name], want[name])
		}
	}
	for _, name := range slices.Sorted(maps.Keys(got)) {
		if _, ok := want[name]; !ok {
			t.Errorf("%s: %s is there: %q", what, name, got[name])
		}
	}
}

// TestFlatten puts layers over each other that replace and remove in every way.
func TestFlatten(t *testing.T) {
	outside := t.TempDir()
	one := sh(t, `umask 022; echo 1 >kept; echo 1 >replaced; echo 1 >gone; mkdir -p d/deep o/old tofile; echo 1 >d/deep/f; echo 1 >o/old/f; echo 1 >tofile/f
		echo 1 >todir; ln -s `+outside+` link; ln -s nowhere dangling; echo x >h1; ln h1 h2; mkfifo pipe; chmod 4711 kept; chmod 700 d/deep`)
	two := sh(t, `umask 022; echo 2 >replaced; mkdir d o todir link; chmod 750 d; echo 2 >o/new; echo 2 >tofile; echo 2 >todir/f; echo 2 >link/f; echo 2 >dangling`)
	mark(t, two, []string{"gone", "d/deep", "never"}, []string{"o"})
	to := t.TempDir()
	if err := Flatten(context.Background(), []string{two, one}, to); err != nil {
		t.Fatal(err)
	}
	same(t, "flat", look(t, to), map[string]string{
		"kept": "urwx--x--x 1\n", "replaced": "-rw-r--r-- 2\n", "d": "drwxr-x---", "o": "drwxr-xr-x", "o/new": "-rw-r--r-- 2\n", "tofile": "-rw-r--r-- 2\n",
		"todir": "drwxr-xr-x", "todir/f": "-rw-r--r-- 2\n", "link": "drwxr-xr-x", "link/f": "-rw-r--r-- 2\n", "dangling": "-rw-r--r-- 2\n",
		"h1": "-rw-r--r-- x\n", "h2": "-rw-r--r-- x\n", "pipe": "prw-r--r--",
	})
	if left, err := os.ReadDir(outside); err != nil || len(left) > 0 {
		t.Errorf("a link was followed: %v, %v", left, err)
	}
	var h1, h2 unix.Stat_t
	if err := unix.Lstat(filepath.Join(to, "h1"), &h1); err != nil {
		t.Fatal(err)
	}
	if err := unix.Lstat(filepath.Join(to, "h2"), &h2); err != nil || h1.Ino != h2.Ino {
		t.Errorf("links of one file: %d and %d, %v", h1.Ino, h2.Ino, err)
	}
}

// TestNotesOfLinks has layers that note whose links and pipes are, at their directories:
// an upper one has notes of its own alone.
func TestNotesOfLinks(t *testing.T) {
	one := sh(t, "mkdir d o; for n in below replaced gone given; do ln -s x d/$n; ln -s x $n; done; mkfifo d/pipe; ln -s x o/l")
	two := sh(t, "mkdir d o; for n in replaced above given; do ln -s y d/$n; ln -s y $n; done; ln -s y o/m")
	mark(t, two, []string{"gone", "d/gone"}, []string{"o"})
	const all = "1:1 below\x001:1 replaced\x001:1 gone\x001:1 given\x001:1 pipe\x00"
	const above = "2:2 above\x002:2 given\x00"
	for dir, value := range map[string]string{one + "/d": all, one: all, one + "/o": "1:1 l\x00", two + "/d": above, two: above, two + "/o": "2:2 m\x00"} {
		if err := unix.Setxattr(dir, xattr.OverrideNames, []byte(value), 0); err != nil {
			t.Fatal(err)
		}
	}
	to := t.TempDir()
	if err := Flatten(context.Background(), []string{two, one}, to); err != nil {
		t.Fatal(err)
	}
	for dir, want := range map[string]string{"d": above + "1:1 below\x001:1 pipe\x00", ".": above + "1:1 below\x00", "o": "2:2 m\x00"} {
		attrs, err := xattr.Stored(filepath.Join(to, dir))
		if got := attrs[xattr.OverrideNames]; err != nil || got != want {
			t.Errorf("%s: %q, %v, want %q", dir, got, err, want)
		}
	}
}

// TestCopyLayer copies directories beside each other, with files that have names in several
// of them.
func TestCopyLayer(t *testing.T) {
	layer := sh(t, `umask 022; for a in 1 2 3 4 5 6 7 8; do for b in 1 2 3 4 5; do mkdir -p d$a/e$b; echo $a$b >d$a/e$b/f; ln -s f d$a/e$b/l; done; done
		for a in 1 2 3 4 5 6 7 8; do ln d1/e1/f d$a/same; ln d2/e2/f d$a/e5/other; done; find . -type d -exec touch -d '2020-01-01 00:00:00.5' {} +; chmod 700 d3`)
	mark(t, layer, []string{"d4/gone"}, []string{"d5"})
	to := t.TempDir()
	asked := func(uid, gid uint32) (uint32, uint32) { return uid, gid }
	if err := CopyLayer(context.Background(), layer, to, asked); err != nil {
		t.Fatal(err)
	}
	same(t, "copy", look(t, to), look(t, layer))
	var first, st unix.Stat_t
	if err := unix.Stat(filepath.Join(to, "d1/e1/f"), &first); err != nil || first.Nlink != 9 {
		t.Errorf("%d names, %v", first.Nlink, err)
	}
	for _, name := range []string{"d1", "d8/e5", "."} {
		var was unix.Stat_t
		if err := errors.Join(unix.Stat(filepath.Join(to, name), &st), unix.Stat(filepath.Join(layer, name), &was)); err != nil || st.Mtim != was.Mtim {
			t.Errorf("%s is of %v, %v", name, st.Mtim, err)
		}
	}
	if !IsOpaque(filepath.Join(to, "d5")) || IsOpaque(filepath.Join(to, "d6")) {
		t.Error("what is opaque")
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := CopyLayer(ctx, layer, t.TempDir(), asked); err != context.Canceled {
		t.Errorf("given up: %v", err)
	}
}

// changes are scripts that change a tree, with what the layer has of it.
var changes = []struct {
	name, script string
	want         map[string]string
}{
	{"nothing", "", map[string]string{}},
	{"read", "cat d/f >/dev/null; ls d", map[string]string{}},
	{"touch", "touch d/f", map[string]string{"d": "", "d/f": "-rw-r--r-- one\n"}},
	{"write", "echo two >d/f", map[string]string{"d": "", "d/f": "-rw-r--r-- two\n"}},
	{"bytes alone", "touch -r d/f ref; printf 'ONE\\n' >d/f; touch -r ref d/f; rm ref", map[string]string{"d": "", "d/f": "-rw-r--r-- ONE\n"}},
	{"same bytes", "touch -r d/f ref; printf 'one\\n' >d/f; touch -r ref d/f; rm ref", map[string]string{}},
	{"mode", "chmod 600 d/f", map[string]string{"d": "", "d/f": "-rw------- one\n"}},
	{"mode and back", "chmod 600 d/f; chmod 644 d/f", map[string]string{}},
	{"remove", "rm d/f", map[string]string{"d": "drwxr-xr-x", "d/f": "removed"}},
	{"remove directory", "rm -r d", map[string]string{"d": "removed"}},
	{"empty directory", "rm d/f d/g d/l", map[string]string{"d": "drwxr-xr-x", "d/f": "removed", "d/g": "removed", "d/l": "removed"}},
	{"new", "mkdir -p n/m; echo new >n/m/f; ln -s f n/m/s", map[string]string{"n": "drwxr-xr-x", "n/m": "drwxr-xr-x", "n/m/f": "-rw-r--r-- new\n", "n/m/s": "-> f"}},
	{"file to directory", "rm d/f; mkdir d/f; echo x >d/f/x", map[string]string{"d": "drwxr-xr-x", "d/f": "drwxr-xr-x", "d/f/x": "-rw-r--r-- x\n"}},
	{"directory to file", "rm -r d; echo x >d", map[string]string{"d": "-rw-r--r-- x\n"}},
	{"link to another place", "ln -sfn elsewhere d/l", map[string]string{"d": "drwxr-xr-x", "d/l": "-> elsewhere"}},
	{"renamed directory", "mv d e", map[string]string{"d": "removed", "e": "drwxr-xr-x", "e/f": "-rw-r--r-- one\n", "e/g": "-rw-r--r-- two\n", "e/l": "-> f"}},
	{"another name", "ln d/f d/h", map[string]string{"d": "drwxr-xr-x", "d/f": "-rw-r--r-- one\n", "d/h": "-rw-r--r-- one\n"}},
	{"empty file", ": >d/f", map[string]string{"d": "", "d/f": "-rw-r--r-- "}},
	{"mode of a directory", "chmod 700 d", map[string]string{"d": "drwx------"}},
	{"long file", "truncate -s 1M d/g", map[string]string{"d": "", "d/g": "-rw-r--r-- two\n" + strings.Repeat("\x00", 1<<20-4)}},
}

// TestDifference changes a copy, and looks at the layer, which leads there again.
func TestDifference(t *testing.T) {
	for _, c := range changes {
		t.Run(c.name, func(t *testing.T) {
			base := sh(t, `umask 022; mkdir d; echo one >d/f; echo two >d/g; ln -s f d/l; touch -d '2020-01-01 00:00:00.5' d/f d/g`)
			now, layer, again := t.TempDir(), t.TempDir(), t.TempDir()
			if err := Copy(context.Background(), base, now); err != nil {
				t.Fatal(err)
			}
			stamp := stampIn(t)
			run(t, now, "umask 022; "+c.script)
			if err := Difference(context.Background(), base, now, layer, stamp); err != nil {
				t.Fatal(err)
			}
			got := look(t, layer)
			for name, want := range c.want {
				if want == "" { // of a directory that only holds something: it may be there
					c.want[name] = got[name]
				}
			}
			same(t, "layer", got, c.want)
			if err := Flatten(context.Background(), []string{layer, base}, again); err != nil {
				t.Fatal(err)
			}
			same(t, "layer over base", look(t, again), look(t, now))
		})
	}
}

// stampIn is the time of the file system, see Difference.
func stampIn(t *testing.T) time.Time {
	t.Helper()
	p := filepath.Join(t.TempDir(), "stamp")
	if err := os.WriteFile(p, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var st unix.Stat_t
	if err := unix.Stat(p, &st); err != nil {
		t.Fatal(err)
	}
	return time.Unix(st.Ctim.Unix())
}

// Work ends when it is told to.
func TestCanceled(t *testing.T) {
	from := sh(t, "echo x >f")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for what, err := range map[string]error{
		"copy": Copy(ctx, from, t.TempDir()), "flatten": Flatten(ctx, []string{from}, t.TempDir()),
		"difference": Difference(ctx, t.TempDir(), from, t.TempDir(), time.Time{}),
	} {
		if err != context.Canceled {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// A mark is one in either form, and an empty file is none.
func TestMarks(t *testing.T) {
	dir := sh(t, "touch empty; echo x >full; mkdir d")
	mark(t, dir, []string{"gone"}, nil)
	if err := os.WriteFile(filepath.Join(dir, "attr"), nil, 0); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(dir, "attr"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setxattr(filepath.Join(dir, "attr"), removed, []byte{'y'}, 0); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{"gone": true, "attr": true, "empty": false, "full": false, "d": false} {
		var st unix.Stat_t
		if err := unix.Lstat(filepath.Join(dir, name), &st); err != nil {
			t.Fatal(err)
		}
		if got := IsMark(filepath.Join(dir, name), st.Mode, st.Rdev, st.Size); got != want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

// A tree of links is told from what has become of it like one of copies, and leaves the
// layers that it is linked to as they were.
func TestLink(t *testing.T) {
	lower := sh(t, `umask 022; mkdir d; echo one >d/f; ln d/f d/same; echo two >d/g; ln -s f d/l; mkfifo p; chmod 4755 d/g`)
	upper := sh(t, `umask 022; mkdir d; echo more >d/more`)
	before := look(t, lower)
	base, now, layer, again := t.TempDir(), t.TempDir(), t.TempDir(), t.TempDir()
	if err := Flatten(context.Background(), []string{upper, lower}, base); err != nil {
		t.Fatal(err)
	}
	if err := Link(context.Background(), base, now); err != nil {
		t.Fatal(err)
	}
	same(t, "links", look(t, now), look(t, base))
	stamp := stampIn(t)
	run(t, now, "umask 022; rm d/f; echo new >d/f; mkdir e; echo x >e/x; rm d/l; chmod 700 d")
	if err := Difference(context.Background(), base, now, layer, stamp); err != nil {
		t.Fatal(err)
	}
	same(t, "layer", look(t, layer), map[string]string{"d": "drwx------", "d/f": "-rw-r--r-- new\n", "d/l": "removed", "e": "drwxr-xr-x", "e/x": "-rw-r--r-- x\n"})
	if err := Flatten(context.Background(), []string{layer, upper, lower}, again); err != nil {
		t.Fatal(err)
	}
	same(t, "layer over base", look(t, again), look(t, now))
	same(t, "the lower layer", look(t, lower), before)
}

// Names that a file has in the layers below its tree are none of the tree's: one more
// in the copy is a change, whatever links there are elsewhere.
func TestNewNameOfLinkedFile(t *testing.T) {
	for script, want := range map[string]map[string]string{
		"":           {},
		"ln d/f d/h": {"d": "drwxr-xr-x", "d/f": "-rw-r--r-- one\n", "d/same": "-rw-r--r-- one\n", "d/h": "-rw-r--r-- one\n"},
		"rm d/same":  {"d": "drwxr-xr-x", "d/same": "removed"},
	} {
		lower := sh(t, `umask 022; mkdir d; echo one >d/f; ln d/f d/same; touch -d '2020-01-01 00:00:00.5' d/f`)
		base, other, now, layer := t.TempDir(), t.TempDir(), t.TempDir(), t.TempDir()
		for _, to := range []string{base, other} {
			if err := Flatten(context.Background(), []string{lower}, to); err != nil {
				t.Fatal(err)
			}
		}
		if err := Copy(context.Background(), base, now); err != nil {
			t.Fatal(err)
		}
		stamp := stampIn(t)
		run(t, now, "umask 022; "+script)
		if err := Difference(context.Background(), base, now, layer, stamp); err != nil {
			t.Fatal(err)
		}
		same(t, script, look(t, layer), want)
	}
}
