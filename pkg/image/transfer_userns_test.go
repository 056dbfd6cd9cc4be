// SPDX-License-Identifier: Apache-2.0

package image_test

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"testing"

	dockerspec "github.com/moby/docker-image-spec/specs-go/v1"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"coracle/pkg/image"
	"coracle/pkg/oci"
)

func decode(text string, into any) error { return json.Unmarshal([]byte(text), into) }

// masked has every digest as D.
func masked(lines []string) string {
	return regexp.MustCompile(`[0-9a-f]{64}`).ReplaceAllString(strings.Join(lines, "\n"), "D")
}

func TestPushAndPull(t *testing.T) {
	reg := serve(t)
	from := newHost(t)
	id := from.add(t, "hello", reg+"/team/app:1", reg+"/team/app", reg+"/other")
	var said []string
	sent, err := from.Push(t.Context(), image.PushRequest{Name: reg + "/team/app", Access: nobody(t)}, lines(&said))
	if err != nil || len(sent) != 1 || sent[0].Name != reg+"/team/app:latest" || sent[0].Size == 0 {
		t.Fatalf("%+v %v", sent, err)
	}
	want := "The push refers to repository [" + reg + "/team/app]\nlatest: digest: sha256:D size: "
	if !strings.HasPrefix(masked(said), want) {
		t.Errorf("push said %q", said)
	}
	sent, err = from.Push(t.Context(), image.PushRequest{Name: reg + "/team/app", AllTags: true, Access: nobody(t)}, nil)
	if err != nil || len(sent) != 2 {
		t.Fatalf("all tags: %+v %v", sent, err)
	}
	if got := from.names(t, id); !strings.Contains(got, reg+"/team/app@sha256:") {
		t.Errorf("after the push it has %s", got)
	}

	to := newHost(t)
	said = nil
	got, err := to.Pull(t.Context(), image.PullRequest{Name: reg + "/team/app:1", Access: nobody(t)}, lines(&said))
	if err != nil || len(got) != 1 || got[0].Image.ID != id || got[0].UpToDate {
		t.Fatalf("%+v %v", got, err)
	}
	if text := masked(said); text != "1: Pulling from team/app\nDigest: sha256:D\nStatus: Downloaded newer image for "+reg+"/team/app:1" {
		t.Errorf("pull said %q", text)
	}
	said = nil
	got, err = to.Pull(t.Context(), image.PullRequest{Name: reg + "/team/app:1", Access: nobody(t)}, lines(&said))
	if err != nil || !got[0].UpToDate || !strings.HasSuffix(masked(said), "Status: Image is up to date for "+reg+"/team/app:1") {
		t.Errorf("again: %v %q", err, said)
	}
	if _, err = to.Pull(t.Context(), image.PullRequest{Name: reg + "/team/app", AllTags: true, Access: nobody(t)}, nil); err != nil {
		t.Error(err)
	}
	if got := to.names(t, id); !strings.Contains(got, reg+"/team/app:1 ") || !strings.Contains(got, reg+"/team/app:latest ") {
		t.Errorf("after all tags it has %s", got)
	}
	if text := strings.ReplaceAll(to.journal(t), reg+"/team/app", "R"); text != "pull R:1, pull R:1, pull R:1, pull R:latest" {
		t.Errorf("journal: %s", text)
	}
}

func TestWhatIsNotPushed(t *testing.T) {
	h := newHost(t)
	h.add(t, "x", "localhost:1/x:1")
	for _, tt := range []struct {
		name, platform, want string
	}{
		{"localhost:1/x:2", "", "tag does not exist: localhost:1/x:2"},
		{"localhost:1/y", "", "An image does not exist locally with the tag: localhost:1/y"},
		{"localhost:1/x:1", "linux/riscv64", "image with reference localhost:1/x:1 was found but does not provide the specified platform (linux/riscv64)"},
		{"UPPER", "", "invalid reference format: repository name (library/UPPER) must be lowercase"},
	} {
		r := image.PushRequest{Name: tt.name, Access: nobody(t)}
		if tt.platform != "" {
			r.Platforms = []string{tt.platform}
		}
		if _, err := h.Push(t.Context(), r, nil); err == nil || err.Error() != tt.want {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

func TestSaveAndLoad(t *testing.T) {
	from := newHost(t)
	one, two := from.add(t, "one", "app:1", "app:2"), from.add(t, "two", "other")
	archive := file(t, nil)
	if err := from.Save(t.Context(), image.SaveRequest{Images: []string{"app", two[:12]}}, archive); err != nil {
		t.Fatal(err)
	}
	if got := from.journal(t); !strings.HasSuffix(got, "save sha256:"+one+", save sha256:"+two) {
		t.Error(got)
	}
	to := newHost(t)
	old := to.add(t, "old", "app:1")
	if _, err := archive.Seek(0, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	var said []string
	got, err := to.Load(t.Context(), image.LoadRequest{}, archive, lines(&said))
	if err != nil || len(got) != 2 {
		t.Fatalf("%+v %v", got, err)
	}
	want := "The image app:1 already exists, renaming the old one with ID sha256:" + old + " to empty string\nLoaded image: app:1\nLoaded image: app:2\nLoaded image ID: sha256:" + two
	if text := strings.Join(said, "\n"); text != want {
		t.Errorf("load said %q", text)
	}
	for id, want := range map[string]string{one: "app:1 app:2", two: "", old: ""} {
		if got := to.names(t, id); got != want {
			t.Errorf("%.12s has %q, want %q", id, got, want)
		}
	}
}

func TestSaveThatFails(t *testing.T) {
	h := newHost(t)
	h.add(t, "x", "x")
	var missing *oci.NotFoundError
	if err := h.Save(t.Context(), image.SaveRequest{Images: []string{"y"}}, nil); !errors.As(err, &missing) {
		t.Error(err)
	}
	var other *image.PlatformError
	if err := h.Save(t.Context(), image.SaveRequest{Images: []string{"x"}, Platforms: []string{"linux/riscv64"}}, nil); !errors.As(err, &other) {
		t.Error(err)
	}
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip(err)
	}
	defer full.Close()
	var lost *image.WriteError
	if err := h.Save(t.Context(), image.SaveRequest{Images: []string{"x"}}, full); !errors.As(err, &lost) || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("%v %#v", err, lost)
	}
}

func TestLoadOfSomethingElse(t *testing.T) {
	h := newHost(t)
	for name, in := range map[string]*os.File{"a root file system": root(t, "file", "x"), "text": file(t, []byte("text")), "nothing": file(t, nil)} {
		if got, err := h.Load(t.Context(), image.LoadRequest{}, in, nil); err == nil || len(got) > 0 {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestImport(t *testing.T) {
	h := newHost(t)
	conf := dockerspec.DockerOCIImageConfig{ImageConfig: ocispec.ImageConfig{Cmd: []string{"sh"}, Labels: map[string]string{"a": "b"}}}
	id, err := h.Import(t.Context(), image.ImportRequest{Name: "made", Message: "by hand", Config: conf}, root(t, "file", "text"))
	if err != nil {
		t.Fatal(err)
	}
	det, err := h.Inspect(t.Context(), "made", "linux/"+runtime.GOARCH)
	if err != nil || det.ID != id || det.Labels["a"] != "b" {
		t.Fatalf("%+v %v", det, err)
	}
	got, err := det.OCI()
	if err != nil || got.Config.Cmd[0] != "sh" || got.History[0].Comment != "by hand" || len(got.RootFS.DiffIDs) != 1 {
		t.Errorf("%+v %v", got, err)
	}
	if text := h.journal(t); text != "import made" {
		t.Error(text)
	}
	if _, err := h.Import(t.Context(), image.ImportRequest{Name: "a:b:c"}, nil); !errors.Is(err, oci.ErrInvalidReference) {
		t.Error(err)
	}
}
