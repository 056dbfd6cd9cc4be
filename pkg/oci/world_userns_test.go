// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"bytes"
	"encoding/json"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	ggcr "github.com/google/go-containerregistry/pkg/registry"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"coracle/internal/testutil"
	"coracle/internal/testutil/store"
	"coracle/pkg/ids"
	"coracle/pkg/oci/registry"
	"coracle/pkg/overlay"
)

// world is a store, and a registry that may lie.
type world struct {
	t      *testing.T
	st     *overlay.Store
	client *registry.Client
	host   string

	mu     sync.Mutex
	asked  []string                                          // method and path
	lie    func(w http.ResponseWriter, r *http.Request) bool // true: it has answered
	events []Event
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t}
	home := t.TempDir()
	for _, key := range []string{"HOME", "DOCKER_CONFIG", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR"} {
		t.Setenv(key, home)
	}
	t.Setenv("REGISTRY_AUTH_FILE", "")
	w.st = openStore(t)
	inner := ggcr.New(ggcr.Logger(log.New(io.Discard, "", 0)))
	srv := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.mu.Lock()
		w.asked = append(w.asked, r.Method+" "+r.URL.RequestURI())
		lie := w.lie
		w.mu.Unlock()
		if lie == nil || !lie(rw, r) {
			inner.ServeHTTP(rw, r)
		}
	}))
	t.Cleanup(srv.Close)
	w.host = strings.TrimPrefix(srv.URL, "http://")
	var err error
	if w.client, err = registry.New(registry.Access{UserAgent: "test"}); err != nil {
		t.Fatal(err)
	}
	return w
}

func openStore(t *testing.T) *overlay.Store {
	t.Helper()
	maps, err := ids.Current()
	if err != nil {
		t.Fatal(err)
	}
	return store.Open(t, store.Dirs(t), overlay.Options{SingleID: maps.Single()})
}

// put sends to the registry what no client of ours would.
func (w *world) put(path, kind string, body []byte) {
	w.t.Helper()
	r, err := http.NewRequest(http.MethodPut, "http://"+w.host+"/v2/"+path, bytes.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Content-Type", kind)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusCreated {
		w.t.Fatalf("put %s: %s", path, resp.Status)
	}
}

func (w *world) blob(kind string, data []byte) ocispec.Descriptor {
	w.t.Helper()
	d := ocispec.Descriptor{MediaType: kind, Digest: digest.FromBytes(data), Size: int64(len(data))}
	resp, err := http.Post("http://"+w.host+"/v2/img/blobs/uploads/?digest="+d.Digest.String(), "application/octet-stream", bytes.NewReader(data))
	if err != nil {
		w.t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusCreated {
		w.t.Fatalf("post a blob: %s", resp.Status)
	}
	return d
}

func (w *world) document(tag, kind string, v any) ocispec.Descriptor {
	w.t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		w.t.Fatal(err)
	}
	d := ocispec.Descriptor{MediaType: kind, Digest: digest.FromBytes(data), Size: int64(len(data))}
	if tag == "" {
		tag = d.Digest.String()
	}
	w.put("img/manifests/"+tag, kind, data)
	return d
}

// recipe is how an image is made for the registry.
type recipe struct {
	tag, arch string
	docker    bool // in Docker's media types
	pack      func([]byte) ([]byte, string)
	files     []string // a layer each
	change    func(*ocispec.Image, *ocispec.Manifest)
}

func packGzip(data []byte) ([]byte, string) {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write(data)
	_ = z.Close()
	return b.Bytes(), ocispec.MediaTypeImageLayerGzip
}

func packZstd(data []byte) ([]byte, string) {
	z, _ := zstd.NewWriter(nil)
	return z.EncodeAll(data, nil), ocispec.MediaTypeImageLayerZstd
}

func packNot(data []byte) ([]byte, string) { return data, ocispec.MediaTypeImageLayer }

// layerTar is a layer with one file.
func layerTar(t testing.TB, name string) []byte {
	t.Helper()
	data, err := testutil.Tar([]testutil.File{{Name: name, Text: "text of " + name}})
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// cook puts an image on the registry.
func (w *world) cook(r recipe) ocispec.Descriptor {
	w.t.Helper()
	if r.pack == nil {
		r.pack = packGzip
	}
	img := ocispec.Image{Platform: ocispec.Platform{OS: "linux", Architecture: "amd64"}, RootFS: ocispec.RootFS{Type: "layers"}}
	if r.arch != "" {
		img.Architecture = r.arch
	}
	img.Config.Cmd = []string{"cmd-of-" + r.tag + r.arch}
	m := ocispec.Manifest{MediaType: ocispec.MediaTypeImageManifest}
	m.SchemaVersion = 2
	for _, f := range r.files {
		plain := layerTar(w.t, f)
		img.RootFS.DiffIDs = append(img.RootFS.DiffIDs, digest.FromBytes(plain))
		packed, kind := r.pack(plain)
		if r.docker {
			kind = registry.DockerLayer
		}
		m.Layers = append(m.Layers, w.blob(kind, packed))
	}
	kind := ocispec.MediaTypeImageConfig
	if r.docker {
		kind, m.MediaType = registry.DockerConfig, registry.DockerManifest
	}
	m.Config.MediaType = kind
	if r.change != nil {
		r.change(&img, &m)
	}
	config, err := json.Marshal(img)
	if err != nil {
		w.t.Fatal(err)
	}
	d := w.blob(m.Config.MediaType, config)
	d.Annotations = m.Config.Annotations
	m.Config = d
	return w.document(r.tag, m.MediaType, m)
}

func (w *world) ref(name string) Ref {
	w.t.Helper()
	ref, err := ParseRef(w.host + "/" + name)
	if err != nil {
		w.t.Fatal(err)
	}
	return ref
}

func (w *world) note(e Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.events = append(w.events, e)
}

func (w *world) pull(name string, platform ...string) (Pulled, error) {
	w.t.Helper()
	w.mu.Lock()
	w.events, w.asked = nil, nil
	w.mu.Unlock()
	return Pull(w.t.Context(), w.st, w.client, w.ref(name), PullOptions{Platform: strings.Join(platform, ""), Events: w.note})
}

// said are the words that events have for layers, sorted and each once.
func (w *world) said() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var list []string
	for _, e := range w.events {
		if e.Layer != "" {
			list = append(list, e.Status)
		}
	}
	slices.Sort(list)
	return strings.Join(slices.Compact(list), ", ")
}

// requests counts those that have a text in them.
func (w *world) requests(part string) (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, a := range w.asked {
		if strings.Contains(a, part) {
			n++
		}
	}
	return n
}

// files are the names in the layers of an image, from the base up.
func (w *world) files(st *overlay.Store, id string) string {
	w.t.Helper()
	det, err := overlay.LoadImage(st.Dirs(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	var names []string
	for _, l := range det.Layers {
		dirs, err := st.Lowers(l)
		if err != nil {
			w.t.Fatal(err)
		}
		entries, err := os.ReadDir(dirs[0])
		if err != nil {
			w.t.Fatal(err)
		}
		for _, e := range entries {
			text, err := os.ReadFile(filepath.Join(dirs[0], e.Name()))
			if err != nil || string(text) != "text of "+e.Name() {
				w.t.Errorf("%s holds %q, %v", e.Name(), text, err)
			}
			names = append(names, e.Name())
		}
	}
	return strings.Join(names, " ")
}
