// SPDX-License-Identifier: Apache-2.0

package compose

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"coracle/internal/testutil"
)

// TestVerbs: what changes a part of a project, and what is told of it.
func TestVerbs(t *testing.T) {
	p := newProject(t, `
services:
  web: {image: busybox, command: sleep 600, depends_on: [db], stop_grace_period: 0s}
  db: {image: busybox, command: sleep 600, stop_grace_period: 0s}
`)
	t.Run("scale", func(t *testing.T) {
		p.compose("scale", "--no-deps", "web=2").says("Container shop-web-2 Started").silent("shop-db-1")
		p.compose("scale", "web=1", "db=2").says("Container shop-web-2 Removed", "Container shop-db-2 Started").silent("shop-web-1 Remov")
		p.fails(1, "invalid scale specifier: web", "scale", "web")
		p.fails(1, "invalid scale specifier: can't parse replica value as int: web=x", "scale", "web=x")
		p.fails(1, "no such service: nobody", "scale", "nobody=1")
	})
	t.Run("cp", func(t *testing.T) {
		p.file("greeting", "hello\n")
		p.compose("cp", "greeting", "db:/tmp/").says("Container shop-db-1 Copied greeting to shop-db-1:/tmp/", "shop-db-2:/tmp/")
		p.compose("exec", "-T", "--index", "2", "db", "cat", "/tmp/greeting").says("hello")
		p.compose("cp", "--index", "2", "db:/tmp/greeting", "back").says("shop-db-2:/tmp/greeting to back").silent("shop-db-1")
		if got, err := os.ReadFile(filepath.Join(p.dir, "back")); string(got) != "hello\n" {
			t.Errorf("back: %q, %v", got, err)
		}
		p.fails(1, "copying between services is not supported", "cp", "db:/a", "web:/b")
		p.fails(1, "unknown copy direction", "cp", "a", "b")
		p.fails(1, `no container found for service "nobody"`, "cp", "greeting", "nobody:/")
		p.fails(1, "Could not find the file /none in container shop-web-1", "cp", "web:/none", ".")
	})
	t.Run("export", func(t *testing.T) {
		p.compose("export", "-o", "db.tar", "--index", "2", "db").says("Container shop-db-2 Exporting", "Container shop-db-2 Exported")
		if text, err := os.ReadFile(filepath.Join(p.dir, "db.tar")); err != nil || !strings.Contains(string(text), "tmp/greeting") {
			t.Errorf("db.tar: %d bytes, %v", len(text), err)
		}
		p.fails(1, `service "nobody" is not running`, "export", "-o", "x", "nobody")
	})
	t.Run("stats", func(t *testing.T) {
		p.compose("stats", "--no-stream").says("CONTAINER ID", "CPU %", "shop-web-1", "shop-db-2")
		if got := p.compose("stats", "--no-stream", "--format", "{{.Name}}", "web").Text(); got != "shop-web-1" {
			t.Errorf("stats web: %q", got)
		}
	})
	t.Run("events", func(t *testing.T) {
		p.compose("events", "--since", "10m", "--until", "0s", "web").says(" container start ", "name=shop-web-1").silent("shop-db-1", "com.docker.compose")
		first, _, _ := strings.Cut(p.compose("events", "--json", "--since", "10m", "--until", "0s", "db").Out, "\n")
		var ev struct{ Time, Type, Service, ID, Action string }
		if err := json.Unmarshal([]byte(first), &ev); err != nil || ev.Type != "container" || ev.Service != "db" || ev.Action != "create" || len(ev.ID) != 64 || ev.Time == "" {
			t.Errorf("events: %s: %v", first, err)
		}
		p.fails(1, "no such service: nobody", "events", "nobody")
	})
}

// TestPush: what is built is pushed, what was pulled is not.
func TestPush(t *testing.T) {
	p := newProject(t, "services: {a: {image: busybox}, b: {image: 'localhost:1/b', build: {context: ., dockerfile_inline: FROM busybox}}}\n")
	p.compose("push", "a").says("a Skipped").silent("Pushing")
	p.fails(1, "Image localhost:1/b Pushing", "push")
	p.compose("push", "--ignore-push-failures").says("Image localhost:1/b Warning ")
}

// TestAttach: input and output of a container, its exit code.
func TestAttach(t *testing.T) {
	p := newProject(t, "services: {a: {image: busybox, command: 'sh -c \"read x; echo got $$x; exit 4\"', stdin_open: true}}\n")
	p.compose("up", "-d")
	p.fails(1, `service "a" is not running container #2`, "attach", "--index", "2", "a")
	in := p.command("compose", "attach", "a")
	in.Stdin = strings.NewReader("this\n")
	if r := testutil.Finish(in); r.Out != "got this\n" || r.Code != 4 {
		t.Errorf("attach: %+v", r)
	}
	p.fails(1, `service "a" is not running`, "attach", "a")
}

// TestCommit: an image of what a service's container has become.
func TestCommit(t *testing.T) {
	p := newProject(t, "services: {a: {image: busybox, command: sleep 600, stop_grace_period: 0s}}\n")
	p.compose("up", "-d")
	p.compose("exec", "a", "touch", "/kept")
	p.compose("commit", "-m", "why", "-c", "CMD [\"ls\", \"/kept\"]", "a", "kept:1").says("Container shop-a-1 Committing", "Container shop-a-1 Committed as sha256:")
	if got := p.do("run", "--rm", "kept:1").Text(); got != "/kept" {
		t.Errorf("the image has %q", got)
	}
	p.fails(1, `service "b" is not running`, "commit", "b", "x")
}

// TestViz: the services and what they need, as a graph.
func TestViz(t *testing.T) {
	p := newProject(t, `
services:
  web: {image: busybox, ports: ["127.0.0.1:8080:80"], depends_on: [db, cache], networks: [front]}
  db: {image: "database:1"}
  cache: {image: busybox}
networks: {front: {}}
`)
	got := p.compose("viz", "--spaces", "--indentation-size", "2", "--ports", "--image", "--networks").Out
	testutil.Contains(t, got, "digraph \"shop\" {\n  layout=dot;\n", "  \"db\" [style=\"filled\" label=<<font point-size=\"15\">db</font>",
		"<b>Image:</b><br/>database:1</font>", "<b>Networks:</b><br/>front</font>", "<b>Ports:</b><br/>127.0.0.1:8080:80 (tcp, ingress)</font>", "  \"web\" -> \"cache\";\n  \"web\" -> \"db\";\n}\n")
	p.fails(1, "publish is not supported", "publish", "example/shop")
}
