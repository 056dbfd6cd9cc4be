// SPDX-License-Identifier: Apache-2.0

package files

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"coracle/pkg/state"
)

func TestDigestOfSources(t *testing.T) {
	tr := tempTree(t, []string{"ignored"}, "a", "d/b", "ignored")
	sum := func() string {
		t.Helper()
		c := &Copy{}
		if err := c.Add(tr, ".", Options{}); err != nil {
			t.Fatal(err)
		}
		got, err := c.Digest(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	change := func(p, text string) error { return os.WriteFile(filepath.Join(tr.path, p), []byte(text), 0o644) }
	before := sum()
	for _, tt := range []struct {
		what    string
		do      func() error
		changes bool
	}{
		{"a time", func() error { return os.Chtimes(tr.path+"/a", time.Unix(1, 0), time.Unix(1, 0)) }, false},
		{"an ignored file", func() error { return change("ignored", "new") }, false},
		{"the same content", func() error { return change("a", "a") }, false},
		{"a mode", func() error { return os.Chmod(tr.path+"/a", 0o755) }, true},
		{"a content", func() error { return change("d/b", "other") }, true},
		{"a new file", func() error { return change("new", "") }, true},
		{"a name", func() error { return os.Rename(tr.path+"/new", tr.path+"/newer") }, true},
		{"a link", func() error { return os.Symlink("a", tr.path+"/l") }, true},
		{"the end of a link", func() error { return errors.Join(os.Remove(tr.path+"/l"), os.Symlink("b", tr.path+"/l")) }, true},
		{"another name of a file", func() error { return os.Link(tr.path+"/a", tr.path+"/d/hard") }, true},
		{"a file in place of that name", func() error {
			return errors.Join(os.Remove(tr.path+"/d/hard"), change("d/hard", "a"), os.Chmod(tr.path+"/d/hard", 0o755))
		}, true},
		{"an attribute", func() error { return unix.Setxattr(tr.path+"/a", "user.note", []byte("1"), 0) }, true},
		{"an attribute's value", func() error { return unix.Setxattr(tr.path+"/a", "user.note", []byte("2"), 0) }, true},
		{"a directory's attribute", func() error { return unix.Setxattr(tr.path+"/d", "user.note", []byte("1"), 0) }, true},
		{"a pipe", func() error { return unix.Mkfifo(tr.path+"/p", 0o600) }, true},
		{"an empty directory", func() error { return os.Mkdir(tr.path+"/empty", 0o755) }, true},
	} {
		if err := tt.do(); err != nil {
			t.Fatal(err)
		}
		after := sum()
		if (after != before) != tt.changes {
			t.Errorf("%s: digest changed: %t, want %t", tt.what, after != before, tt.changes)
		}
		before = after
	}
}

// summed is a new process that takes the digest of file a.
func summed(t *testing.T, tr *Tree, cache string) (sum string, read int) {
	t.Helper()
	s := LoadSums(cache, tr.path)
	tr.Sums = s
	info, err := tr.root.Lstat("a")
	if err != nil {
		t.Fatal(err)
	}
	sum, err = s.sum(t.Context(), tr, item{name: "a", info: info})
	if err != nil {
		t.Fatal(err)
	}
	s.Save(true)
	return sum, s.read
}

// ctime cannot be set, so tests that need a file at rest move the clock.
func at(t *testing.T, when time.Time) {
	t.Helper()
	clock = func() time.Time { return when }
	t.Cleanup(func() { clock = time.Now })
}

func TestSumsAreRemembered(t *testing.T) {
	tr, cache := tempTree(t, nil, "a"), t.TempDir()
	at(t, time.Now().Add(time.Hour))
	first, read := summed(t, tr, cache)
	if read != 1 {
		t.Errorf("%d files were read at first", read)
	}
	if again, read := summed(t, tr, cache); read != 0 || again != first {
		t.Errorf("%d files were read again; %s, want %s", read, again, first)
	}
	// Same size and time of change, as an editor or a copy with -p may leave it.
	info, err := os.Stat(tr.path + "/a")
	if err := errors.Join(err, os.WriteFile(tr.path+"/a", []byte("b"), 0o644), os.Chtimes(tr.path+"/a", info.ModTime(), info.ModTime())); err != nil {
		t.Fatal(err)
	}
	if other, read := summed(t, tr, cache); read != 1 || other == first {
		t.Errorf("a change went unseen: %d files read, digest %s", read, other)
	}
}

func TestSumsOfFreshFilesAreNotTrusted(t *testing.T) {
	tr, cache := tempTree(t, nil, "a"), t.TempDir()
	info, err := os.Stat(tr.path + "/a")
	if err != nil {
		t.Fatal(err)
	}
	for _, when := range []time.Time{info.ModTime().Add(restTime / 2), info.ModTime().Add(-time.Hour)} {
		at(t, when)
		for range 2 {
			if _, read := summed(t, tr, cache); read != 1 {
				t.Errorf("the digest of a file that was written at %s was kept at %s", info.ModTime(), when)
			}
		}
	}
}

func TestDamagedSumsAreIgnored(t *testing.T) {
	tr, cache := tempTree(t, nil, "a"), t.TempDir()
	at(t, time.Now().Add(time.Hour))
	first, _ := summed(t, tr, cache)
	list, err := filepath.Glob(cache + "/*.sums")
	if err != nil || len(list) != 1 {
		t.Fatal(list, err)
	}
	for _, text := range []string{"", "{", `{"a":{"Sum":"x"}}`, "null", `[1]`} {
		if err := state.WriteVolatile(list[0], []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, read := summed(t, tr, cache); got != first || read != 1 {
			t.Errorf("with %q: %s, %d read", text, got, read)
		}
	}
}
