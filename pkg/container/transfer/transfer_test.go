// SPDX-License-Identifier: Apache-2.0

package transfer

import (
	"archive/tar"
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// tree makes a root with a secret beside it.
func tree(t *testing.T) (root *os.File, dir, outside string) {
	t.Helper()
	base := t.TempDir()
	dir, outside = filepath.Join(base, "root"), filepath.Join(base, "outside")
	err := errors.Join(os.MkdirAll(filepath.Join(dir, "d", "sub"), 0o755), os.Mkdir(outside, 0o755),
		os.WriteFile(filepath.Join(outside, "secret"), []byte("secret"), 0o644),
		os.WriteFile(filepath.Join(dir, "d", "f"), []byte("content"), 0o640),
		os.Symlink("f", filepath.Join(dir, "d", "l")),
		os.Symlink(outside, filepath.Join(dir, "escape")),
		os.Symlink("/d", filepath.Join(dir, "abs")),
		os.Symlink("../../outside/secret", filepath.Join(dir, "up")))
	if err == nil {
		root, err = os.Open(dir)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	return root, dir, outside
}

func names(t *testing.T, data []byte) string {
	t.Helper()
	var list []string
	for tr := tar.NewReader(bytes.NewReader(data)); ; {
		h, err := tr.Next()
		if err != nil {
			return strings.Join(list, " ")
		}
		list = append(list, h.Name)
	}
}

func TestOut(t *testing.T) {
	root, _, _ := tree(t)
	for _, tt := range []struct {
		path, as string
		follow   bool
		want     string
	}{
		{"/d", "d", false, "d/ d/f d/l d/sub/"},
		{"/d", "", false, "./ f l sub/"},
		{"/d/f", "x", false, "x"},
		{"/abs/f", "f", false, "f"}, // an absolute link means the root's own
		{"/d/l", "l", false, "l"},
		{"/escape", "e", false, "e"}, // the link itself
	} {
		var out bytes.Buffer
		if _, err := Out(t.Context(), &out, root, OutOptions{Path: tt.path, As: tt.as, Follow: tt.follow}); err != nil || names(t, out.Bytes()) != tt.want {
			t.Errorf("%s as %q: %q %v, want %q", tt.path, tt.as, names(t, out.Bytes()), err, tt.want)
		}
	}
	for _, path := range []string{"/escape/secret", "/up", "/../outside/secret", "/nosuch"} {
		var out bytes.Buffer
		var missing *NotFoundError
		if _, err := Out(t.Context(), &out, root, OutOptions{Path: path, As: "x", Follow: true}); !errors.As(err, &missing) {
			t.Errorf("%s: %v %q", path, err, out.String())
		}
	}
}

func TestIn(t *testing.T) {
	root, dir, outside := tree(t)
	stream := func(entries ...tar.Header) *bytes.Buffer {
		var b bytes.Buffer
		tw := tar.NewWriter(&b)
		for _, h := range entries {
			text := h.Linkname
			if h.Typeflag == tar.TypeReg {
				h.Linkname, h.Size = "", int64(len(text))
			}
			h.Mode = 0o755
			if err := tw.WriteHeader(&h); err != nil {
				t.Fatal(err)
			}
			if h.Typeflag == tar.TypeReg {
				if _, err := tw.Write([]byte(text)); err != nil {
					t.Fatal(err)
				}
			}
		}
		tw.Close()
		return &b
	}
	file := func(name string) tar.Header { return tar.Header{Name: name, Typeflag: tar.TypeReg, Linkname: "evil"} }
	if _, err := In(t.Context(), stream(file("f"), tar.Header{Name: "new/", Typeflag: tar.TypeDir}, file("new/g")), root, "/abs", InOptions{}); err != nil {
		t.Error(err)
	}
	if text, err := os.ReadFile(filepath.Join(dir, "d", "new", "g")); err != nil || string(text) != "evil" {
		t.Errorf("%q %v", text, err)
	}
	for what, b := range map[string]*bytes.Buffer{
		"up":            stream(file("../secret")),
		"link up":       stream(tar.Header{Name: "x", Typeflag: tar.TypeLink, Linkname: "../outside/secret"}),
		"file over dir": stream(file("sub")),
		"dir over file": stream(tar.Header{Name: "f/", Typeflag: tar.TypeDir}),
	} {
		if _, err := In(t.Context(), b, root, "/d", InOptions{}); err == nil {
			t.Errorf("%s: no error", what)
		}
	}
	for what, o := range map[string]InOptions{"in a container": {}, "on the host": {Host: true}} {
		// Inside a container the link leads to the container's own directory of
		// that name; out of a directory of the host nothing leads.
		link := tar.Header{Name: "x", Typeflag: tar.TypeSymlink, Linkname: outside}
		_, err := In(t.Context(), stream(link, file("x/secret"), file("/secret")), root, "/d", o)
		if (err == nil) == o.Host {
			t.Errorf("%s: through a link: %v", what, err)
		}
		if text, err := os.ReadFile(filepath.Join(dir, outside, "secret")); !o.Host && (err != nil || string(text) != "evil") {
			t.Errorf("%s: %q %v", what, text, err)
		}
	}
	if _, err := In(t.Context(), stream(file("secret")), root, "/escape", InOptions{}); err != nil {
		t.Error(err)
	}
	if text, _ := os.ReadFile(filepath.Join(outside, "secret")); string(text) != "secret" {
		t.Errorf("THE SECRET IS NOW %q", text)
	}
}
