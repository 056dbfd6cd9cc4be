// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"coracle/internal/testutil"
	"coracle/pkg/oci/registry"
	"coracle/pkg/overlay"
)

// TestPull fetches images of every form.
func TestPull(t *testing.T) {
	w := newWorld(t)
	for _, r := range []recipe{
		{tag: "oci", files: []string{"a", "b"}},
		{tag: "docker", docker: true, files: []string{"c"}},
		{tag: "zstd", pack: packZstd, files: []string{"d", "e"}},
		{tag: "plain", pack: packNot, files: []string{"f"}},
		{tag: "twice", files: []string{"g", "g"}},
	} {
		want := w.cook(r)
		got, err := w.pull("img:" + r.tag)
		if err != nil {
			t.Errorf("%s: %v", r.tag, err)
			continue
		}
		if got.Digest != want.Digest || got.UpToDate || !slices.Contains(got.Image.Names, w.host+"/img:"+r.tag) ||
			!slices.Contains(got.Image.RepoDigests, w.host+"/img@"+want.Digest.String()) {
			t.Errorf("%s: %+v", r.tag, got)
		}
		if files := w.files(w.st, got.Image.ID); files != strings.Join(r.files, " ") {
			t.Errorf("%s: its layers have %s", r.tag, files)
		}
		if said := w.said(); said != "Download complete, Downloading, Pull complete, Pulling fs layer" {
			t.Errorf("%s: said %s", r.tag, said)
		}
		again, err := w.pull("img:" + r.tag)
		if err != nil || !again.UpToDate || again.Image.ID != got.Image.ID || w.said() != StatusExists {
			t.Errorf("%s again: %+v, %v, said %s", r.tag, again, err, w.said())
		}
		for _, layer := range w.st.Blobs(overlay.LayerID("")) {
			t.Errorf("a layer without a name: %v", layer)
		}
		byDigest, err := w.pull("img@" + want.Digest.String())
		if err != nil || byDigest.Digest != want.Digest {
			t.Errorf("%s by its digest: %+v, %v", r.tag, byDigest, err)
		}
	}
	// What is known is not fetched: an image on top of another.
	w.cook(recipe{tag: "top", files: []string{"a", "b", "h"}})
	got, err := w.pull("img:top")
	if err != nil || w.files(w.st, got.Image.ID) != "a b h" || w.requests("GET /v2/img/blobs/") != 2 { // a layer and the configuration
		t.Errorf("%v, %d blobs were fetched", err, w.requests("GET /v2/img/blobs/"))
	}
	// A tag that moves takes its name along.
	w.cook(recipe{tag: "oci", files: []string{"z"}})
	moved, err := w.pull("img:oci")
	if err != nil || moved.UpToDate || !slices.Contains(moved.Image.Names, w.host+"/img:oci") {
		t.Errorf("%+v, %v", moved, err)
	}
	ix, err := overlay.ReadIndex(w.st.Dirs())
	if img, ok := ix.Find(w.host + "/img:oci"); err != nil || !ok || img.ID != moved.Image.ID {
		t.Errorf("the name stands for %+v, %v", img, err)
	}
}

// TestPullPlatform finds the image for a platform in an index.
func TestPullPlatform(t *testing.T) {
	w := newWorld(t)
	entry := func(arch, variant string, d ocispec.Descriptor) ocispec.Descriptor {
		d.Platform = &ocispec.Platform{OS: "linux", Architecture: arch, Variant: variant}
		return d
	}
	amd, arm := w.cook(recipe{arch: "amd64", files: []string{"amd"}}), w.cook(recipe{arch: "arm64", files: []string{"arm"}})
	statement := entry("unknown", "", w.cook(recipe{arch: "s390x", files: []string{"s"}}))
	statement.Platform.OS = "unknown"
	index := func(tag, kind string, list ...ocispec.Descriptor) ocispec.Descriptor {
		ix := ocispec.Index{MediaType: kind, Manifests: append([]ocispec.Descriptor{}, list...)}
		ix.SchemaVersion = 2
		return w.document(tag, kind, ix)
	}
	index("both", ocispec.MediaTypeImageIndex, statement, entry("arm64", "v8", arm), entry("amd64", "", amd))
	index("docker", registry.DockerIndex, entry("arm64", "", arm), entry("amd64", "", amd))
	index("unnamed", ocispec.MediaTypeImageIndex, arm, amd) // their configurations say it
	index("none", ocispec.MediaTypeImageIndex)
	index("windows", ocispec.MediaTypeImageIndex, func() ocispec.Descriptor {
		d := entry("amd64", "", amd)
		d.Platform.OS = "windows"
		return d
	}())
	one := index("", ocispec.MediaTypeImageIndex, entry("amd64", "", amd))
	two := index("nested", ocispec.MediaTypeImageIndex, entry("amd64", "", one))
	index("deep", ocispec.MediaTypeImageIndex, entry("amd64", "", two))
	w.cook(recipe{tag: "single", arch: "arm64", files: []string{"arm"}})
	for _, c := range []struct{ tag, platform, files, err string }{
		{"both", "linux/amd64", "amd", ""},
		{"both", "linux/arm64", "arm", ""},
		{"both", "linux/s390x", "", "no matching manifest for linux/s390x in the manifest list entries"},
		{"both", "windows/amd64", "", `operating system "windows" is not supported: only linux is`},
		{"docker", "linux/arm64", "arm", ""},
		{"unnamed", "linux/amd64", "amd", ""},
		{"unnamed", "linux/arm64", "arm", ""},
		{"unnamed", "linux/riscv64", "", "was found but does not provide the specified platform (linux/riscv64)"},
		{"none", "linux/amd64", "", "no matching manifest for linux/amd64"},
		{"windows", "linux/amd64", "", "no matching manifest for linux/amd64"},
		{"nested", "linux/amd64", "amd", ""},
		{"deep", "linux/amd64", "", "too many indexes within one another"},
		{"single", "linux/arm64", "arm", ""},
		{"single", "linux/amd64", "", "was found but does not provide the specified platform (linux/amd64)"},
	} {
		got, err := w.pull("img:"+c.tag, c.platform)
		switch {
		case c.err != "":
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s for %s: %v, want %s", c.tag, c.platform, err, c.err)
			}
		case err != nil || w.files(w.st, got.Image.ID) != c.files:
			t.Errorf("%s for %s: %+v, %v", c.tag, c.platform, got, err)
		}
	}
}

// TestPullOfLies: what a registry gives must be what it says, and what it says must
// be an image; of all else nothing gets a name.
func TestPullOfLies(t *testing.T) {
	w := newWorld(t)
	other := digest.FromString("something else")
	for i, c := range []struct {
		name, want string
		change     func(*ocispec.Image, *ocispec.Manifest)
	}{
		{"a layer that is another than the configuration says", "uncompressed content is", func(i *ocispec.Image, _ *ocispec.Manifest) { i.RootFS.DiffIDs[1] = other }},
		{"more layers than the configuration has", "1 layers, but the manifest has 2", func(i *ocispec.Image, _ *ocispec.Manifest) { i.RootFS.DiffIDs = i.RootFS.DiffIDs[:1] }},
		{"no layers", "the image has no layers", func(i *ocispec.Image, m *ocispec.Manifest) { i.RootFS.DiffIDs, m.Layers = nil, nil }},
		{"a layer that is longer", "", func(_ *ocispec.Image, m *ocispec.Manifest) { m.Layers[0].Size-- }},
		{"a layer that is shorter", "", func(_ *ocispec.Image, m *ocispec.Manifest) { m.Layers[0].Size++ }},
		{"a layer of a negative size", "has a negative size", func(_ *ocispec.Image, m *ocispec.Manifest) { m.Layers[0].Size = -1 }},
		{"a layer that is not there", "", func(_ *ocispec.Image, m *ocispec.Manifest) { m.Layers[0].Digest = other }},
		{"a digest that is a path", `"sha256:../../x" is not a sha256 digest`, func(_ *ocispec.Image, m *ocispec.Manifest) { m.Layers[0].Digest = "sha256:../../x" }},
		{"another kind of digest", "is not a sha256 digest", func(_ *ocispec.Image, m *ocispec.Manifest) { m.Layers[0].Digest = digest.SHA512.FromString("x") }},
		{"a difference that is no digest", "is not a sha256 digest", func(i *ocispec.Image, _ *ocispec.Manifest) { i.RootFS.DiffIDs[0] = "sha256:x" }},
		{"another system", `image operating system "windows" cannot be used on this platform`, func(i *ocispec.Image, _ *ocispec.Manifest) { i.OS = "windows" }},
		{"something that is no image", "not a container image", func(_ *ocispec.Image, m *ocispec.Manifest) {
			m.Config.MediaType = "application/vnd.cncf.helm.config.v1+json"
		}},
		{"too many layers", "501 layers are more than 500", func(_ *ocispec.Image, m *ocispec.Manifest) {
			m.Layers = slices.Repeat(m.Layers[:1], maxLayers+1)
		}},
	} {
		tag := fmt.Sprint("lie", i)
		w.cook(recipe{tag: tag, files: []string{tag + "a", tag + "b"}, change: c.change})
		got, err := w.pull("img:" + tag)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %+v, %v, want %q", c.name, got, err, c.want)
		}
	}
	for name, c := range map[string]struct{ kind, body, want string }{
		"no JSON":       {ocispec.MediaTypeImageManifest, "{", "parse manifest: "},
		"nothing":       {ocispec.MediaTypeImageManifest, "{}", "unknown schema version 0"},
		"schema 1":      {registry.Schema1, `{"schemaVersion":1}`, "schema 1 is not supported any more"},
		"schema 1 said": {ocispec.MediaTypeImageManifest, `{"schemaVersion":1,"fsLayers":[]}`, "schema 1 is not supported any more"},
		"both at once": {ocispec.MediaTypeImageManifest, `{"schemaVersion":2,"layers":[],"manifests":[],"config":{"digest":"` + other.String() + `"}}`,
			"it has both layers and manifests"},
		"an index that says it is none": {ocispec.MediaTypeImageManifest, `{"schemaVersion":2,"manifests":[]}`, "does not fit the content"},
		"no configuration":              {ocispec.MediaTypeImageManifest, `{"schemaVersion":2,"layers":[]}`, "this is not an image"},
	} {
		w.lie = func(rw http.ResponseWriter, r *http.Request) bool {
			if !strings.Contains(r.URL.Path, "/manifests/") {
				return false
			}
			rw.Header().Set("Content-Type", c.kind)
			_, _ = io.WriteString(rw, c.body)
			return true
		}
		if got, err := w.pull("img:x"); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %+v, %v, want %q", name, got, err, c.want)
		}
	}
	w.lie = nil
	if ix, err := overlay.ReadIndex(w.st.Dirs()); err != nil || len(ix.Images) > 0 {
		t.Errorf("images: %+v, %v", ix, err)
	}
	// Bytes that are changed on the way, of a manifest asked for by digest too.
	good := w.cook(recipe{tag: "good", files: []string{"x"}})
	for _, part := range []string{"/blobs/", "/manifests/sha256:"} {
		rounds := testutil.NewRounds(t, part+" was lied about")
		w.lie = func(rw http.ResponseWriter, r *http.Request) bool {
			if !strings.Contains(r.URL.Path, part) {
				return false
			}
			rounds.Ran(true)
			rw.Header().Set("Content-Type", ocispec.MediaTypeImageManifest)
			_, _ = io.WriteString(rw, `{"schemaVersion":2, "forged":true}`)
			return true
		}
		if got, err := w.pull("img@" + good.Digest.String()); err == nil {
			t.Errorf("with lies about %s: %+v", part, got)
		}
	}
	w.lie = nil
	if _, err := w.pull("img:good"); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// TestPullIsRefused: in Docker's words.
func TestPullIsRefused(t *testing.T) {
	w := newWorld(t)
	answer := func(status int, code string) func(http.ResponseWriter, *http.Request) bool {
		return func(rw http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path == "/v2/" {
				return false
			}
			rw.WriteHeader(status)
			fmt.Fprintf(rw, `{"errors":[{"code":%q,"message":"because"}]}`, code)
			return true
		}
	}
	for _, c := range []struct {
		lie  func(http.ResponseWriter, *http.Request) bool
		want string
	}{
		{answer(404, "MANIFEST_UNKNOWN"), "manifest for " + w.host + "/img:x not found"},
		{answer(404, "NAME_UNKNOWN"), "manifest for " + w.host + "/img:x not found"},
		{answer(401, "UNAUTHORIZED"), "pull access denied for " + w.host + "/img, repository does not exist or may require 'docker login'"},
		{answer(403, "DENIED"), "pull access denied for " + w.host + "/img"},
		{answer(418, "TEAPOT"), "because"},
	} {
		w.lie = c.lie
		if _, err := w.pull("img:x"); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v, want %s", err, c.want)
		}
	}
}

// TestPush sends what is not there, and the same image under its own digest.
func TestPush(t *testing.T) {
	w := newWorld(t)
	first := w.cook(recipe{tag: "from", files: []string{"a", "b"}})
	got, err := w.pull("img:from")
	if err != nil {
		t.Fatal(err)
	}
	push := func(name string) (Pushed, error) {
		w.mu.Lock()
		w.events, w.asked = nil, nil
		w.mu.Unlock()
		return Push(t.Context(), w.st, w.client, w.ref(name), got.Image, w.note)
	}
	// To where it is from: nothing is sent but the manifest.
	out, err := push("img:again")
	if err != nil || out.Digest != first.Digest || out.Name != w.host+"/img:again" || out.Size != first.Size || w.requests("/blobs/uploads/") != 0 {
		t.Errorf("%+v, %v, %q", out, err, w.asked)
	}
	if said := w.said(); said != "Layer already exists, Preparing" {
		t.Errorf("said %s", said)
	}
	// To another repository of the same registry: it may take them over.
	mounts := testutil.NewRounds(t, "a blob was asked to be mounted")
	w.lie = func(rw http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodHead && strings.HasPrefix(r.URL.Path, "/v2/new/blobs/") {
			http.NotFound(rw, r)
			return true
		}
		q := r.URL.Query()
		if !mounts.Ran(r.Method == http.MethodPost && q.Get("mount") != "") {
			return false
		}
		if q.Get("from") != "img" {
			t.Errorf("to be mounted from %q", q.Get("from"))
		}
		rw.WriteHeader(http.StatusCreated)
		return true
	}
	if out, err = push("new:x"); err != nil || out.Digest != first.Digest || w.said() != "Mounted from img, Preparing" {
		t.Errorf("%+v, %v, said %s", out, err, w.said())
	}
	w.lie = nil
	// The image knows now where it is.
	det, err := overlay.LoadImage(w.st.Dirs(), got.Image.ID)
	if err != nil || !slices.Contains(det.RepoDigests, w.host+"/new@"+first.Digest.String()) {
		t.Errorf("%v, %v", det.RepoDigests, err)
	}
	// Elsewhere nothing is there, and what arrives is the image.
	there := newWorld(t)
	there.st, there.events = w.st, nil
	sent, err := Push(t.Context(), w.st, there.client, there.ref("img:to"), got.Image, there.note)
	if err != nil || there.said() != "Preparing, Pushed, Pushing" {
		t.Fatalf("%+v, %v, said %s", sent, err, there.said())
	}
	there.st = openStore(t)
	back, err := there.pull("img:to")
	if err != nil || back.Image.ID != got.Image.ID || there.files(there.st, back.Image.ID) != "a b" || back.Digest != sent.Digest {
		t.Errorf("%+v, %v", back, err)
	}
	there.lie = func(rw http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodGet {
			return false
		}
		rw.WriteHeader(http.StatusForbidden)
		return true
	}
	if _, err := Push(t.Context(), w.st, there.client, there.ref("img:no"), got.Image, nil); err == nil ||
		!strings.Contains(err.Error(), "push access denied for "+there.host+"/img, repository does not exist or may require 'docker login'") {
		t.Errorf("%v", err)
	}
}
