// SPDX-License-Identifier: Apache-2.0

package develop

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
)

// rulesOf are those of a service that is built in dir.
func rulesOf(t *testing.T, dir string, list ...types.Trigger) []Rule {
	t.Helper()
	s := types.ServiceConfig{Name: "web", Develop: &types.DevelopConfig{Watch: list}}
	s.Build = &types.BuildConfig{Context: dir, Dockerfile: "Dockerfile"}
	rules, err := Rules(s)
	if err != nil {
		t.Fatal(err)
	}
	return rules
}

func TestMatches(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a [b]~") // neither a pattern, nor what an editor leaves behind
	write(t, filepath.Join(dir, "Dockerfile"))
	if err := os.WriteFile(filepath.Join(dir, ".dockerignore"), []byte("# no\n*.log\n**/*.tmp\nsrc/gen\n!src/gen/kept\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	src := filepath.Join(dir, "src")
	all := rulesOf(t, dir, types.Trigger{Path: src, Action: types.WatchActionSync, Target: "/app/", Ignore: []string{"node_modules/", "/" + strings.TrimPrefix(src, "/") + "/abs", "*.md", "!keep.md"}})[0]
	some := rulesOf(t, dir, types.Trigger{Path: src, Action: types.WatchActionSync, Target: "/app", Include: []string{"*.go", "sub/"}})[0]
	for _, c := range []struct {
		rule Rule
		path string
		want bool
	}{
		{all, "src/a", true}, {all, "src/a/b/c", true}, {all, "srcs/a", false}, {all, "a", false},
		{all, "src/node_modules/x/y", false}, {all, "src/sub/node_modules/x", true}, {all, "src/abs/x", false},
		{all, "src/a.md", false}, {all, "src/keep.md", true}, {all, "src/sub/a.md", true},
		{all, "src/a.log", true}, {all, "src/deep/a.tmp", false}, {all, "src/gen/x", false}, {all, "src/gen/kept", true},
		{all, "src/.git/index", false}, {all, "src/sub/.git/HEAD", false}, {all, "src/.gitignore", true},
		{all, "src/.a.swp", false}, {all, "src/sub/a~", false}, {all, "src/#a#", false}, {all, "src/4913", false}, {all, "src/.idea/x", false},
		{some, "src/a.go", true}, {some, "src/a.c", false}, {some, "src/sub/a.c", true}, {some, "src/other/a.go", false},
	} {
		if got := c.rule.Matches(filepath.Join(dir, c.path)); got != c.want {
			t.Errorf("%s: %v", c.path, got)
		}
	}
	for path, want := range map[string]bool{"src": false, "src/a": false, ".": false, "other": true, "src/deep": false} {
		if got := all.SkipsAll(filepath.Join(dir, path)); got != want {
			t.Errorf("%s is left out: %v", path, got)
		}
	}
	plain := rulesOf(t, t.TempDir(), types.Trigger{Path: src, Action: types.WatchActionSync, Target: "/app", Ignore: []string{"node_modules"}})[0]
	if !plain.SkipsAll(filepath.Join(src, "node_modules")) || plain.SkipsAll(src) {
		t.Error("what is ignored as a whole is not left out")
	}
}

func TestTarget(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "file"))
	for _, c := range []struct{ root, target, path, want string }{
		{"src", "/app", "src/a/b", "/app/a/b"}, {"src", "/app/", "src/a", "/app/a"}, {"src", "/", "src/a", "/a"},
		{"file", "/etc/name", "file", "/etc/name"}, {"file", "/etc/", "file", "/etc/file"}, {"src", "/app", "src", "/app"},
	} {
		r := Rule{Trigger: types.Trigger{Path: filepath.Join(dir, c.root), Target: c.target}}
		if got := r.Target(filepath.Join(dir, c.path)); got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
}

func TestRulesRefuse(t *testing.T) {
	for _, c := range []struct {
		trigger types.Trigger
		want    string
	}{
		{types.Trigger{Path: "/", Action: types.WatchActionSync}, "cannot watch root directory"},
		{types.Trigger{Path: "/a", Ignore: []string{"["}}, "develop.watch: ignore:"},
		{types.Trigger{Path: "/a", Include: []string{"["}}, "develop.watch: include:"},
	} {
		_, err := Rules(types.ServiceConfig{Name: "web", Develop: &types.DevelopConfig{Watch: []types.Trigger{c.trigger}}})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v", c.trigger, err)
		}
	}
}

// archived is what is in an archive.
func archived(t *testing.T, list []Change, filled bool) string {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, list, filled); err != nil {
		t.Fatal(err)
	}
	var all []string
	for r := tar.NewReader(&b); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return strings.Join(all, "|")
		}
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(r)
		all = append(all, fmt.Sprintf("%s %o %s%s", h.Name, h.Mode, h.Linkname, text))
	}
}

func TestWrite(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	write(t, in("d/file"))
	if err := os.Symlink("file", in("d/link")); err != nil {
		t.Fatal(err)
	}
	list := []Change{{in("d"), "/app/d"}, {in("d/link"), "/app/d/file"}, {in("d/file"), "/app/d/file"}, {in("d/link"), "/app/d/link"}, {in("none"), "/app/none"}, {in("d"), "/"}}
	if got := archived(t, list, true); got != "app/d/ 755 |app/d/file 644 x|app/d/link 777 file" {
		t.Error(got)
	}
	if got := archived(t, list, false); got != "app/d/file 644 x|app/d/link 777 file" {
		t.Error(got)
	}
	here, gone := Split(list)
	if len(here) != 5 || len(gone) != 1 || gone[0].Target != "/app/none" {
		t.Errorf("%v %v", here, gone)
	}
}

func TestInitial(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a", "sub/b", "Dockerfile", "Other", "compose.yaml", "sub/x.md", "no/c", ".git/d"} {
		write(t, filepath.Join(dir, name))
	}
	r := rulesOf(t, dir, types.Trigger{Path: dir, Action: types.WatchActionSync, Target: "/t", Ignore: []string{"no", "**/*.md"}})[0]
	list, err := r.Initial("./Other")
	if err != nil || fmt.Sprint(list) != fmt.Sprintf("[{%s/a /t/a} {%s/sub/b /t/sub/b}]", dir, dir) {
		t.Errorf("%v %v", list, err)
	}
	if _, err := (Rule{Trigger: types.Trigger{Path: filepath.Join(dir, "none")}}).Initial(""); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

// TestBatch: what changes together is given together, and nothing is lost while
// somebody is busy with it.
func TestBatch(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	paths := make(chan string)
	out := Batch(ctx, paths, 50*time.Millisecond, time.Minute)
	for _, p := range []string{"b", "a", "b"} {
		paths <- p
	}
	if got := <-out; fmt.Sprint(got) != "[a b]" {
		t.Error(got)
	}
	for _, p := range []string{"c", "d"} {
		paths <- p
		time.Sleep(100 * time.Millisecond) // nobody takes what is ready
	}
	if got := <-out; fmt.Sprint(got) != "[c d]" {
		t.Error(got)
	}
	cancel()
	if _, ok := <-out; ok {
		t.Error("it goes on")
	}
}

// TestBatchOfWhatNeverEnds is given in time.
func TestBatchOfWhatNeverEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	paths := make(chan string)
	out := Batch(ctx, paths, time.Hour, 50*time.Millisecond)
	for {
		select {
		case paths <- "x":
		case got := <-out:
			if fmt.Sprint(got) != "[x]" {
				t.Error(got)
			}
			return
		}
	}
}
