// SPDX-License-Identifier: Apache-2.0

package image_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"io/fs"
	"log"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	ggcr "github.com/google/go-containerregistry/pkg/registry"
	dockerspec "github.com/moby/docker-image-spec/specs-go/v1"

	"coracle/internal/testutil/store"
	"coracle/internal/testutil/userns"
	"coracle/pkg/events"
	"coracle/pkg/ids"
	"coracle/pkg/image"
	"coracle/pkg/oci"
	"coracle/pkg/oci/registry"
	"coracle/pkg/overlay"
	"coracle/pkg/state"
)

// TestMain runs the tests inside a user namespace, as the store is used.
func TestMain(m *testing.M) { userns.Main(m, nil) }

// host is a store of images, with what containers there are.
type host struct {
	*image.Store
	dirs  state.Dirs
	inner *overlay.Store
	used  []image.User // the containers of every image
}

func newHost(t *testing.T) *host {
	t.Helper()
	d := store.Dirs(t)
	maps, err := ids.Current()
	if err != nil {
		t.Fatal(err)
	}
	st := store.Open(t, d, overlay.Options{SingleID: maps.Single()})
	h := &host{dirs: d, inner: st}
	h.Store = image.Within(st, func(got state.Dirs, id string) ([]image.User, error) {
		if got != d || len(id) != 64 {
			t.Errorf("users of %q in %v", id, got)
		}
		return h.used, nil
	})
	return h
}

// root is a tar archive of a root file system with one file.
func root(t *testing.T, name, text string) *os.File {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	if err := w.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Size: int64(len(text)), Mode: 0o644}); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return file(t, b.Bytes())
}

func file(t *testing.T, data []byte) *os.File {
	t.Helper()
	f, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if _, err := f.Write(data); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	return f
}

// add makes an image of one file with text, and gives it names.
func (h *host) add(t *testing.T, text string, names ...string) string {
	t.Helper()
	id, err := h.Import(t.Context(), image.ImportRequest{Message: text, Config: dockerspec.DockerOCIImageConfig{}}, root(t, "file", text))
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range names {
		if err := h.Tag(t.Context(), image.TagRequest{Image: id, Name: n}); err != nil {
			t.Fatal(err)
		}
	}
	return id
}

// names are the canonical names and digests that an image has, or "gone".
func (h *host) names(t *testing.T, id string) string {
	t.Helper()
	ix, err := h.Index(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(ix.Images, func(img overlay.Image) bool { return img.ID == id })
	if i < 0 {
		return "gone"
	}
	var list []string
	for _, n := range append(slices.Clone(ix.Images[i].Names), ix.Images[i].RepoDigests...) {
		list = append(list, oci.Familiar(n))
	}
	return strings.Join(list, " ")
}

// journal are the events of images so far: action and name.
func (h *host) journal(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(h.dirs.Root, "events.log"))
	if errors.Is(err, fs.ErrNotExist) {
		return ""
	}
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, line := range strings.Split(strings.TrimSpace(string(data)), "\n") {
		var e events.Event
		if err := decode(line, &e); err != nil || e.Type != events.Image {
			t.Fatalf("%s: %v", line, err)
		}
		list = append(list, e.Action+" "+e.Actor.Attributes["name"])
	}
	return strings.Join(list, ", ")
}

// serve starts a registry in memory, and returns its name.
func serve(t *testing.T) string {
	t.Helper()
	srv := httptest.NewServer(ggcr.New(ggcr.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(srv.Close)
	return strings.TrimPrefix(srv.URL, "http://")
}

// nobody has no credentials.
func nobody(t *testing.T) registry.Access { return registry.Access{ConfigDir: t.TempDir()} }

// lines collects the events of a transfer that are lines of their own.
func lines(list *[]string) func(oci.Event) {
	return func(e oci.Event) {
		if e.Layer == "" {
			*list = append(*list, e.Status)
		}
	}
}
