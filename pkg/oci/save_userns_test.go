// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	dockerspec "github.com/moby/docker-image-spec/specs-go/v1"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"coracle/internal/testutil"
	"coracle/pkg/overlay"
)

// onDisk is a file with a content, to be read.
func onDisk(t *testing.T, data []byte) *os.File {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// members are an archive's, by name.
func members(t *testing.T, data []byte) map[string]string {
	t.Helper()
	all := map[string]string{}
	for r := tar.NewReader(bytes.NewReader(data)); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if _, twice := all[h.Name]; twice {
			t.Errorf("%s is there twice", h.Name)
		}
		all[h.Name] = string(text)
	}
}

// TestSaveAndLoad: what is saved comes back as it was, elsewhere, by either of the two
// lists that an archive has.
func TestSaveAndLoad(t *testing.T) {
	w := newWorld(t)
	w.cook(recipe{tag: "one", files: []string{"a", "b"}})
	w.cook(recipe{tag: "two", files: []string{"a", "c"}})
	one, err := w.pull("img:one")
	if err != nil {
		t.Fatal(err)
	}
	two, err := w.pull("img:two")
	if err != nil {
		t.Fatal(err)
	}
	images := []SaveImage{{ID: one.Image.ID, Names: []string{w.host + "/img:one", "docker.io/library/same:1"}}, {ID: two.Image.ID}}
	var saved, again bytes.Buffer
	for _, to := range []*bytes.Buffer{&saved, &again} {
		if err := Save(t.Context(), w.st, to, images); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(saved.Bytes(), again.Bytes()) {
		t.Error("saved twice it is another")
	}
	all := members(t, saved.Bytes())
	var list []struct {
		Config           string
		RepoTags, Layers []string
	}
	if err := json.Unmarshal([]byte(all["manifest.json"]), &list); err != nil || len(list) != 2 || len(list[0].Layers) != 2 || all[list[0].Config] == "" {
		t.Fatalf("%s, %v", all["manifest.json"], err)
	}
	if list[0].Layers[0] != list[1].Layers[0] || !slices.Equal(list[0].RepoTags, []string{w.host + "/img:one", "same:1"}) || list[1].RepoTags != nil {
		t.Errorf("%+v", list)
	}
	delete(all, "manifest.json")
	var layout []testutil.File
	for name, text := range all {
		if !strings.HasSuffix(name, "/") {
			layout = append(layout, testutil.File{Name: name, Text: text})
		}
	}
	onlyLayout, err := testutil.Tar(layout)
	if err != nil {
		t.Fatal(err)
	}
	packed, _ := packGzip(saved.Bytes())
	for name, data := range map[string][]byte{"as it is": saved.Bytes(), "compressed": packed, "only an OCI layout": onlyLayout} {
		st := openStore(t)
		got, err := Load(t.Context(), st, onDisk(t, data), LoadOptions{})
		if err != nil || len(got) != 2 {
			t.Errorf("%s: %+v, %v", name, got, err)
			continue
		}
		if got[0].Image.ID != one.Image.ID || got[1].Image.ID != two.Image.ID || w.files(st, got[1].Image.ID) != "a c" {
			t.Errorf("%s: %+v", name, got)
		}
		if !slices.Equal(got[0].Names, []string{w.host + "/img:one", "docker.io/library/same:1"}) || len(got[1].Names) > 0 {
			t.Errorf("%s: names %v and %v", name, got[0].Names, got[1].Names)
		}
	}
	// Names move to what is loaded, and that is said.
	if err := w.st.Tag(t.Context(), two.Image.ID, "docker.io/library/same:1"); err != nil {
		t.Fatal(err)
	}
	got, err := Load(t.Context(), w.st, onDisk(t, saved.Bytes()), LoadOptions{})
	if err != nil || got[0].Moved["docker.io/library/same:1"] != two.Image.ID || len(got[0].Moved) != 1 {
		t.Errorf("%+v, %v", got, err)
	}
	if err := Save(t.Context(), w.st, io.Discard, []SaveImage{{ID: strings.Repeat("0", 64)}}); err == nil || !strings.HasPrefix(err.Error(), "save 000000000000: ") {
		t.Errorf("an image that is not there: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Save(ctx, w.st, io.Discard, images); !errors.Is(err, context.Canceled) {
		t.Errorf("after the end: %v", err)
	}
}

// TestLoadOfLies: an archive is somebody else's, and nothing in it is believed.
func TestLoadOfLies(t *testing.T) {
	st := openStore(t)
	layer := string(layerTar(t, "a"))
	config := func(diffIDs ...string) string {
		return `{"os":"linux","architecture":"amd64","rootfs":{"type":"layers","diff_ids":["` + strings.Join(diffIDs, `","`) + `"]}}`
	}
	right := "sha256:" + hex(layer)
	list := func(config, tag string, layers ...string) testutil.File {
		data, _ := json.Marshal([]archiveEntry{{Config: config, RepoTags: []string{tag}, Layers: layers}})
		return testutil.File{Name: "manifest.json", Text: string(data)}
	}
	file := func(name, text string) testutil.File { return testutil.File{Name: name, Text: text} }
	for _, c := range []struct {
		name, want string
		files      []testutil.File
	}{
		{"nothing in it", "not an image archive", nil},
		{"a root file system", "not an image archive", []testutil.File{file("etc/passwd", "x")}},
		{"no list", "parse manifest.json", []testutil.File{file("manifest.json", "{")}},
		{"no configuration", "c.json", []testutil.File{list("c.json", "x:1", "l")}},
		{"a configuration on the host", "", []testutil.File{list("/etc/passwd", "x:1", "l"), file("l", layer)}},
		{"a configuration above", "", []testutil.File{list("../../../../etc/passwd", "x:1", "l"), file("l", layer)}},
		{"no layer", "", []testutil.File{list("c.json", "x:1", "l"), file("c.json", config(right))}},
		{"another layer", "uncompressed content is " + right, []testutil.File{
			list("c.json", "x:1", "l"), file("c.json", config("sha256:"+strings.Repeat("0", 64))), file("l", layer),
		}},
		{"fewer layers", "2 layers in the configuration, but 1 in the archive", []testutil.File{
			list("c.json", "x:1", "l"), file("c.json", config(right, right)), file("l", layer),
		}},
		{"a name that is none", `"X:1": invalid reference format`, []testutil.File{list("c.json", "X:1", "l"), file("c.json", config(right)), file("l", layer)}},
		{"a layer that is no archive", "", []testutil.File{list("c.json", "x:1", "l"), file("c.json", config("sha256:"+hex("text"))), file("l", "text")}},
		{"a layout of another version", "unknown schema version", []testutil.File{file("index.json", `{"manifests":[]}`)}},
		{"a manifest that is not there", "", []testutil.File{file("index.json", `{"schemaVersion":2,"manifests":[{"digest":"`+right+`","size":3}]}`)}},
		{"a manifest that is another", "", []testutil.File{
			file("index.json", `{"schemaVersion":2,"manifests":[{"digest":"sha256:`+strings.Repeat("0", 64)+`","size":2}]}`), file("blobs/sha256/"+strings.Repeat("0", 64), "{}"),
		}},
		{"a manifest that is a path", "is not a sha256 digest", []testutil.File{file("index.json", `{"schemaVersion":2,"manifests":[{"digest":"sha256:../../x","size":3}]}`)}},
	} {
		data, err := testutil.Tar(c.files)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Load(t.Context(), st, onDisk(t, data), LoadOptions{})
		if err == nil || len(got) > 0 || !strings.HasPrefix(err.Error(), "load: ") || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %+v, %v, want %q", c.name, got, err, c.want)
		}
	}
	if ix, err := overlay.ReadIndex(st.Dirs()); err != nil || len(ix.Images) > 0 {
		t.Errorf("images: %+v, %v", ix, err)
	}
	good, err := testutil.Tar([]testutil.File{list("c.json", "x:1", "l"), file("c.json", config(right)), file("l", layer)})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := Load(t.Context(), st, onDisk(t, good), LoadOptions{}); err != nil || len(got) != 1 || got[0].Names[0] != "docker.io/library/x:1" {
		t.Errorf("what is no lie: %+v, %v", got, err)
	}
}

func hex(text string) string { return digestOf(text).Encoded() }

// TestImport makes an image of a root file system.
func TestImport(t *testing.T) {
	w := newWorld(t)
	packed, _ := packZstd(layerTar(t, "a"))
	img, err := Import(t.Context(), w.st, bytes.NewReader(packed), ImportOptions{
		Names: []string{"docker.io/library/mine:1"}, Message: "by hand",
		Config: dockerspec.DockerOCIImageConfig{ImageConfig: ocispec.ImageConfig{Cmd: []string{"sh"}}},
	})
	if err != nil || w.files(w.st, img.ID) != "a" || !slices.Equal(img.Names, []string{"docker.io/library/mine:1"}) {
		t.Fatalf("%+v, %v", img, err)
	}
	raw, err := w.st.Config(img.ID)
	var c ocispec.Image
	if err == nil {
		c, err = parseImage(raw)
	}
	if err != nil || c.OS != "linux" || c.History[0].Comment != "by hand" || c.Config.Cmd[0] != "sh" || c.RootFS.DiffIDs[0] != digestOf(string(layerTar(t, "a"))) {
		t.Errorf("%+v, %v", c, err)
	}
	for name, data := range map[string]string{"no archive": "text that is no archive and long enough", "a cut one": string(layerTar(t, "b"))[:515], "cut compression": string(packed[:20])} {
		if img, err := Import(t.Context(), w.st, strings.NewReader(data), ImportOptions{}); err == nil || !strings.HasPrefix(err.Error(), "import: ") {
			t.Errorf("%s: %+v, %v", name, img, err)
		}
	}
}
