// SPDX-License-Identifier: Apache-2.0

package overlay_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"coracle/pkg/overlay"
)

// record makes an image of layers that is told from others by its author.
func record(t *testing.T, s *overlay.Store, author string, n overlay.NewImage) overlay.Image {
	t.Helper()
	n.Config = fmt.Appendf(nil, `{"author": %q, "created": "2020-01-02T03:04:05Z", "os": "linux", "architecture": "amd64", "config": {"Labels": {"a": "1"}}}`, author)
	img, err := s.CreateImage(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// named is the ID of the image that has a name in the index.
func named(t *testing.T, s *overlay.Store, name string) string {
	t.Helper()
	ix, err := overlay.ReadIndex(s.Dirs())
	if err != nil {
		t.Fatal(err)
	}
	img, _ := ix.Find(name)
	return img.ID
}

func text(name, is string) []byte { return archive(entry{name: name, text: is}) }

func TestNamesOfImages(t *testing.T) {
	const one, two, d1, d2 = "docker.io/library/one:latest", "docker.io/library/two:latest", "docker.io/library/one@sha256:1", "docker.io/library/one@sha256:2"
	s := store(t)
	base := layer(t, s, "", text("base", "b"))
	a := record(t, s, "a", overlay.NewImage{Layers: []overlay.LayerID{base}, Names: []string{one}, RepoDigests: []string{d1}})
	b := record(t, s, "b", overlay.NewImage{Layers: []overlay.LayerID{base}, Names: []string{one, two}})
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	has := func(what string, want map[string]string) {
		t.Helper()
		for name, id := range want {
			if got := named(t, s, name); got != id {
				t.Errorf("%s: %s is %.12s, want %.12s", what, name, got, id)
			}
		}
	}
	has("the later one takes the name", map[string]string{one: b.ID, two: b.ID, d1: a.ID, d2: ""})
	must(s.Tag(t.Context(), a.ID, two))
	must(s.Tag(t.Context(), a.ID, two)) // again
	has("tag", map[string]string{one: b.ID, two: a.ID})
	must(s.AddRepoDigest(t.Context(), a.ID, d2))
	must(s.AddRepoDigest(t.Context(), a.ID, d2))
	has("a digest", map[string]string{d1: a.ID, d2: a.ID})
	must(s.Untag(t.Context(), a.ID, d1))
	must(s.Untag(t.Context(), b.ID, one))
	has("untag", map[string]string{one: "", two: a.ID, d1: "", d2: a.ID})
	again := record(t, s, "a", overlay.NewImage{Layers: []overlay.LayerID{base}, Names: []string{one}, RepoDigests: []string{d1, d2}})
	if again.ID != a.ID || !slices.Equal(again.Names, []string{one, two}) || !slices.Equal(again.RepoDigests, []string{d2, d1}) {
		t.Errorf("the same image again: %+v", again)
	}
	for what, err := range map[string]error{
		"tag": s.Tag(t.Context(), strings.Repeat("0", 64), one), "digest": s.AddRepoDigest(t.Context(), strings.Repeat("0", 64), d1),
		"untag": s.Untag(t.Context(), strings.Repeat("0", 64), d1),
	} {
		if err == nil {
			t.Errorf("%s: an image that is not there has it", what)
		}
	}
}

func TestWhatAnImageHas(t *testing.T) {
	s := store(t)
	base := layer(t, s, "", text("base", "b"))
	top := layer(t, s, base, text("top", "t"))
	img := record(t, s, "me", overlay.NewImage{Layers: []overlay.LayerID{base, top}, Manifest: []byte("{ }")})
	d, err := overlay.LoadImage(s.Dirs(), img.ID)
	if err != nil {
		t.Fatal(err)
	}
	lowers, err := s.Lowers(top)
	if err != nil {
		t.Fatal(err)
	}
	slices.Reverse(lowers)
	if !slices.Equal(d.Layers, []overlay.LayerID{base, top}) || !slices.Equal(d.LayerDirs, lowers) || d.OS != "linux" || d.Labels["a"] != "1" || d.Created.Year() != 2020 {
		t.Errorf("%+v", d)
	}
	if sizes := d.LayerSizes; len(sizes) != 2 || sizes[0]+sizes[1] != d.Size {
		t.Errorf("layers of %v make an image of %d bytes", sizes, d.Size)
	}
	config, err := s.Config(img.ID)
	if err != nil || digest.FromBytes(config).Encoded() != img.ID {
		t.Errorf("%s, %v", config, err)
	}
	if string(s.Manifest(img.ID)) != "{ }" || d.Manifest != digest.FromString("{ }") {
		t.Errorf("manifest %s (%s)", s.Manifest(img.ID), d.Manifest)
	}
	if made := record(t, s, "here", overlay.NewImage{Layers: []overlay.LayerID{base}}); s.Manifest(made.ID) != nil {
		t.Error("one that was made here has a manifest")
	}
}

func TestImagesThatCannotBe(t *testing.T) {
	s := store(t)
	base := layer(t, s, "", text("base", "b"))
	for name, n := range map[string]overlay.NewImage{
		"no layers":       {Config: []byte("{}")},
		"unknown layer":   {Config: []byte("{}"), Layers: []overlay.LayerID{base, overlay.LayerID(strings.Repeat("1", 64))}},
		"no JSON":         {Config: []byte("config"), Layers: []overlay.LayerID{base}},
		"a time, in text": {Config: []byte(`{"created":"yesterday"}`), Layers: []overlay.LayerID{base}},
	} {
		if _, err := s.CreateImage(t.Context(), n); err == nil || !strings.HasPrefix(err.Error(), "create image: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
	ix, err := overlay.ReadIndex(s.Dirs())
	if err != nil || len(ix.Images) > 0 {
		t.Errorf("there are %+v, %v", ix, err)
	}
}

// TestDeleteImage has two images on one layer.
func TestDeleteImage(t *testing.T) {
	s := store(t)
	base := layer(t, s, "", text("base", "b"))
	own := layer(t, s, base, text("own", "o"))
	one := record(t, s, "one", overlay.NewImage{Layers: []overlay.LayerID{base, own}, Names: []string{"docker.io/library/one:latest"}})
	two := record(t, s, "two", overlay.NewImage{Layers: []overlay.LayerID{base}})
	if err := s.AddBlob(own, overlay.Blob{Digest: "sha256:1"}); err != nil {
		t.Fatal(err)
	}
	used := errors.New("in use")
	if _, err := s.DeleteImage(t.Context(), one.ID, func() error { return used }); !errors.Is(err, used) || !s.HasLayer(own) {
		t.Errorf("one that is in use: %v", err)
	}
	gone, err := s.DeleteImage(t.Context(), one.ID, func() error { return nil })
	if err != nil || !slices.Equal(gone, []overlay.LayerID{own}) || s.HasLayer(own) || !s.HasLayer(base) || s.Blobs(own) != nil {
		t.Errorf("%v are gone, %v", gone, err)
	}
	if _, err := overlay.LoadImage(s.Dirs(), one.ID); err == nil || named(t, s, "docker.io/library/one:latest") != "" {
		t.Errorf("it is there: %v", err)
	}
	if _, err := s.DeleteImage(t.Context(), one.ID, nil); err == nil {
		t.Error("it is deleted again")
	}
	if gone, err = s.DeleteImage(t.Context(), two.ID, nil); err != nil || !slices.Equal(gone, []overlay.LayerID{base}) {
		t.Errorf("%v are gone, %v", gone, err)
	}
}

// TestSweepLayers has layers of an image, of a build that wants one, and of nobody.
func TestSweepLayers(t *testing.T) {
	s := store(t)
	base := layer(t, s, "", text("base", "b"))
	kept := layer(t, s, base, text("kept", "k"))
	top := layer(t, s, kept, text("top", "t"))
	lost := layer(t, s, top, text("lost", "l"))
	alone := layer(t, s, "", text("alone", "a"))
	below := layer(t, s, "", text("below", "b2"))
	used := layer(t, s, below, text("used", "u"))
	img := record(t, s, "one", overlay.NewImage{Layers: []overlay.LayerID{below, used}})
	all, err := s.Usage()
	if err != nil || len(all) != 7 || all[used].Parent != below || !slices.Equal(all[below].Images, []string{img.ID}) || len(all[base].Images) > 0 {
		t.Errorf("%v, %v", all, err)
	}
	if n, err := s.TarSize(used); err != nil || all[used].Size != n || n != int64(len(text("used", "u"))) {
		t.Errorf("%d bytes, %v; in use are %d", n, err, all[used].Size)
	}
	gone, err := s.SweepLayers(t.Context(), func(id overlay.LayerID) bool { return id == kept })
	slices.Sort(gone)
	want := []overlay.LayerID{top, lost, alone}
	slices.Sort(want)
	if err != nil || !slices.Equal(gone, want) {
		t.Errorf("swept %v, %v", gone, err)
	}
	for id, there := range map[overlay.LayerID]bool{base: true, kept: true, top: false, lost: false, alone: false, below: true, used: true, "": false} {
		if s.HasLayer(id) != there {
			t.Errorf("layer %.12s: %t", id, !there)
		}
	}
	if gone, err = s.SweepLayers(t.Context(), nil); err != nil || len(gone) != 2 {
		t.Errorf("the rest: %v, %v", gone, err)
	}
}

func TestBlobs(t *testing.T) {
	s := store(t)
	id := overlay.LayerID(strings.Repeat("a", 64))
	for n := range 6 {
		if err := s.AddBlob(id, overlay.Blob{Digest: digest.Digest(fmt.Sprint("sha256:", n%5)), Size: int64(n)}); err != nil {
			t.Fatal(err)
		}
	}
	var got []int64
	for _, b := range s.Blobs(id) {
		got = append(got, b.Size)
	}
	if !slices.Equal(got, []int64{5, 4, 3, 2}) { // the fifth is the first again
		t.Errorf("newest first: %v", got)
	}
	if err := os.WriteFile(s.Dirs().LayerBlobs(string(id)), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if s.Blobs(id) != nil {
		t.Error("of a file that is damaged")
	}
	if err := s.AddBlob(id, overlay.Blob{Digest: "sha256:9"}); err != nil || len(s.Blobs(id)) != 1 {
		t.Errorf("%v, %v", s.Blobs(id), err)
	}
}

// TestChainID has the chain of the image specification: each ID is of the one below
// and the layer.
func TestChainID(t *testing.T) {
	a, b := digest.FromString("a"), digest.FromString("b")
	one := overlay.ChainID("", a)
	if string(one) != a.Encoded() {
		t.Errorf("the lowest is %s", one)
	}
	if two := overlay.ChainID(one, b); string(two) != digest.FromString(a.String()+" "+b.String()).Encoded() {
		t.Errorf("the next is %s", two)
	}
}

func TestStreamOfALayer(t *testing.T) {
	s := store(t)
	data := archive(entry{name: "d/", kind: tar.TypeDir}, entry{name: "d/f", text: strings.Repeat("x", 5000)}, entry{name: "l", kind: tar.TypeSymlink, link: "d/f"})
	id := layer(t, s, "", data)
	r, err := s.OpenTar(id)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if again, err := io.ReadAll(r); err != nil || !bytes.Equal(again, data) {
		t.Errorf("%d bytes instead of %d, %v", len(again), len(data), err)
	}
	if d, err := s.DiffID(id); err != nil || d != digest.FromBytes(data) {
		t.Errorf("%s, %v", d, err)
	}
	unknown := overlay.LayerID(strings.Repeat("0", 64))
	_, noTar := s.OpenTar(unknown)
	_, noID := s.DiffID(unknown)
	_, noSize := s.TarSize(unknown)
	_, noDirs := s.Lowers(unknown)
	for what, err := range map[string]error{"stream": noTar, "digest": noID, "size": noSize, "directories": noDirs} {
		if err == nil || !strings.Contains(err.Error(), "layer 000000000000: ") {
			t.Errorf("%s of no layer: %v", what, err)
		}
	}
}

// TestDirectoriesBelowAreInherited unpacks a file into a directory that its archive
// does not speak of.
func TestDirectoriesBelowAreInherited(t *testing.T) {
	s := store(t)
	base := layer(t, s, "", archive(entry{name: "tmp/", kind: tar.TypeDir, mode: 0o1777}, entry{name: "link", kind: tar.TypeSymlink, link: "tmp"}))
	top := layer(t, s, base, archive(entry{name: "tmp/new/file", text: "f"}))
	if got := show(t, s, top); !strings.Contains(got, "tmp dtrwxrwxrwx") || !strings.Contains(got, "tmp/new drwxr-xr-x") {
		t.Errorf("%s", got)
	}
}

// TestScratch has a directory that is in use, and what a process that died has left.
func TestScratch(t *testing.T) {
	s := store(t)
	dir, err := s.Scratch()
	if err != nil {
		t.Fatal(err)
	}
	if again, err := s.Scratch(); again != dir || err != nil {
		t.Errorf("%s, then %s, %v", dir, again, err)
	}
	left := filepath.Join(string(s.Dirs().Tmp()), "scratch-left")
	other := filepath.Join(string(s.Dirs().Tmp()), "other")
	for _, d := range []string{left, other} {
		if err := os.MkdirAll(filepath.Join(d, "deep"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	second := reopen(t, s.Dirs())
	if theirs, err := second.Scratch(); theirs == dir || err != nil {
		t.Errorf("two share %s, %v", theirs, err)
	}
	for d, there := range map[string]bool{dir: true, left: false, other: true} {
		if _, err := os.Stat(d); (err == nil) != there {
			t.Errorf("%s: %v", d, err)
		}
	}
}
