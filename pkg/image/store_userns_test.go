// SPDX-License-Identifier: Apache-2.0

package image_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	dockerspec "github.com/moby/docker-image-spec/specs-go/v1"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"coracle/pkg/image"
	"coracle/pkg/oci"
	"coracle/pkg/oci/registry"
	"coracle/pkg/overlay"
	"coracle/pkg/state"
)

// TestFilesThatAreLost: the index and the details are made again.
func TestFilesThatAreLost(t *testing.T) {
	h := newHost(t)
	id := h.add(t, "x", "x")
	for _, damage := range []func() error{
		func() error { return os.Remove(h.dirs.ImageIndex()) },
		func() error { return os.WriteFile(h.dirs.ImageIndex(), []byte("{"), 0o600) },
		func() error { return os.Remove(h.dirs.ImageDetails(id)) },
		func() error { return os.WriteFile(h.dirs.ImageDetails(id), []byte("{}"), 0o600) },
	} {
		if err := damage(); err != nil {
			t.Fatal(err)
		}
		if det, err := h.Inspect(t.Context(), "x"); err != nil || det.ID != id {
			t.Errorf("%v %v", det.ID, err)
		}
	}
}

// TestHold: with the image lock held, an image that is here, or was pulled.
func TestHold(t *testing.T) {
	reg := serve(t)
	from := newHost(t)
	id := from.add(t, "x", reg+"/x")
	if _, err := from.Push(t.Context(), image.PushRequest{Name: reg + "/x", Access: nobody(t)}, nil); err != nil {
		t.Fatal(err)
	}
	h := newHost(t)
	unable := "Unable to find image '" + reg + "/x:latest' locally"
	for _, tt := range []struct {
		name string
		r    image.HoldRequest
		said string // the first line
		err  string
	}{
		{"never", image.HoldRequest{Pull: image.PullNever}, "", "No such image: " + reg + "/x:latest"},
		{"wrong platform", image.HoldRequest{Platform: "a/b/c/d"}, "", `"a/b/c/d" is an invalid OS component of platform: platform specifier component must match [os[/arch[/variant]]]`},
		{"missing", image.HoldRequest{Pull: image.PullMissing}, unable, ""},
		{"here", image.HoldRequest{}, "", ""},
		{"here, of the platform", image.HoldRequest{Platform: "linux/" + runtime.GOARCH, Pull: image.PullNever}, "", ""},
		{"here, of another", image.HoldRequest{Platform: "linux/riscv64", Pull: image.PullNever}, "", "image with reference " + reg + "/x was found but does not provide the specified platform (linux/riscv64)"},
		{"always", image.HoldRequest{Pull: image.PullAlways}, "latest: Pulling from x", ""},
		{"always, quiet", image.HoldRequest{Pull: image.PullAlways, Quiet: true}, "", ""},
	} {
		var text []string
		tt.r.Name, tt.r.Access = reg+"/x", nobody(t)
		lock, det, err := h.Hold(t.Context(), tt.r, lines(&text))
		if first := strings.Join(text[:min(len(text), 1)], ""); first != tt.said {
			t.Errorf("%s: said %q", tt.name, text)
		}
		if tt.err != "" {
			if err == nil || err.Error() != tt.err {
				t.Errorf("%s: %v", tt.name, err)
			}
			continue
		}
		if err != nil || det.ID != id {
			t.Fatalf("%s: %v %v", tt.name, det.ID, err)
		}
		if _, err := state.TryAcquire(h.dirs.ImageLock(), state.Exclusive); !errors.Is(err, state.ErrLocked) {
			t.Errorf("%s: nobody holds the image: %v", tt.name, err)
		}
		lock.Release()
	}
}

func TestHoldOfNothing(t *testing.T) {
	h := newHost(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var no *oci.NotFoundError
	if _, _, err := h.Hold(ctx, image.HoldRequest{Name: "0123456789ab", Pull: image.PullNever}, nil); !errors.As(err, &no) {
		t.Error(err)
	}
	if _, _, err := h.Hold(ctx, image.HoldRequest{Name: serve(t) + "/x", Access: nobody(t)}, nil); err == nil || !strings.Contains(err.Error(), "not found") {
		t.Error(err)
	}
}

// TestBase: of a build, whose platform what is here may not have.
func TestBase(t *testing.T) {
	reg := serve(t)
	from := newHost(t)
	id := from.add(t, "x", reg+"/x")
	if _, err := from.Push(t.Context(), image.PushRequest{Name: reg + "/x", Access: nobody(t)}, nil); err != nil {
		t.Fatal(err)
	}
	h := newHost(t)
	for _, tt := range []struct {
		name  string
		r     image.BaseRequest
		suits bool
		asks  bool // the registry
	}{
		{"missing", image.BaseRequest{}, true, true},
		{"here", image.BaseRequest{}, false, false},
		{"here, suits", image.BaseRequest{Platform: "linux"}, true, false},
		{"here, does not", image.BaseRequest{Platform: "linux"}, false, true},
		{"asked for again", image.BaseRequest{Fresh: true}, true, true},
	} {
		asked := false
		tt.r.Name, tt.r.Access = reg+"/x", nobody(t)
		t.Setenv("CORACLE_REGISTRIES_CONF", filepath.Join(t.TempDir(), "none"))
		if tt.name != "missing" { // a registry that is asked again says no
			conf := filepath.Join(t.TempDir(), "registries.conf")
			if err := os.WriteFile(conf, []byte("[[registry]]\nlocation=\""+reg+"\"\nblocked=true\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			t.Setenv("CORACLE_REGISTRIES_CONF", conf)
		}
		det, err := h.Base(t.Context(), tt.r, func(overlay.Details) bool { return tt.suits })
		if asked = errors.Is(err, registry.ErrBlocked); tt.name == "missing" {
			asked = err == nil
		}
		if asked != tt.asks || err == nil && det.ID != id {
			t.Errorf("%s: %v, %v", tt.name, det.ID, err)
		}
	}
}

func TestTag(t *testing.T) {
	h := newHost(t)
	a, b := h.add(t, "a", "a", "x"), h.add(t, "b", "b")
	if err := h.Tag(t.Context(), image.TagRequest{Image: "b", Name: "x"}); err != nil {
		t.Fatal(err)
	}
	if h.names(t, a) != "a:latest" || h.names(t, b) != "b:latest x:latest" {
		t.Errorf("%s, %s", h.names(t, a), h.names(t, b))
	}
	for _, r := range []image.TagRequest{{Image: "no-id", Name: "y"}, {Image: "a", Name: "Y"}, {Image: "a", Name: "y@sha256:" + a}} {
		if err := h.Tag(t.Context(), r); err == nil {
			t.Errorf("%+v was done", r)
		}
	}
}

// TestCommit: an upper directory becomes a layer.
func TestCommit(t *testing.T) {
	h := newHost(t)
	from := h.add(t, "base", "base")
	upper := t.TempDir()
	for _, dir := range []string{"etc", "dev", "kept"} {
		if err := os.Mkdir(filepath.Join(upper, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"new", ".wh.odd"} {
		if err := os.WriteFile(filepath.Join(upper, name), []byte(name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	conf := dockerspec.DockerOCIImageConfig{ImageConfig: ocispec.ImageConfig{Entrypoint: []string{"new"}}}
	got, err := h.Commit(t.Context(), image.CommitRequest{
		From: from, Upper: upper, Stubs: []string{"dev", "etc"}, Name: "made:1", Config: conf, CreatedBy: "sh", Author: "me", Comment: "changes",
	})
	if err != nil || len(got.Reserved) != 1 || got.Reserved[0] != ".wh.odd" {
		t.Fatalf("%+v %v", got, err)
	}
	det, err := h.Inspect(t.Context(), "made:1")
	if err != nil || det.ID != got.ID || len(det.Layers) != 2 {
		t.Fatalf("%+v %v", det, err)
	}
	c, err := det.OCI()
	if last := c.History[len(c.History)-1]; err != nil || c.Author != "me" || last.Comment != "changes" || last.CreatedBy != "sh" || c.Config.Entrypoint[0] != "new" {
		t.Errorf("%+v %v", c, err)
	}
	for name, there := range map[string]bool{"new": true, "kept": true, "dev": false, "etc": false, ".wh.odd": false} {
		if _, err := os.Lstat(filepath.Join(det.LayerDirs[1], name)); (err == nil) != there {
			t.Errorf("%s: %v", name, err)
		}
	}
	if text := h.journal(t); !strings.HasSuffix(text, ", tag made:1") {
		t.Error(text)
	}
}

// TestUsage: a layer that two images have counts once.
func TestUsage(t *testing.T) {
	h := newHost(t)
	a := h.add(t, "a", "a")
	b, err := h.Commit(t.Context(), image.CommitRequest{From: a, Upper: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	h.add(t, "c")
	u, err := h.Usage(t.Context())
	if err != nil || len(u.Images) != 3 {
		t.Fatalf("%+v %v", u, err)
	}
	var all int64
	for _, img := range u.Images {
		switch all += img.Size - img.Shared; {
		case img.ID == a && img.Shared != img.Size, img.ID == b.ID && (img.Shared == 0 || img.Shared == img.Size), img.ID != a && img.ID != b.ID && img.Shared != 0:
			t.Errorf("%.12s: %d of %d bytes shared", img.ID, img.Shared, img.Size)
		}
		if img.ID == a {
			all += img.Shared
		}
	}
	if u.Layers != all {
		t.Errorf("%d bytes of layers, want %d", u.Layers, all)
	}
}
