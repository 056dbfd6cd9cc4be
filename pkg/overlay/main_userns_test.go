// SPDX-License-Identifier: Apache-2.0

package overlay_test

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"coracle/internal/testutil/userns"
	"coracle/pkg/ids"
	"coracle/pkg/overlay"
	"coracle/pkg/state"
)

// TestMain runs the tests inside a user namespace, as the store is used.
func TestMain(m *testing.M) { userns.Main(m, role) }

// store is a new store for one test.
func store(t *testing.T) *overlay.Store {
	t.Helper()
	// The library walks up to the temporary directory's parents.
	d, err := state.Open(filepath.Join(t.TempDir(), "root"))
	if err != nil {
		t.Fatal(err)
	}
	return reopen(t, d)
}

func reopen(t *testing.T, d state.Dirs) *overlay.Store {
	t.Helper()
	s, err := overlay.Open(d, overlay.Options{SingleID: single(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func single(t *testing.T) bool {
	t.Helper()
	m, err := ids.Current()
	if err != nil {
		t.Fatal(err)
	}
	return m.Single()
}

// entry is a file of an archive.
type entry struct {
	name, text, link string
	kind             byte // 0 is a regular file
	mode             int64
	uid              int
	attrs            map[string]string
}

func archive(entries ...entry) []byte {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range entries {
		h := &tar.Header{
			Name: e.name, Linkname: e.link, Typeflag: e.kind, Mode: e.mode, Size: int64(len(e.text)), Uid: e.uid, Gid: e.uid,
			ModTime: time.Unix(1e9, 1), Format: tar.FormatPAX, // the fraction makes a record of each entry
		}
		if e.kind == 0 {
			h.Typeflag = tar.TypeReg
		}
		if e.mode == 0 {
			h.Mode = 0o644
			if e.kind == tar.TypeDir {
				h.Mode = 0o755
			}
		}
		if e.kind == tar.TypeChar || e.kind == tar.TypeBlock {
			h.Devmajor, h.Devminor = 1, 3
		}
		for k, v := range e.attrs {
			if h.PAXRecords == nil {
				h.PAXRecords = map[string]string{}
			}
			h.PAXRecords["SCHILY.xattr."+k] = v
		}
		if err := w.WriteHeader(h); err != nil {
			panic(err)
		}
		if _, err := io.WriteString(w, e.text); err != nil {
			panic(err)
		}
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// layer stages and commits an archive.
func layer(t *testing.T, s *overlay.Store, parent overlay.LayerID, data []byte) overlay.LayerID {
	t.Helper()
	st, err := s.StageTar(t.Context(), bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	id, err := s.Commit(st, parent, nil)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// show mounts a layer and lists it: name, mode, and what is in it.
func show(t *testing.T, s *overlay.Store, id overlay.LayerID) string {
	t.Helper()
	lowers, err := s.Lowers(id)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	r := overlay.Rootfs{Lowers: lowers, Target: filepath.Join(dir, "t"), Upper: filepath.Join(dir, "u"), Work: filepath.Join(dir, "w")}
	for _, d := range []string{r.Target, r.Upper, r.Work} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := overlay.MountRootfs(r); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := unmount(r.Target); err != nil {
			t.Error(err)
		}
	}()
	return list(t, r.Target)
}

func list(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		info, err := d.Info()
		if err != nil {
			return err
		}
		what := ""
		switch {
		case info.Mode().IsRegular():
			data, _ := os.ReadFile(path)
			what = string(data)
		case info.Mode().Type() == os.ModeSymlink:
			what, _ = os.Readlink(path)
		}
		fmt.Fprintf(&b, "%s %v %s\n", name, info.Mode(), what)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(b.String())
}
