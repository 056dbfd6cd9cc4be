// SPDX-License-Identifier: Apache-2.0

package transfer

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// packed is an archive; regular files have their Linkname for content.
func packed(t testing.TB, entries ...tar.Header) []byte {
	t.Helper()
	var b bytes.Buffer
	tw := tar.NewWriter(&b)
	for _, h := range entries {
		text := ""
		if h.Typeflag == tar.TypeReg {
			text, h.Linkname = h.Linkname, ""
			h.Size = int64(len(text))
		}
		if h.Mode == 0 && h.Typeflag != tar.TypeXGlobalHeader {
			h.Mode = 0o755
		}
		if err := tw.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(tw, text); err != nil {
			t.Fatal(err)
		}
	}
	if err := tw.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func entry(kind byte, name, link string) tar.Header {
	return tar.Header{Typeflag: kind, Name: name, Linkname: link}
}

// hostile are archives that want out of their directory, each by several steps.
func hostile(t testing.TB) map[string][]byte {
	const reg, link, hard, dir = tar.TypeReg, tar.TypeSymlink, tar.TypeLink, tar.TypeDir
	return map[string][]byte{
		"up":                     packed(t, entry(reg, "../outside/secret", "evil")),
		"up in the middle":       packed(t, entry(reg, "a/../../../outside/secret", "evil")),
		"a link up":              packed(t, entry(link, "l", "../../outside"), entry(reg, "l/secret", "evil")),
		"an absolute link":       packed(t, entry(link, "l", "/outside"), entry(reg, "l/secret", "evil")),
		"a link over a link":     packed(t, entry(link, "l", "."), entry(link, "l", "../../outside"), entry(reg, "l/secret", "evil")),
		"links one by one":       packed(t, entry(link, "a", ".."), entry(link, "a/b", ".."), entry(link, "a/b/c", "outside"), entry(reg, "a/b/c/secret", "evil")),
		"a hard link up":         packed(t, entry(hard, "h", "../../outside/secret"), entry(reg, "h", "evil")),
		"a hard link by a link":  packed(t, entry(link, "l", "../../outside"), entry(hard, "h", "l/secret"), entry(reg, "h", "evil")),
		"a hard link to a link":  packed(t, entry(link, "l", "../../outside/secret"), entry(hard, "h", "l"), entry(reg, "h", "evil")),
		"a directory by a link":  packed(t, entry(link, "l", "../../outside"), entry(dir, "l/made/", ""), entry(reg, "l/made/f", "evil")),
		"a mode by a link":       packed(t, entry(dir, "x/", ""), entry(link, "l", "../../outside"), tar.Header{Typeflag: dir, Name: "l/", Mode: 0o777}),
		"a link in a directory":  packed(t, tar.Header{Typeflag: dir, Name: "z/", Mode: 0o777}, entry(reg, "z/f", "x"), entry(link, "z/l", "../../../outside"), entry(reg, "z/l/secret", "evil")),
		"a mode through a swap":  packed(t, tar.Header{Typeflag: dir, Name: "sub/", Mode: 0o777}, entry(link, "l", "../../outside"), entry(hard, "l2", "l")),
		"a name that is nothing": packed(t, entry(reg, "/.", "evil")),
		"many slashes":           packed(t, entry(reg, "////../outside/secret", "evil")),
		"a dot":                  packed(t, entry(link, ".", "../../outside"), entry(reg, "./secret", "evil")),
		"a whiteout":             packed(t, tar.Header{Typeflag: tar.TypeChar, Name: "f"}, entry(reg, "f2", "x")),
		"a loop":                 packed(t, entry(link, "a", "b"), entry(link, "b", "a"), entry(reg, "a/f", "x")),
		"a link to itself":       packed(t, entry(hard, "f", "f")),
		"no archive":             []byte("this is no archive"),
		"half an archive":        packed(t, entry(reg, "half", strings.Repeat("x", 5000)))[:3000],
		"a comment":              packed(t, tar.Header{Typeflag: tar.TypeXGlobalHeader, Name: "g", PAXRecords: map[string]string{"comment": "x"}}),
	}
}

// untouched fails if anything but the root has changed.
func untouched(t *testing.T, what, dir, outside string) {
	t.Helper()
	if text, err := os.ReadFile(filepath.Join(outside, "secret")); string(text) != "secret" || err != nil {
		t.Fatalf("%s: THE SECRET IS NOW %q, %v", what, text, err)
	}
	for path, want := range map[string]string{outside: "secret", filepath.Dir(dir): "outside root"} {
		list, err := os.ReadDir(path)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, e := range list {
			names = append(names, e.Name())
		}
		if got := strings.Join(names, " "); got != want {
			t.Fatalf("%s: in %s there is %s", what, path, got)
		}
	}
	if info, err := os.Lstat(outside); err != nil || info.Mode().Perm() != 0o755 {
		t.Fatalf("%s: the mode outside is %v, %v", what, info.Mode(), err)
	}
	if info, err := os.Lstat(filepath.Join(outside, "secret")); err != nil || info.Sys() == nil || info.Mode().Perm() != 0o644 {
		t.Fatalf("%s: the secret's mode is %v, %v", what, info.Mode(), err)
	}
}

func TestHostileArchives(t *testing.T) {
	for what, data := range hostile(t) {
		for where, o := range map[string]InOptions{"container": {}, "host": {Host: true}} {
			root, dir, outside := tree(t)
			_, err := In(t.Context(), bytes.NewReader(data), root, "/d", o)
			untouched(t, what+" in a "+where+" ("+errorText(err)+")", dir, outside)
			if _, err := os.Lstat(filepath.Join(dir, "d", "sub")); err != nil {
				t.Errorf("%s: what was there is gone: %v", what, err)
			}
		}
	}
}

func errorText(err error) string {
	if err == nil {
		return "no error"
	}
	return err.Error()
}

// FuzzIn unpacks what it is given, and looks whether anything outside has changed.
func FuzzIn(f *testing.F) {
	for _, data := range hostile(f) {
		f.Add(data, false)
		f.Add(data, true)
	}
	f.Fuzz(func(t *testing.T, data []byte, host bool) {
		root, dir, outside := tree(t)
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second) // zeros without end, for one
		defer cancel()
		_, _ = In(ctx, bytes.NewReader(data), root, "/d", InOptions{Host: host})
		untouched(t, "fuzz", dir, outside)
		_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error { // for who removes it
			if err == nil && d.IsDir() {
				_ = os.Chmod(path, 0o700)
			}
			return nil
		})
	})
}

func TestWhatIsNoDirectory(t *testing.T) {
	root, _, _ := tree(t)
	var file *NotDirectoryError
	if _, err := In(t.Context(), bytes.NewReader(nil), root, "/d/f", InOptions{}); !errors.As(err, &file) || file.Path != "/d/f" || !strings.Contains(err.Error(), "not a directory") {
		t.Errorf("a file: %v", err)
	}
	var missing *NotFoundError
	if _, err := In(t.Context(), bytes.NewReader(nil), root, "/nosuch", InOptions{}); !errors.As(err, &missing) || missing.Path != "/nosuch" {
		t.Errorf("nothing: %v", err)
	}
}

func TestStatAndNames(t *testing.T) {
	root, _, outside := tree(t)
	for _, tt := range []struct {
		path   string
		follow bool
		name   string
		link   string
		dir    bool
	}{
		{"/d", false, "d", "", true}, {"/d/.", false, "d", "", true}, {"/", false, "/", "", true}, {"/d/l", false, "l", "f", false}, {"/d/l", true, "l", "", false},
		{"/escape", false, "escape", outside, false}, {"/abs/", false, "abs", "", true},
	} {
		i, err := Stat(root, tt.path, tt.follow)
		if err != nil || i.Name != tt.name || i.LinkTarget != tt.link || i.Mode.IsDir() != tt.dir {
			t.Errorf("%s: %+v, %v", tt.path, i, err)
		}
	}
	var missing *NotFoundError
	if _, err := Stat(root, "/d/f/x", true); !errors.As(err, &missing) || !strings.Contains(err.Error(), "Could not find the file /d/f/x") {
		t.Errorf("below a file: %v", err)
	}
	for path, want := range map[string]string{"": "/", "/": "/", "..": "/", "/a/b/": "b", "a/.": "a", "/a/..": "/", "x\xff": "x\xff"} {
		if got := BaseName(path); got != want {
			t.Errorf("%q is called %q, want %q", path, got, want)
		}
	}
}

func TestTheContextEndsBoth(t *testing.T) {
	root, dir, _ := tree(t)
	big, err := os.Create(filepath.Join(dir, "d", "big"))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(big.Truncate(1<<40), big.Close()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	w := writer(func(p []byte) (int, error) {
		cancel()
		return len(p), nil
	})
	if _, err := Out(ctx, w, root, OutOptions{Path: "/d", As: "d"}); !errors.Is(err, context.Canceled) {
		t.Errorf("out: %v", err)
	}
	if _, err := In(ctx, bytes.NewReader(packed(t, entry(tar.TypeReg, "new", "x"))), root, "/d", InOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("in: %v", err)
	}
	if _, err := os.Lstat(filepath.Join(dir, "d", "new")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file came after the end: %v", err)
	}
}

type writer func([]byte) (int, error)

func (w writer) Write(p []byte) (int, error) { return w(p) }

// TestCopyKeeps copies one directory over another: links, hard links, modes, times
// and holes.
func TestCopyKeeps(t *testing.T) {
	root, dir, _ := tree(t)
	past := time.Date(2001, 2, 3, 4, 5, 6, 7000, time.UTC)
	err := errors.Join(os.Link(filepath.Join(dir, "d", "f"), filepath.Join(dir, "d", "sub", "again")), os.Chtimes(filepath.Join(dir, "d", "f"), past, past),
		os.Chmod(filepath.Join(dir, "d", "sub"), 0o511), os.WriteFile(filepath.Join(dir, "d", "x\xff"), nil, 0o600))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chmod(filepath.Join(dir, "d", "sub"), 0o700) })
	to := t.TempDir()
	t.Cleanup(func() { _ = os.Chmod(filepath.Join(to, "sub"), 0o700) })
	into, err := os.Open(to)
	if err != nil {
		t.Fatal(err)
	}
	defer into.Close()
	from, err := os.Open(filepath.Join(dir, "d"))
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	if left, err := Copy(into, from); err != nil || len(left) > 0 {
		t.Fatalf("%q, %v", left, err)
	}
	f, err := os.Stat(filepath.Join(to, "f"))
	if err != nil || f.Mode() != 0o640 || !f.ModTime().Equal(past) {
		t.Errorf("%v, %v", f, err)
	}
	if again, err := os.Stat(filepath.Join(to, "sub", "again")); err != nil || !os.SameFile(f, again) {
		t.Errorf("two files became of one: %v", err)
	}
	if link, err := os.Readlink(filepath.Join(to, "l")); link != "f" || err != nil {
		t.Errorf("the link leads to %q, %v", link, err)
	}
	if sub, err := os.Stat(filepath.Join(to, "sub")); err != nil || sub.Mode().Perm() != 0o511 {
		t.Errorf("%v, %v", sub, err)
	}
	if _, err := os.Stat(filepath.Join(to, "x\xff")); err != nil {
		t.Error(err)
	}
	_ = root
}
