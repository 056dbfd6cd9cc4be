// SPDX-License-Identifier: Apache-2.0

package archive

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"golang.org/x/sys/unix"

	"coracle/pkg/container"
)

func TestDiff(t *testing.T) {
	s := newStore(t)
	base, top := t.TempDir(), t.TempDir()
	r := &container.Record{Name: "web", LayerDirs: []string{base, top}}
	if err := s.Create(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	c, err := s.Load(r.ID)
	if err != nil {
		t.Fatal(err)
	}
	upper := c.Dir().Upper()
	put := func(dir, rel string) {
		path := filepath.Join(dir, rel)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("x"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	whiteout := func(dir, rel string) {
		if err := unix.Mknod(filepath.Join(dir, rel), unix.S_IFCHR, 0); err != nil {
			t.Skipf("this file system has no whiteouts: %v", err)
		}
	}
	put(base, "etc/passwd")
	put(base, "etc/group")
	put(base, "gone")
	whiteout(top, "gone")
	put(base, "opaque/old")
	put(top, "opaque/new")
	if err := unix.Setxattr(filepath.Join(top, "opaque"), "user.overlay.opaque", []byte("y"), 0); err != nil {
		t.Skipf("this file system has no user attributes: %v", err)
	}
	put(upper, "etc/group")
	put(upper, "etc/new")
	put(upper, "gone")       // deleted by a layer, made again
	put(upper, "opaque/old") // hidden by a layer, made again
	put(upper, "opaque/new")
	whiteout(upper, "etc/passwd")
	if err := os.Mkdir(filepath.Join(upper, "proc"), 0o755); err != nil { // where /proc is mounted
		t.Fatal(err)
	}
	// A link out of the layer must not be looked through.
	if err := os.Symlink("/etc", filepath.Join(upper, "link")); err != nil {
		t.Fatal(err)
	}
	list, err := Changes(t.Context(), s, c)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, ch := range list {
		got = append(got, ch.Kind.String()+" "+ch.Path)
	}
	want := []string{"C /etc", "C /etc/group", "A /etc/new", "D /etc/passwd", "A /gone", "A /link", "C /opaque", "C /opaque/new", "A /opaque/old"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("changes %q, want %q", got, want)
	}
}

// A place that was made to mount a file of ours on changes nothing that the
// container would know of; what else happened to its directory is told.
func TestDiffPassesOverMountPoints(t *testing.T) {
	for what, want := range map[string][]string{"nothing": nil, "mode": {"C /etc"}, "file": {"C /etc", "A /etc/own"}} {
		s, base := newStore(t), t.TempDir()
		r := &container.Record{Name: "web", LayerDirs: []string{base}}
		if err := s.Create(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		c, err := s.Load(r.ID)
		if err != nil {
			t.Fatal(err)
		}
		etc := filepath.Join(c.Dir().Upper(), "etc")
		for _, dir := range []string{filepath.Join(base, "etc"), etc} {
			if err := os.MkdirAll(dir, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(filepath.Join(etc, "hosts"), nil, 0o644); err != nil {
			t.Fatal(err)
		}
		switch what {
		case "mode":
			err = os.Chmod(etc, 0o700)
		case "file":
			err = os.WriteFile(filepath.Join(etc, "own"), []byte("x"), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
		list, err := Changes(t.Context(), s, c)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, ch := range list {
			got = append(got, ch.Kind.String()+" "+ch.Path)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("with %s of its own: changes %q, want %q", what, got, want)
		}
	}
}
