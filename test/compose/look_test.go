// SPDX-License-Identifier: Apache-2.0

package compose

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
)

// TestLook: what is looked at without changing it.
func TestLook(t *testing.T) {
	p := newProject(t, `
services:
  web: {image: busybox, command: sleep 600, ports: ["127.0.0.1::80", "53/udp"], expose: ["99"], volumes: ["data:/data"], stop_grace_period: 0s}
  db: {image: busybox, command: sleep 601, volumes: ["rest:/rest"], stop_grace_period: 0s}
volumes: {data: {}, rest: {}}
`)
	p.compose("up", "-d")
	t.Run("port", func(t *testing.T) {
		one := p.compose("port", "web", "80").Text()
		if !regexp.MustCompile(`^127\.0\.0\.1:[0-9]+$`).MatchString(one) {
			t.Errorf("port web 80: %q", one)
		}
		p.compose("port", "web").says("80/tcp -> "+one+"\n", "53/udp -> ", "99/tcp -> :0\n")
		p.compose("port", "--protocol", "udp", "web").says("53/udp -> ").silent("tcp")
		p.fails(1, "no port 81/tcp for container shop-web-1: ", "port", "web", "81")
		p.fails(1, `service "none" is not running`, "port", "none")
		p.fails(1, `service "web" is not running container #2`, "port", "--index", "2", "web", "80")
	})
	t.Run("images", func(t *testing.T) {
		var list []struct {
			ID, ContainerName, Repository, Tag, Platform, Created string
			Size                                                  int64
		}
		if err := json.Unmarshal([]byte(p.compose("images", "--format", "json").Out), &list); err != nil || len(list) != 2 {
			t.Fatalf("images: %+v, %v", list, err)
		}
		id := p.do("inspect", "-f", "{{.Image}}", "shop-db-1").ok().Text()
		if i := list[0]; i.ContainerName != "shop-db-1" || i.ID != id || i.Repository != "busybox" || i.Tag != "latest" || i.Size <= 0 || !strings.HasPrefix(i.Platform, "linux/") {
			t.Errorf("images: %+v", i)
		}
		p.compose("images", "web").says("CONTAINER", "REPOSITORY", "PLATFORM", "IMAGE ID", "shop-web-1", " ago").silent("shop-db-1")
		if got := p.compose("images", "-q").Text(); "sha256:"+got != id {
			t.Errorf("images -q: %q, want %q", got, id)
		}
		p.fails(1, `format value "x" could not be parsed`, "images", "--format", "x")
	})
	t.Run("top", func(t *testing.T) {
		lines := strings.Split(p.compose("top").Text(), "\n")
		if len(lines) != 3 || !strings.HasPrefix(lines[0], "SERVICE") || strings.Fields(lines[0])[1] != "#" || !strings.HasSuffix(lines[0], "CMD") {
			t.Fatalf("top: %q", lines)
		}
		if f := strings.Fields(lines[1]); f[0] != "db" || f[1] != "1" || !strings.HasSuffix(lines[1], "sleep 601") {
			t.Errorf("top: %q", lines[1])
		}
		if got := p.compose("top", "nobody").Out; got != "" {
			t.Errorf("top of none: %q", got)
		}
	})
	t.Run("volumes", func(t *testing.T) {
		p.compose("volumes").says("DRIVER", "VOLUME NAME", "shop_data", "shop_rest")
		if got := p.compose("volumes", "-q", "web").Text(); got != "shop_data" {
			t.Errorf("volumes of web: %q", got)
		}
		p.compose("volumes", "--format", "json", "web").says(`"Name":"shop_data"`)
		p.fails(1, "no such service: nobody", "volumes", "nobody")
	})
}

// TestPause: processes stay where they are until they may go on.
func TestPause(t *testing.T) {
	p := newProject(t, "services: {a: {image: busybox, command: sleep 600, stop_grace_period: 0s}, b: {image: busybox, command: sleep 600, stop_grace_period: 0s}}\n")
	p.compose("up", "-d")
	p.fails(1, "no such service: nobody", "pause", "nobody")
	if r := p.do("compose", "pause", "a"); strings.Contains(r.Err, "only a cgroup's freezer can do this") {
		if r.Code != 1 {
			t.Errorf("pause without a cgroup: exit code %d", r.Code)
		}
		t.Skip("there is no cgroup of a container's own here")
	} else {
		r.ok().says("Container shop-a-1 Paused").silent("shop-b-1")
	}
	if now := p.ps(); now["shop-a-1"].State != "paused" || now["shop-b-1"].State != "running" {
		t.Errorf("after pause a: %+v", now)
	}
	p.fails(1, "is already paused", "pause", "a")
	p.compose("unpause", "a").says("Container shop-a-1 Unpaused")
	if now := p.ps()["shop-a-1"]; now.State != "running" {
		t.Errorf("after unpause: %+v", now)
	}
}

// TestWait: the end of what runs, with its code, then of what ran.
func TestWait(t *testing.T) {
	p := newProject(t, "services: {a: {image: busybox, command: sh -c 'sleep 1; exit 3'}, b: {image: busybox, command: sleep 600, stop_grace_period: 0s}}\n")
	p.fails(1, `no containers for project "shop"`, "wait", "a")
	p.compose("up", "-d")
	id := p.ps()["shop-a-1"].ID
	p.fails(3, `container "`+id+`" exited with status code 3`, "wait", "a")
	p.fails(3, `container "`+id+`" exited with status code 3`, "wait", "a")
	p.fails(3, "Container shop-b-1 Removed", "wait", "--down-project", "a")
	p.fails(1, "", "wait")
}
