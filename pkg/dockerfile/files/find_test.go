// SPDX-License-Identifier: Apache-2.0

package files

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// listed is what a source gives: the names of files, and of what is below
// directories, with a dot for each of these.
func listed(t *testing.T, tr *Tree, src string, o Options) string {
	t.Helper()
	c := &Copy{}
	if err := c.Add(tr, src, o); err != nil {
		return err.Error()
	}
	var list []string
	for _, s := range c.sources {
		if !s.isDir() {
			list = append(list, s.base)
			continue
		}
		list = append(list, ".")
		for _, it := range s.below {
			list = append(list, it.rel)
		}
	}
	return strings.Join(list, " ")
}

const notFound = "failed to compute cache key: failed to calculate checksum of ref: "

func TestSources(t *testing.T) {
	files := []string{"a.go", "b.go", "c.txt", "d/e.go", "d/f/g.txt", "node_modules/x/y"}
	tests := []struct {
		ignore []string
		src    string
		want   string
	}{
		{nil, "a.go", "a.go"},
		{nil, "/../../a.go", "a.go"},
		{nil, "*.go", "a.go b.go"},
		{nil, "c*", "c.txt"},
		{nil, "*/e.go", "e.go"},
		{nil, "d/*/g.txt", "g.txt"},
		{nil, "d/*", "e.go . g.txt"},
		{nil, "*.none", ""},
		{nil, "a.go/*", ""},
		{nil, "none/*", "lstat /none: no such file or directory"},
		{nil, "none", notFound + `"/none": not found`},
		{nil, "a.go/x", notFound + `"/a.go/x": not found`},
		{nil, "a[", notFound + "syntax error in pattern"},
		{nil, "d", ". e.go f f/g.txt"},
		{[]string{"node_modules", "*.txt"}, ".", ". a.go b.go d d/e.go d/f d/f/g.txt"},
		{[]string{"**/*.txt"}, "d", ". e.go f"},
		{[]string{"*", "!d/f"}, ".", ". d d/f d/f/g.txt"},
		{[]string{"d", "!d/f/g.txt"}, "d", ". f f/g.txt"},
		{[]string{"d", "!a.go"}, "d", notFound + `"/d": not found`},
		{[]string{"d"}, "d/*", "lstat /d: no such file or directory"},
		{[]string{"a.go"}, "a.go", notFound + `"/a.go": not found`},
		{[]string{"d"}, "d/e.go", notFound + `"/d/e.go": not found`},
		{[]string{"a.go"}, "*.go", "b.go"},
	}
	for _, tt := range tests {
		if got := listed(t, tempTree(t, tt.ignore, files...), tt.src, Options{}); got != tt.want {
			t.Errorf("%q without %q: got %q, want %q", tt.src, tt.ignore, got, tt.want)
		}
	}
}

func TestParentsAndExclude(t *testing.T) {
	tr := tempTree(t, nil, "d/e.go", "d/f/g.txt", "d/f/h.go", "a.txt")
	tests := []struct {
		src  string
		o    Options
		want string
	}{
		{"d/e.go", Options{Parents: true}, ". d d/e.go"},
		{"d/f", Options{Parents: true}, ". d d/f d/f/g.txt d/f/h.go"},
		{"./d/./f", Options{Parents: true}, ". f f/g.txt f/h.go"},
		{"d/*.go", Options{Parents: true}, ". d d/e.go"},
		{"**/*.go", Options{Parents: true}, ". d d/e.go d/f d/f/h.go"},
		{"d/**/g.txt", Options{Parents: true}, ". d d/f d/f/g.txt"},
		{"*", Options{Parents: true, Exclude: []string{"d"}}, ". a.txt"},
		{"d/none", Options{Parents: true}, notFound + `"/d/none": not found`},
		{"none/./f", Options{Parents: true}, "lstat /none: no such file or directory"},
		{"d", Options{Exclude: []string{"f"}}, ". e.go"},
		{"d", Options{Exclude: []string{"**/*.txt"}}, ". e.go f f/h.go"},
		{"d", Options{Exclude: []string{"*", "!f/g.txt"}}, ". f f/g.txt"},
		{"a*", Options{Exclude: []string{"*.txt"}}, "a.txt"}, // a source is not in itself
	}
	for _, tt := range tests {
		if got := listed(t, tr, tt.src, tt.o); got != tt.want {
			t.Errorf("%q with %+v: got %q, want %q", tt.src, tt.o, got, tt.want)
		}
	}
}

func TestContextCannotBeLeft(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(outside, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	tr := tempTree(t, nil, "a")
	for name, to := range map[string]string{"abs": outside, "dir": filepath.Dir(outside), "up": "../../../../../../" + outside} {
		if err := os.Symlink(to, filepath.Join(tr.path, name)); err != nil {
			t.Fatal(err)
		}
	}
	for _, o := range []Options{{}, {Parents: true}, {Unpack: true}} {
		for _, src := range []string{"abs", "up", "dir/secret", "dir/*", "*/secret", "**/secret", "dir/./secret", "../" + outside} {
			c := &Copy{}
			if err := c.Add(tr, src, o); err != nil {
				continue
			}
			for _, s := range c.sources {
				for _, it := range append([]item{{name: s.name, info: s.info}}, s.below...) {
					if it.info.Mode().IsRegular() && it.name != "a" {
						t.Errorf("HOST FILE WAS FOUND through %q: %+v", src, it)
					}
				}
			}
		}
	}
}
