// SPDX-License-Identifier: Apache-2.0

package image_test

import (
	"archive/tar"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	dockerspec "github.com/moby/docker-image-spec/specs-go/v1"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"coracle/pkg/image"
	"coracle/pkg/oci"
	"coracle/pkg/overlay"
)

// TestImagesAsOneFileSystem saves an image of two layers as one file system, and loads
// it elsewhere: files, owners, configuration and name are there again.
func TestImagesAsOneFileSystem(t *testing.T) {
	from := newHost(t)
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range []tar.Header{
		{Name: "srv/", Typeflag: tar.TypeDir, Mode: 0o2750, Uid: 7, Gid: 8}, {Name: "srv/a", Typeflag: tar.TypeReg, Size: 4, Mode: 0o4711, Uid: 7, Gid: 8},
		{Name: "srv/b", Typeflag: tar.TypeLink, Linkname: "srv/a", Mode: 0o4711, Uid: 7, Gid: 8},
	} {
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if h.Size > 0 {
			if _, err := io.WriteString(w, "text"); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	config := dockerspec.DockerOCIImageConfig{ImageConfig: ocispec.ImageConfig{Cmd: []string{"srv/a"}, Env: []string{"A=1"}}}
	if _, err := from.Import(t.Context(), image.ImportRequest{Name: "team/app:2", Config: config}, file(t, b.Bytes())); err != nil {
		t.Fatal(err)
	}
	for _, format := range []oci.Format{oci.Squashfs, oci.SIF} {
		out := file(t, nil)
		if err := from.Save(t.Context(), image.SaveRequest{Images: []string{"team/app:2"}, Format: format}, out); err != nil {
			t.Fatal(err)
		}
		to := newHost(t)
		var said []string
		if _, err := to.Load(t.Context(), image.LoadRequest{}, out, lines(&said)); err != nil || strings.Join(said, "; ") != "Loaded image: team/app:2" {
			t.Fatalf("%s: %q, %v", format, said, err)
		}
		det, err := to.Inspect(t.Context(), "team/app:2")
		if err != nil {
			t.Fatal(err)
		}
		c, err := det.OCI()
		if err != nil || len(c.Config.Cmd) != 1 || c.Config.Cmd[0] != "srv/a" || len(c.Config.Env) != 1 || len(det.Layers) != 1 {
			t.Errorf("%s: %+v, %v", format, c, err)
		}
		if got := entries(t, to, det); got != "./ 755 0:0, srv/ 2750 7:8, srv/a 4711 7:8 4, srv/b = srv/a" {
			t.Errorf("%s: %s", format, got)
		}
		if id, err := to.Import(t.Context(), image.ImportRequest{Name: "files"}, out); err != nil || id == det.ID {
			t.Errorf("%s: %s, %v", format, id, err)
		}
	}
}

// entries are those of an image's only layer.
func entries(t *testing.T, h *host, det overlay.Details) string {
	t.Helper()
	out := file(t, nil)
	if err := h.Save(t.Context(), image.SaveRequest{Images: []string{det.ID}}, out); err != nil {
		t.Fatal(err)
	}
	var list []string
	if _, err := out.Seek(0, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	for tr := tar.NewReader(out); ; {
		h, err := tr.Next()
		if err != nil {
			return strings.Join(list, ", ")
		}
		if h.Typeflag != tar.TypeReg || strings.Contains(h.Name, "json") {
			continue
		}
		for inner := tar.NewReader(tr); ; {
			e, err := inner.Next()
			if err != nil {
				break
			}
			line := e.Name + " " + mode(e)
			if e.Typeflag == tar.TypeLink {
				line = e.Name + " = " + e.Linkname
			}
			list = append(list, line)
		}
	}
}

func TestFileSystemsThatAreNone(t *testing.T) {
	h := newHost(t)
	h.add(t, "text", "a", "b")
	for want, r := range map[string]image.SaveRequest{
		"one image is needed, not 2":                    {Images: []string{"a", "c"}, Format: oci.SIF},
		"must be squashfs or sif":                       {Images: []string{"a"}, Format: "ext4"},
		"save as squashfs: the output has to be a file": {Images: []string{"a"}, Format: oci.Squashfs},
	} {
		if strings.HasPrefix(want, "one") {
			h.add(t, "other", "c")
		}
		out := file(t, nil)
		if strings.HasPrefix(want, "save") {
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			defer w.Close()
			out = w
		}
		if err := h.Save(t.Context(), r, out); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	out := file(t, nil)
	if err := h.Save(t.Context(), image.SaveRequest{Images: []string{"a"}, Format: oci.SIF}, out); err != nil {
		t.Fatal(err)
	}
	good, err := os.ReadFile(out.Name())
	if err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func([]byte) []byte{
		"many parts":    func(d []byte) []byte { binary.LittleEndian.PutUint64(d[88:], 1<<40); return d },
		"negative":      func(d []byte) []byte { binary.LittleEndian.PutUint64(d[88:], 1<<63); return d },
		"cut off":       func(d []byte) []byte { return d[:len(d)-5000] },
		"only a header": func(d []byte) []byte { return d[:128] },
		"no parts":      func(d []byte) []byte { clear(d[4096:32768]); return d },
	} {
		if _, err := h.Load(t.Context(), image.LoadRequest{}, file(t, spoil(bytes.Clone(good))), nil); err == nil || !strings.HasPrefix(err.Error(), "load: read ") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if left, err := filepath.Glob(filepath.Join(string(h.dirs.Tmp()), "scratch-*", "*")); err != nil || len(left) > 0 {
		t.Errorf("left: %q, %v", left, err)
	}
}

func mode(h *tar.Header) string {
	s := fmt.Sprintf("%o %d:%d", h.Mode, h.Uid, h.Gid)
	if h.Typeflag == tar.TypeReg {
		s += fmt.Sprintf(" %d", h.Size)
	}
	return s
}
