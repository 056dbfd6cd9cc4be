// SPDX-License-Identifier: Apache-2.0

package overlay_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"coracle/pkg/overlay"
	"coracle/pkg/state"
)

// image makes one of a layer of its own.
func image(t *testing.T, s *overlay.Store, name, config string) overlay.Image {
	t.Helper()
	id := layer(t, s, "", archive(entry{name: name, text: name}))
	img, err := s.CreateImage(t.Context(), newImage(name, config, id))
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func newImage(name, config string, id overlay.LayerID) overlay.NewImage {
	config = strings.Replace(config, "{", `{"os":"linux","rootfs":{"type":"layers","diff_ids":["sha256:`+string(id)+`"]},"author":"`+name+`"`, 1)
	return overlay.NewImage{Config: []byte(config), Layers: []overlay.LayerID{id}, Names: []string{"docker.io/library/" + name + ":latest"}}
}

func configFile(t *testing.T, d state.Dirs, id string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(d.Storage(), "overlay-images", id, "=*"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	return files[0]
}

// A damaged image takes no other with it, is listed, can be removed, and is
// whole again when it is made again.
func TestDamagedImage(t *testing.T) {
	empty := func(path string) error { return os.WriteFile(path, nil, 0o600) }
	for name, damage := range map[string]func(t *testing.T, d state.Dirs, img overlay.Image) error{
		"an empty configuration": func(t *testing.T, d state.Dirs, img overlay.Image) error { return empty(configFile(t, d, img.ID)) },
		"no configuration":       func(t *testing.T, d state.Dirs, img overlay.Image) error { return os.Remove(configFile(t, d, img.ID)) },
		"another configuration": func(t *testing.T, d state.Dirs, img overlay.Image) error {
			return os.WriteFile(configFile(t, d, img.ID), []byte("{}"), 0o600)
		},
		"a layer without files":    func(t *testing.T, d state.Dirs, img overlay.Image) error { return os.RemoveAll(layerDir(t, d, img)) },
		"a layer without a record": func(t *testing.T, d state.Dirs, img overlay.Image) error { return forgetLayer(t, d, img) },
		"a layer without anything": func(t *testing.T, d state.Dirs, img overlay.Image) error {
			return os.RemoveAll(filepath.Dir(layerDir(t, d, img)))
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := store(t)
			d := s.Dirs()
			bad, good := image(t, s, "bad", "{}"), image(t, s, "good", "{}")
			if err := errors.Join(damage(t, d, bad), s.Reindex(t.Context())); err != nil {
				t.Fatal(err)
			}
			ix, err := overlay.ReadIndex(d)
			if err != nil {
				t.Fatal(err)
			}
			if img, ok := ix.Find("docker.io/library/bad:latest"); !ok || img.Damaged == "" {
				t.Errorf("it is not listed as damaged: %+v", img)
			}
			var damaged *overlay.DamagedError
			if _, err := overlay.LoadImage(d, bad.ID); !errors.As(err, &damaged) || damaged.Hint() == "" {
				t.Errorf("it can be loaded: %v", err)
			}
			if _, err := overlay.LoadImage(d, good.ID); err != nil {
				t.Errorf("the other is gone, too: %v", err)
			}
			if err := s.Tag(t.Context(), good.ID, "docker.io/library/other:1"); err != nil {
				t.Error(err)
			}
			image(t, s, "bad", "{}") // as a pull would
			if _, err := overlay.LoadImage(d, bad.ID); err != nil {
				t.Errorf("it is not whole again: %v", err)
			}
			if err := errors.Join(damage(t, d, bad), s.Reindex(t.Context())); err != nil {
				t.Fatal(err)
			}
			if _, err := s.DeleteImage(t.Context(), bad.ID, nil); err != nil {
				t.Errorf("it cannot be removed: %v", err)
			}
		})
	}
}

func layerDir(t *testing.T, d state.Dirs, img overlay.Image) string {
	t.Helper()
	data, err := os.ReadFile(d.ImageDetails(img.ID))
	if err != nil {
		t.Fatal(err)
	}
	var det overlay.Details
	if err := json.Unmarshal(data, &det); err != nil || len(det.LayerDirs) != 1 {
		t.Fatal(det, err)
	}
	return det.LayerDirs[0]
}

// forgetLayer takes a layer out of the library's list.
func forgetLayer(t *testing.T, d state.Dirs, img overlay.Image) error {
	t.Helper()
	file, id := filepath.Join(d.Storage(), "overlay-layers", "layers.json"), filepath.Base(filepath.Dir(layerDir(t, d, img)))
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var list []map[string]any
	if err := json.Unmarshal(data, &list); err != nil {
		t.Fatal(err)
	}
	list = slices.DeleteFunc(list, func(l map[string]any) bool { return l["id"] == id })
	return state.WriteJSON(file, list, 0o600)
}

// What is written of the images can be written again, whichever file is lost.
func TestDamagedRecords(t *testing.T) {
	const lost = "no file"
	for _, file := range []string{
		"images.json", "images/ID.json", "storage.conf", "storage/overlay-images/images.json", "storage/overlay-layers/layers.json",
		"storage/overlay-containers/containers.json", "blobinfo/LAYER.json",
	} {
		for _, text := range []string{"", "garbage", "[{\"id\":3}]", "{}", "null", "[[[", lost} {
			s := store(t)
			d := s.Dirs()
			img := image(t, s, "a", "{}")
			id := digest.FromBytes(archive(entry{name: "a", text: "a"})).Encoded()
			if err := s.AddBlob(overlay.LayerID(id), overlay.Blob{Digest: digest.FromString("x"), Size: 1}); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(d.Root, strings.NewReplacer("ID", img.ID, "LAYER", id).Replace(file))
			if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
				t.Fatal(err)
			}
			if text == lost {
				if err := os.Remove(path); err != nil {
					t.Fatal(err)
				}
			}
			again := reopen(t, d)
			if err := again.Reindex(t.Context()); err != nil {
				t.Fatalf("%s is %q: %v", file, text, err)
			}
			ix, err := overlay.ReadIndex(d)
			if err != nil || len(ix.Images) != 1 || ix.Images[0].ID != img.ID || len(ix.Images[0].Names) != 1 {
				t.Errorf("%s is %q: %v, %v", file, text, ix, err)
			}
			if det, err := overlay.LoadImage(d, img.ID); err != nil || len(det.Layers) != 1 {
				t.Errorf("%s is %q: %v", file, text, err)
			}
			image(t, again, "b", "{}")
			if _, err := again.DeleteImage(t.Context(), img.ID, nil); err != nil {
				t.Errorf("%s is %q: %v", file, text, err)
			}
		}
	}
}

// A removal that was killed in its middle has left the details.
func TestDetailsOfAnImageThatIsGone(t *testing.T) {
	s := store(t)
	img := image(t, s, "a", "{}")
	path := s.Dirs().ImageDetails(img.ID)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	image(t, s, "b", "{}") // so that there is a list
	if _, err := s.DeleteImage(t.Context(), img.ID, nil); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Reindex(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the details are there: %v", err)
	}
}

// Such times are in the years 0 to 9999 where they were written only.
func TestTimesOutOfBounds(t *testing.T) {
	s := store(t)
	for name, created := range map[string]string{"high": "9999-12-31T23:59:59-12:00", "low": "0000-01-01T00:00:00+12:00", "usual": "2020-01-01T00:00:00Z"} {
		image(t, s, name, `{,"created":"`+created+`"}`)
	}
	ix, err := overlay.ReadIndex(s.Dirs())
	if err != nil || len(ix.Images) != 3 {
		t.Fatalf("%v, %v", ix, err)
	}
	for _, img := range ix.Images {
		if y := img.Created.Year(); img.Damaged != "" || y != 9999 && y != 0 && y != 2020 {
			t.Errorf("%+v", img)
		}
	}
}

// No character of the store's path means anything to overlayfs.
func TestAnyPathOfTheStore(t *testing.T) {
	for _, dir := range []string{"a:b", "a,b", `a\b`, "a:b,c\\:d", "a b\"c", "line\nbreak", "a%41=x"} {
		d, err := state.Open(filepath.Join(t.TempDir(), dir))
		if err != nil {
			t.Fatal(err)
		}
		s := reopen(t, d)
		base := layer(t, s, "", archive(entry{name: "gone", text: "x"}, entry{name: "kept", text: "x"}))
		top := layer(t, s, base, archive(entry{name: ".wh.gone"}, entry{name: "new", text: "y"}))
		lowers, err := s.Lowers(top)
		if err != nil {
			t.Fatal(err)
		}
		up := filepath.Join(t.TempDir(), dir)
		r := overlay.Rootfs{Lowers: lowers, Target: filepath.Join(up, "t"), Upper: filepath.Join(up, "u"), Work: filepath.Join(up, "w")}
		for _, p := range []string{r.Target, r.Upper, r.Work} {
			if err := os.MkdirAll(p, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		if err := overlay.MountRootfs(r); err != nil {
			t.Errorf("%q: %v", dir, err)
			continue
		}
		if got := list(t, r.Target); got != "kept -rw-r--r-- x\nnew -rw-r--r-- y" {
			t.Errorf("%q: %s", dir, got)
		}
		if err := unmount(r.Target); err != nil {
			t.Error(err)
		}
	}
}
