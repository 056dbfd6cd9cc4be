// SPDX-License-Identifier: Apache-2.0

package compose

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"coracle/internal/testutil"
)

const watched = `
services:
  web:
    build: .
    command: sh -c 'trap exit TERM; echo began; while true; do sleep 0.1; done'
    stop_grace_period: 1s
    develop:
      watch:
        - {path: ./src, action: sync, target: /app/src, ignore: [node_modules/], initial_sync: true}
        - {path: ./conf, action: sync+restart, target: /app/conf}
        - {path: ./tmpl, action: sync+exec, target: /app/tmpl, include: ["*.txt"], exec: {command: "sh -c 'cat /app/tmpl/a.txt >>/made; echo was made'"}}
        - {path: version, action: rebuild}
`

// newWatched is a project whose services are watched.
func newWatched(t *testing.T) *project {
	p := newProject(t, watched)
	p.file("Dockerfile", "FROM busybox\nCOPY version /version\nRUN mkdir /app\n")
	p.file(".dockerignore", "**/*.md\n")
	p.file("version", "1")
	for _, dir := range []string{"src", "src/sub", "src/node_modules", "conf", "tmpl"} {
		if err := mkdir(filepath.Join(p.dir, dir)); err != nil {
			t.Fatal(err)
		}
	}
	p.file("src/first", "first")
	return p
}

// has waits until a file in the container has a text; none: that it is not there.
func (p *project) has(path, text string) {
	p.t.Helper()
	testutil.Eventually(p.t, path+": "+text, func() bool {
		r := p.do("compose", "exec", "-T", "web", "cat", path)
		return text == "" && r.Code == 1 && strings.Contains(r.Err, "No such file") || text != "" && strings.Contains(r.Out, text)
	})
}

// TestWatch: what is changed here is changed there, as the file says.
func TestWatch(t *testing.T) {
	p := newWatched(t)
	u := p.begin("watch")
	u.hears("Watch enabled")
	p.has("/app/src/first", "first")
	t.Run("sync", func(t *testing.T) {
		p.file("src/second", "second")
		p.file("src/notes.md", "no")
		p.file("src/node_modules/big", "no")
		p.has("/app/src/second", "second")
		u.hears(`Syncing service "web" after 1 changes were detected`)
		p.has("/app/src/notes.md", "")
		p.has("/app/src/node_modules", "")
		if got := p.compose("exec", "-T", "web", "stat", "-c", "%u:%g %a", "/app/src/second").Text(); got != "0:0 644" {
			t.Errorf("it is of %s", got)
		}
	})
	t.Run("an editor", func(t *testing.T) {
		p.file("src/.first.swp", "no")
		p.file("src/first~", "no")
		p.file("src/new", "saved")
		if err := os.Rename(filepath.Join(p.dir, "src/new"), filepath.Join(p.dir, "src/first")); err != nil {
			t.Fatal(err)
		}
		p.has("/app/src/first", "saved")
		p.has("/app/src/new", "")
		p.has("/app/src/first~", "")
	})
	t.Run("directories", func(t *testing.T) {
		if err := os.MkdirAll(filepath.Join(p.dir, "src/a/b/c"), 0o755); err != nil {
			t.Fatal(err)
		}
		p.file("src/a/b/c/deep", "deep")
		p.has("/app/src/a/b/c/deep", "deep")
		p.file("src/a/b/c/deep", "deeper")
		p.has("/app/src/a/b/c/deep", "deeper")
		if err := os.Rename(filepath.Join(p.dir, "src/a"), filepath.Join(p.dir, "src/z")); err != nil {
			t.Fatal(err)
		}
		p.has("/app/src/z/b/c/deep", "deeper")
		p.has("/app/src/a", "")
		if err := os.RemoveAll(filepath.Join(p.dir, "src/z")); err != nil {
			t.Fatal(err)
		}
		p.has("/app/src/z", "")
	})
	t.Run("other kinds", func(t *testing.T) {
		p.file("src/kind", "a file")
		if err := os.Symlink("kind", filepath.Join(p.dir, "src/link")); err != nil {
			t.Fatal(err)
		}
		p.has("/app/src/link", "a file")
		become := func(names ...string) {
			for _, name := range names {
				if err := os.RemoveAll(filepath.Join(p.dir, name)); err != nil {
					t.Fatal(err)
				}
				if err := mkdir(filepath.Join(p.dir, name)); err != nil {
					t.Fatal(err)
				}
				p.file(name+"/inner", "in "+name)
			}
		}
		become("src/kind", "src/link")
		p.has("/app/src/kind/inner", "in src/kind")
		p.has("/app/src/link/inner", "in src/link")
		if err := os.RemoveAll(filepath.Join(p.dir, "src/kind")); err != nil {
			t.Fatal(err)
		}
		p.file("src/kind", "a file again")
		p.has("/app/src/kind", "a file again")
	})
	t.Run("sync+exec", func(t *testing.T) {
		p.file("tmpl/b.bin", "no")
		p.file("tmpl/a.txt", "made of it")
		p.has("/made", "made of it")
		u.hears("was made")
		p.has("/app/tmpl/b.bin", "")
	})
	t.Run("sync+restart", func(t *testing.T) {
		p.file("conf/one", "1")
		u.hears(`service(s) ["web"] restarted`)
		p.has("/app/conf/one", "1")
		if got := strings.Count(p.compose("logs", "web").Out, "began"); got != 2 {
			t.Errorf("it began %d times", got)
		}
	})
	t.Run("rebuild", func(t *testing.T) {
		before := p.ps()["shop-web-1"].ID
		p.file("version", "2")
		u.hears(`Rebuilding service(s) ["web"] after changes were detected...`)
		u.hears(`service(s) ["web"] successfully built`)
		p.has("/version", "2")
		if p.ps()["shop-web-1"].ID == before {
			t.Error("it is the same container")
		}
		testutil.Eventually(t, "what was replaced is pruned", func() bool { return p.do("images", "-q", "-f", "dangling=true").Text() == "" })
		p.file("src/first", "again")
		p.has("/app/src/first", "again")
	})
	u.signal(syscall.SIGINT)
	u.ends(130)
}

// TestUpWatch: up that shows what containers say and watches stays when its only
// container is restarted, or made anew.
func TestUpWatch(t *testing.T) {
	p := newWatched(t)
	u := p.up("--watch")
	u.hears("web-1  | began")
	u.hears("       ⦿ Watch enabled")
	p.file("conf/one", "1")
	u.hears(`       ⦿ service(s) ["web"] restarted`)
	testutil.Eventually(t, "it is followed again", func() bool { return strings.Count(u.said.String(), "web-1  | began") == 2 })
	p.file("version", "2")
	testutil.Eventually(t, "the next one, too", func() bool { return strings.Count(u.said.String(), "web-1  | began") == 3 })
	p.has("/version", "2")
	p.file("Dockerfile", "FROM busybox\nCOPY version /version\nRUN false\n")
	p.file("version", "3")
	u.hears("Build failed. Error: ")
	u.signal(syscall.SIGINT)
	u.hears("Watch disabled")
	u.ends(130)
	if r := p.ps()["shop-web-1"]; r.State != "exited" {
		t.Errorf("it was not stopped: %+v", r)
	}
}

// TestWatchRefuses: what cannot be watched.
func TestWatchRefuses(t *testing.T) {
	p := newProject(t, "services: {a: {image: busybox, command: sleep 600, stop_grace_period: 0s}}\n")
	p.fails(1, "none of the selected services is configured for watch", "watch", "--no-up")
	p.fails(1, "none of the selected services is configured for watch", "up", "--watch")
	p.fails(1, "--detach cannot be combined with", "up", "-d", "--watch")
	p.fails(1, "--no-build and --watch are incompatible", "up", "--no-build", "--watch")
	p.file("compose.yaml", "services: {a: {image: busybox, develop: {watch: [{path: ., action: rebuild}]}}}\n")
	p.fails(1, `can't watch service "a" with action rebuild without a build context`, "watch", "--no-up")
	p.file("compose.yaml", "services: {a: {image: busybox, volumes: ['.:/app'], develop: {watch: [{path: ./x, action: sync, target: /app/x}]}}}\n")
	p.fails(1, "also declared by a bind mount volume, this path won't be monitored!", "watch", "--no-up")
}
