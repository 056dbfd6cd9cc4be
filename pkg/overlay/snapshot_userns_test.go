// SPDX-License-Identifier: Apache-2.0

package overlay

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	"go.podman.io/storage"
	"go.podman.io/storage/pkg/archive"
	"golang.org/x/sys/unix"

	"coracle/pkg/state"
)

func openTestStore(t *testing.T, o Options) *Store {
	t.Helper()
	t.Setenv("XDG_RUNTIME_DIR", "")
	t.Setenv("TMPDIR", t.TempDir())
	d, err := state.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	st, err := Open(d, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	return st
}

// change makes a layer on top of parent with what f does to the root.
func change(t *testing.T, st *Store, parent LayerID, f func(root string) error) LayerID {
	t.Helper()
	dir, err := st.NewDir()
	if err != nil {
		t.Fatal(err)
	}
	lowers, err := st.Lowers(parent)
	if err != nil {
		t.Fatal(err)
	}
	if len(lowers) == 0 {
		lowers = []string{t.TempDir()}
	}
	target := t.TempDir()
	if err := MountRootfs(Rootfs{Lowers: lowers, Upper: dir.Upper, Work: dir.Work, Target: target, Volatile: true}); err != nil {
		t.Fatal(err)
	}
	err = f(target)
	if err := errors.Join(err, unix.Unmount(target, 0)); err != nil {
		t.Fatal(err)
	}
	staged, err := st.StageDir(context.Background(), dir, lowers)
	if err != nil {
		t.Fatal(err)
	}
	id, err := st.Commit(staged, parent, nil)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// stream makes the layer's tar stream again, as a push does, and checks that
// it is the one whose digest was recorded.
func stream(t *testing.T, st *Store, id LayerID) map[string]*tar.Header {
	t.Helper()
	plain := archive.Uncompressed
	r, err := st.lib.Diff("", string(id), &storage.DiffOptions{Compression: &plain})
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(r)
	// The library holds its lock until then.
	if err := errors.Join(err, r.Close()); err != nil {
		t.Fatal(err)
	}
	if want, err := st.DiffID(id); err != nil || digest.FromBytes(data) != want {
		t.Errorf("stream made again is %s, recorded was %s (%v)", digest.FromBytes(data), want, err)
	}
	heads := map[string]*tar.Header{}
	for tr := tar.NewReader(bytes.NewReader(data)); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return heads
		}
		if err != nil {
			t.Fatal(err)
		}
		heads[h.Name] = h
	}
}

func TestStageDirKeepsChanges(t *testing.T) {
	st := openTestStore(t, Options{SingleID: true})
	write := func(p, text string) error {
		return errors.Join(os.MkdirAll(filepath.Dir(p), 0o755), os.WriteFile(p, []byte(text), 0o644))
	}
	base := change(t, st, "", func(root string) error {
		return errors.Join(write(root+"/d/gone", "1"), write(root+"/d/kept", "2"), write(root+"/o/old", "3"), write(root+"/tree/x/y", "4"), write(root+"/long/"+strings.Repeat("n", 200), "5"))
	})
	stream(t, st, base)
	top := change(t, st, base, func(root string) error {
		return errors.Join(os.Remove(root+"/d/gone"), os.RemoveAll(root+"/o"), write(root+"/o/new", "6"), os.RemoveAll(root+"/tree"),
			write(root+"/a", "7"), os.Link(root+"/a", root+"/b"), os.Symlink("/etc/passwd", root+"/link"), os.Link(root+"/link", root+"/link2"), unix.Mkfifo(root+"/fifo", 0o600),
			write(root+"/temporary", "8"), os.Remove(root+"/temporary"))
	})
	heads := stream(t, st, top)
	got := slices.Sorted(maps.Keys(heads))
	want := []string{".wh.tree", "a", "b", "d/", "d/.wh.gone", "fifo", "link", "link2", "o/", "o/.wh..wh..opq", "o/new"}
	if !slices.Equal(got, want) {
		t.Errorf("layer has %q, want %q", got, want)
	}
	if h := heads["b"]; h != nil && (h.Typeflag != tar.TypeLink || h.Linkname != "a") {
		t.Errorf("b is %q to %q, want a hard link to a", h.Typeflag, h.Linkname)
	}
	if h := heads["link2"]; h != nil && (h.Typeflag != tar.TypeLink || h.Linkname != "link") {
		t.Errorf("link2 is %q to %q, want a hard link to link", h.Typeflag, h.Linkname)
	}
	lowers, err := st.Lowers(top)
	if err != nil || len(lowers) != 2 {
		t.Fatalf("lowers of %s: %q, %v", top, lowers, err)
	}
}

// Names that mean removals in a stream are in no layer of files, nor is what
// they stand for removed.
func TestReservedNamesStayOut(t *testing.T) {
	st := openTestStore(t, Options{SingleID: true})
	write := func(p string) error {
		return errors.Join(os.MkdirAll(filepath.Dir(p), 0o755), os.WriteFile(p, []byte("x"), 0o644))
	}
	base := change(t, st, "", func(root string) error { return errors.Join(write(root+"/etc/a"), write(root+"/d/b")) })
	spoil := func(root string) error {
		return errors.Join(write(root+"/.wh.etc"), write(root+"/d/.wh..wh..opq"), write(root+"/.wh.dir/f"), os.Symlink("x", root+"/d/.wh.b"), write(root+"/new"))
	}
	reserved := []string{".wh.dir", ".wh.etc", "d/.wh..wh..opq", "d/.wh.b"}
	dir, err := st.NewDir()
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Discard()
	lowers, err := st.Lowers(base)
	if err == nil {
		err = spoil(dir.Upper)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a container", "a build"} {
		var staged *Staged
		if name == "a build" { // takes the directory over
			staged, err = st.StageDir(context.Background(), dir, lowers)
		} else {
			staged, err = st.StageUpper(context.Background(), Rootfs{Lowers: lowers, Upper: dir.Upper}, nil, nil)
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if !slices.Equal(staged.Reserved, reserved) {
			t.Errorf("%s left out %q, want %q", name, staged.Reserved, reserved)
		}
		for _, r := range reserved {
			if _, err := os.Lstat(filepath.Join(staged.Path(), r)); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("%s is in the files of %s: %v", r, name, err)
			}
		}
		id, err := st.Commit(staged, base, nil)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got := slices.Sorted(maps.Keys(stream(t, st, id))); !slices.Equal(got, []string{"d/", "new"}) {
			t.Errorf("the layer of %s has %q", name, got)
		}
	}
}
