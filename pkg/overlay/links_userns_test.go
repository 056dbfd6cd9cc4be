// SPDX-License-Identifier: Apache-2.0

package overlay

import (
	"archive/tar"
	"bytes"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"coracle/pkg/ids"
)

// TestOwnersOfLinksBelow has layers whose directories note whose links and pipes are: an
// upper one that has a directory, too, shows what is noted below.
func TestOwnersOfLinksBelow(t *testing.T) {
	st := openTestStore(t, Options{SingleID: true})
	stage := func(parent LayerID, list ...tar.Header) LayerID {
		t.Helper()
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		for _, h := range list {
			h.Mode = 0o755
			if err := w.WriteHeader(&h); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		s, err := st.StageTar(t.Context(), &b)
		if err != nil {
			t.Fatal(err)
		}
		id, err := st.Commit(s, parent, nil)
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	dir := func(name string) tar.Header { return tar.Header{Name: name + "/", Typeflag: tar.TypeDir} }
	link := func(name string, uid int) tar.Header {
		return tar.Header{Name: name, Linkname: "x", Typeflag: tar.TypeSymlink, Uid: uid, Gid: uid}
	}
	id := stage("", dir("d"), link("d/kept", 1), link("d/replaced", 1), link("d/gone", 1), tar.Header{Name: "d/pipe", Typeflag: tar.TypeFifo, Uid: 1, Gid: 1},
		link("top", 1), dir("o"), link("o/old", 1), dir("implied"), link("implied/kept", 1))
	id = stage(id, dir("d"), link("d/replaced", 0), tar.Header{Name: "d/.wh.gone"}, link("d/above", 2), dir("o"), tar.Header{Name: "o/.wh..wh..opq"}, link("o/new", 2),
		tar.Header{Name: "implied/file"})
	id = stage(id, dir("d"), link("d/later", 3))
	lowers, err := st.Lowers(id)
	if err != nil {
		t.Fatal(err)
	}
	target := t.TempDir()
	if err := MountRootfs(Rootfs{Lowers: lowers, Target: target}); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := unix.Unmount(target, 0); err != nil {
			t.Error(err)
		}
	}()
	for name, want := range map[string]int{
		"d/kept": 1, "d/pipe": 1, "d/replaced": 0, "d/above": 2, "d/later": 3, "d/gone": 0, "top": 1, "o/old": 0, "o/new": 2, "implied/kept": 1,
	} {
		uid, gid, _ := ids.Noted(filepath.Join(target, filepath.Dir(name)), filepath.Base(name), unix.S_IFLNK)
		if uid != want || gid != want {
			t.Errorf("%s is noted as %d:%d's, want %d", name, uid, gid, want)
		}
	}
}
