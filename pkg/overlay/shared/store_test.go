// SPDX-License-Identifier: Apache-2.0

package shared

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/opencontainers/go-digest"
)

const config = `{"os":"linux"}`

var (
	imageID = digest.FromString(config).Encoded()
	low     = strings.Repeat("a", 64)
	high    = strings.Repeat("b", 64)
)

// made is a store of one image with two layers, below sub.
func made(t *testing.T, sub, driver string) (dir, graph string) {
	t.Helper()
	dir = t.TempDir()
	graph = filepath.Join(dir, sub)
	files := map[string]string{
		driver + "-images/images.json":                                `[{"id":"` + imageID + `","names":["docker.io/library/a:1"],"layer":"` + high + `"}]`,
		driver + "-layers/layers.json":                                `[{"id":"` + low + `","diff-size":5},{"id":"` + high + `","parent":"` + low + `"},{"id":"../../etc"}]`,
		driver + "-images/" + imageID + "/" + name("sha256:"+imageID): config,
	}
	for _, id := range []string{low, high} {
		place := map[string]string{"overlay": "overlay/" + id + "/diff/x", "vfs": "vfs/dir/" + id + "/x"}[driver]
		files[place] = ""
	}
	for f, text := range files {
		write(t, filepath.Join(graph, f), text)
	}
	return dir, graph
}

func name(key string) string { return "=" + base64.StdEncoding.EncodeToString([]byte(key)) }

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestStoresOfAllKinds(t *testing.T) {
	for _, c := range []struct{ sub, driver, top string }{
		{"storage", "overlay", "storage/overlay/" + high + "/diff"}, {"", "overlay", "overlay/" + high + "/diff"}, {"", "vfs", "vfs/dir/" + high},
	} {
		dir, _ := made(t, c.sub, c.driver)
		s, err := Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		if len(s.Images) != 1 || s.Images[0].ID != imageID || s.UID != os.Geteuid() || s.Layered() != (c.driver == "overlay") {
			t.Errorf("%+v", s)
		}
		data, err := s.Config(imageID)
		if err != nil || string(data) != config {
			t.Errorf("%s, %v", data, err)
		}
		stack, err := s.Stack(s.Images[0].Top)
		if err != nil || len(stack) != 2 || stack[0].ID != low || stack[0].Size != 5 || stack[1].Dir != filepath.Join(dir, c.top) {
			t.Errorf("%+v, %v", stack, err)
		}
		if s.Manifest(s.Images[0]) != nil {
			t.Error("it has a manifest")
		}
	}
}

// TestStoresThatAreNone has what a store must not be, and what somebody who keeps one
// might put there.
func TestStoresThatAreNone(t *testing.T) {
	for _, c := range []struct {
		name, want string
		spoil      func(t *testing.T, graph string)
	}{
		{"others may write", "others may write to it", func(t *testing.T, g string) { mode(t, g, 0o777) }},
		{"others may write layers", "others may write to it", func(t *testing.T, g string) { mode(t, filepath.Join(g, "overlay"), 0o775) }},
		{"no JSON", "images.json", func(t *testing.T, g string) { write(t, filepath.Join(g, "overlay-images/images.json"), "[{") }},
		{"a pipe", "not a file", func(t *testing.T, g string) {
			list := filepath.Join(g, "overlay-layers/layers.json")
			if err := os.Remove(list); err != nil {
				t.Fatal(err)
			}
			if err := syscall.Mkfifo(list, 0o644); err != nil {
				t.Fatal(err)
			}
		}},
		{"a link", "too many levels", func(t *testing.T, g string) {
			list := filepath.Join(g, "overlay-layers/layers.json")
			if err := os.Remove(list); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink("/etc/passwd", list); err != nil {
				t.Fatal(err)
			}
		}},
		{"closed", "chmod -R a+rX", func(t *testing.T, g string) { mode(t, filepath.Join(g, "overlay-images"), 0) }},
	} {
		dir, graph := made(t, "storage", "overlay")
		c.spoil(t, graph)
		_, err := Open(dir)
		if os.Geteuid() == 0 && c.name == "closed" {
			continue
		}
		text := ""
		if h, ok := err.(interface{ Hint() string }); ok {
			text = h.Hint()
		}
		if err == nil || !strings.Contains(err.Error()+text, c.want) || !strings.HasPrefix(err.Error(), "shared store "+dir+": ") {
			t.Errorf("%s: %v", c.name, err)
		}
		mode(t, filepath.Join(graph, "overlay-images"), 0o755)
	}
	if _, err := Open(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("there is one where nothing is")
	}
}

func mode(t *testing.T, path string, mode os.FileMode) {
	t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

// TestImagesThatAreDamaged leaves the rest of the store as it is.
func TestImagesThatAreDamaged(t *testing.T) {
	dir, graph := made(t, "", "overlay")
	write(t, filepath.Join(graph, "overlay-layers/layers.json"), `[{"id":"`+low+`","parent":"`+high+`"},{"id":"`+high+`","parent":"`+low+`"}]`)
	write(t, filepath.Join(graph, "overlay-images", imageID, name("sha256:"+imageID)), "{}")
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, top := range []string{"", high, "../../etc", strings.Repeat("c", 64)} {
		if stack, err := s.Stack(top); err == nil {
			t.Errorf("%q is a stack of %d", top, len(stack))
		}
	}
	for _, id := range []string{imageID, "../x", ""} {
		if data, err := s.Config(id); err == nil {
			t.Errorf("%q has %s", id, data)
		}
	}
}

func TestPlaces(t *testing.T) {
	home := t.TempDir()
	conf := filepath.Join(home, ".config/containers/storage.conf")
	write(t, conf, "[storage]\ndriver = \"overlay\"\n[storage.options]\nadditionalimagestores = [\"/a\", \"b\", \"/a/\"]\n")
	t.Setenv("XDG_CONFIG_HOME", "")
	t.Setenv("CONTAINERS_STORAGE_CONF", "")
	if err := os.Unsetenv(Variable); err != nil {
		t.Fatal(err)
	}
	if got, err := Places(home); err != nil || !slices.Contains(got, "/a") || slices.Contains(got, "b") {
		t.Errorf("%q, %v", got, err)
	}
	write(t, conf, "additionalimagestores = [")
	if _, err := Places(home); err == nil || !strings.Contains(err.Error(), conf) {
		t.Errorf("of a file that is none: %v", err)
	}
	for v, want := range map[string][]string{"/x:/y::z": {"/x", "/y"}, "": nil} {
		t.Setenv(Variable, v)
		if got, err := Places(home); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %q, %v", v, got, err)
		}
	}
}

func FuzzOpen(f *testing.F) {
	f.Add([]byte(`[{"id":"`+low+`","parent":"`+low+`"}]`), low)
	f.Add([]byte(`null`), "")
	f.Fuzz(func(t *testing.T, layers []byte, top string) {
		dir, graph := made(t, "", "overlay")
		write(t, filepath.Join(graph, "overlay-layers/layers.json"), string(layers))
		s, err := Open(dir)
		if err != nil {
			return
		}
		stack, err := s.Stack(top)
		for _, l := range stack {
			if err == nil && !strings.HasPrefix(l.Dir, graph+"/overlay/") {
				t.Errorf("it leads to %s", l.Dir)
			}
		}
	})
}
