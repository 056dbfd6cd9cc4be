// SPDX-License-Identifier: Apache-2.0

package compose

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
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
