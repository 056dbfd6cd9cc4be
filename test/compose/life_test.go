// SPDX-License-Identifier: Apache-2.0

package compose

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"coracle/internal/testutil"
)

const shop = `
services:
  web:
    image: busybox
    command: sh -c 'echo "$$GREETING from web"; exec sleep 600'
    environment: {GREETING: hello}
    depends_on: [db]
    stop_grace_period: 0s
  db:
    image: busybox
    command: httpd -f -p 8000 -h /data
    volumes: ["data:/data", "/scratch"]
    stop_grace_period: 0s
volumes: {data: {}}
`

// TestLife goes through what people do with a project, from up to down.
func TestLife(t *testing.T) {
	p := newProject(t, shop)
	p.compose("up", "-d").says("Network shop_default Created", "Volume shop_data Created", "Container shop-db-1 Started", "Container shop-web-1 Started")
	first := p.ps()
	web := first["shop-web-1"]
	if len(first) != 2 || web.State != "running" || web.Service != "web" || web.Project != "shop" || web.Image != "busybox" {
		t.Fatalf("ps: %+v", first)
	}
	t.Run("labels", func(t *testing.T) {
		var labels map[string]string
		if err := json.Unmarshal([]byte(p.do("inspect", "-f", "{{json .Config.Labels}}", "shop-web-1").ok().Out), &labels); err != nil {
			t.Fatal(err)
		}
		for k, want := range map[string]string{
			"project": "shop", "service": "web", "oneoff": "False", "container-number": "1", "depends_on": "db:service_started:false",
			"project.working_dir": p.dir, "project.config_files": p.dir + "/compose.yaml",
			"config-hash": strings.Fields(p.compose("config", "--hash", "web").Out)[1],
			"image":       p.do("inspect", "-f", "{{.Image}}", "shop-web-1").ok().Text(),
		} {
			if got := labels["com.docker.compose."+k]; got != want {
				t.Errorf("%s: %q, want %q", k, got, want)
			}
		}
		for _, q := range []string{"volume", "network"} {
			name := map[string]string{"volume": "shop_data", "network": "shop_default"}[q]
			p.do(q, "inspect", "-f", "{{json .Labels}}", name).ok().says(`"com.docker.compose.project":"shop"`, `"com.docker.compose.`+q+`":"`)
		}
	})
	t.Run("second", func(t *testing.T) {
		p.compose("up", "-d").says("Container shop-db-1 Running", "Container shop-web-1 Running").silent("Creat", "Start", "Recreate")
	})
	t.Run("names", func(t *testing.T) {
		p.compose("exec", "-T", "web", "sh", "-c", "nslookup db && nslookup shop-db-1 && echo on $(hostname)").says("on ")
		p.do("exec", "shop-db-1", "sh", "-c", "echo kept > /data/file; echo scratch > /scratch/file").ok()
		p.compose("exec", "-T", "web", "wget", "-qO-", "http://db:8000/file").says("kept")
	})
	t.Run("logs", func(t *testing.T) {
		testutil.Eventually(t, "web has said something", func() bool { return strings.Contains(p.compose("logs").Out, "web-1  | hello from web\n") })
		p.compose("logs", "--no-log-prefix", "--tail", "1", "web").says("hello from web").silent("web-1")
		p.fails(1, "no such service: nobody", "logs", "nobody")
	})
	t.Run("change", func(t *testing.T) {
		p.change("GREETING: hello", "GREETING: bye")
		p.compose("up", "-d").says("Container shop-web-1 Recreate", "Container shop-db-1 Running").silent("shop-db-1 Recreate")
		now := p.ps()
		if now["shop-db-1"].ID != first["shop-db-1"].ID || now["shop-web-1"].ID == web.ID || len(now) != 2 {
			t.Errorf("after a change of web: %+v", now)
		}
		testutil.Eventually(t, "the new one speaks", func() bool { return strings.Contains(p.compose("logs", "web").Out, "bye from web") })
	})
	t.Run("carried over", func(t *testing.T) {
		p.compose("up", "-d", "--force-recreate", "db")
		p.compose("exec", "-T", "db", "cat", "/data/file", "/scratch/file").says("kept", "scratch")
		p.compose("up", "-d", "--force-recreate", "-V", "db")
		p.compose("exec", "-T", "db", "sh", "-c", "cat /data/file; ls /scratch").says("kept").silent("file")
	})
	t.Run("scale", func(t *testing.T) {
		p.compose("up", "-d", "--scale", "web=3").says("Container shop-web-3 Started")
		p.compose("up", "-d", "--scale", "web=2").says("Container shop-web-3 Removed").silent("shop-web-2 Remov")
		p.compose("exec", "-T", "--index", "2", "web", "true")
		p.fails(1, `service "web" is not running container #3`, "exec", "-T", "--index", "3", "web", "true")
		p.compose("up", "-d")
		if got := p.compose("ps", "--services").Text(); got != "db\nweb" {
			t.Errorf("services: %q", got)
		}
	})
	t.Run("stop and start", func(t *testing.T) { p.stopAndStart() })
	t.Run("run", func(t *testing.T) { p.runs() })
	t.Run("list", func(t *testing.T) {
		var list []struct{ Name, Status, ConfigFiles string }
		if err := json.Unmarshal([]byte(p.compose("ls", "--format", "json").Out), &list); err != nil || len(list) != 1 ||
			list[0].Name != "shop" || list[0].Status != "running(2)" || list[0].ConfigFiles != p.dir+"/compose.yaml" {
			t.Errorf("ls: %+v, %v", list, err)
		}
		p.compose("ls").says("NAME", "CONFIG FILES", "running(2)")
		p.compose("ps").says("NAME", "IMAGE", "COMMAND", "SERVICE", "CREATED", "STATUS", "PORTS", "shop-web-1")
	})
	t.Run("down", func(t *testing.T) {
		p.compose("down").says("Container shop-web-1 Removed", "Network shop_default Removed").silent("Volume")
		p.do("volume", "inspect", "shop_data").ok()
		p.compose("down", "-v").says("Volume shop_data Removed")
		p.compose("down").says("No resource found to remove for project")
		if left := p.do("ps", "-aq").ok().Text() + p.do("network", "ls", "-q", "-f", "label=com.docker.compose.project").ok().Text(); left != "" {
			t.Errorf("left behind: %s", left)
		}
	})
}

func (p *project) stopAndStart() {
	t := p.t
	p.compose("stop", "web").says("Container shop-web-1 Stopped").silent("db")
	if now := p.ps(); now["shop-web-1"].State != "exited" || now["shop-db-1"].State != "running" {
		t.Errorf("after stop web: %+v", now)
	}
	p.compose("start", "web").says("Container shop-web-1 Started")
	before := p.do("inspect", "-f", "{{.State.StartedAt}}", "shop-web-1").ok().Text()
	p.compose("restart", "web")
	if after := p.do("inspect", "-f", "{{.State.StartedAt}}", "shop-web-1").ok().Text(); after == before {
		t.Error("restart has not started it again")
	}
	p.compose("kill", "web").says("Container shop-web-1 Killed")
	p.compose("rm", "-f").says("Container shop-web-1 Removed")
	p.compose("rm", "-f").says("No stopped containers")
	p.compose("create").says("Container shop-web-1 Created").silent("Started")
	if now := p.ps()["shop-web-1"]; now.State != "created" {
		t.Errorf("after create: %+v", now)
	}
	p.compose("up", "-d")
}

func (p *project) runs() {
	t := p.t
	if got := p.compose("run", "--rm", "-T", "-e", "MORE=much", "-v", p.dir+":/here:ro", "web", "sh", "-c", "echo $GREETING $MORE; ls /here").Out; got != "bye much\ncompose.yaml\n" {
		t.Errorf("run: %q", got)
	}
	p.fails(7, "", "run", "--rm", "-T", "--no-deps", "web", "sh", "-c", "exit 7")
	name := p.compose("run", "-d", "web", "sleep", "600").Text()
	if !strings.HasPrefix(name, "shop-web-run-") {
		t.Errorf("run -d: %q", name)
	}
	if r := p.ps()[name]; r.State != "running" || r.Service != "web" {
		t.Errorf("ps -a has %+v", r)
	}
	p.compose("up", "-d").silent(name) // it is none of the service's own
	p.do("rm", "-f", name).ok()
	in := p.command("compose", "run", "--rm", "-T", "web", "cat")
	in.Stdin = strings.NewReader("through\n")
	if r := testutil.Finish(in); r.Out != "through\n" || r.Code != 0 {
		t.Errorf("run with input: %+v", r)
	}
}

// TestOrphans: containers of a service that is in the file no more are named, and go
// when they are to.
func TestOrphans(t *testing.T) {
	p := newProject(t, "services: {a: {image: busybox, command: sleep 600}, b: {image: busybox, command: sleep 600}}\n")
	p.compose("up", "-d")
	p.file("compose.yaml", "services: {a: {image: busybox, command: sleep 600}}\n")
	p.compose("up", "-d").says("Found orphan containers ([shop-b-1]) for this project")
	p.env = append(p.env, "COMPOSE_IGNORE_ORPHANS=1")
	p.compose("up", "-d").silent("orphan")
	p.compose("up", "-d", "--remove-orphans").says("Container shop-b-1 Removed")
	if now := p.ps(); len(now) != 1 {
		t.Errorf("left: %+v", now)
	}
}

// TestOtherDirectory: a project is found by its name alone, where no file is.
func TestOtherDirectory(t *testing.T) {
	p := newProject(t, "services: {a: {image: busybox, command: sleep 600, stop_grace_period: 0s}}\n")
	p.compose("up", "-d")
	if err := os.Rename(p.dir+"/compose.yaml", p.dir+"/other.yaml"); err != nil {
		t.Fatal(err)
	}
	p.fails(1, "no configuration file provided: not found", "ps")
	p.compose("-p", "shop", "ps").says("shop-a-1")
	p.compose("-f", "other.yaml", "ps").says("shop-a-1")
	p.compose("-p", "shop", "stop").says("Container shop-a-1 Stopped")
	p.compose("-p", "shop", "down").says("Container shop-a-1 Removed", "Network shop_default Removed")
	p.compose("-p", "other", "-f", "other.yaml", "up", "-d").says("Container other-a-1 Started")
	p.compose("-p", "other", "down", "-t", "0")
	if err := os.Rename(p.dir+"/other.yaml", p.dir+"/compose.yaml"); err != nil {
		t.Fatal(err)
	}
}

// TestDryRun says what would be done, and does nothing.
func TestDryRun(t *testing.T) {
	p := newProject(t, "services: {a: {image: busybox, command: sleep 600, stop_grace_period: 0s}, b: {image: not/here}}\n")
	p.compose("--dry-run", "up").says("DRY-RUN MODE - create network shop_default\n", "DRY-RUN MODE - create shop-a-1 after shop_default\n", "create shop-b-1", "start shop-a-1\n", "start shop-b-1\n")
	if left := p.do("ps", "-aq").ok().Text() + p.do("network", "ls", "-q", "-f", "label=com.docker.compose.project").ok().Text(); left != "" {
		t.Errorf("it has made %s", left)
	}
	p.fails(1, "--dry-run is not supported by down", "--dry-run", "down")
	p.fails(1, "--dry-run is not supported by down", "down", "--dry-run")
	p.compose("create", "--dry-run").says("create shop-b-1").silent("start shop-a-1")
	p.file("compose.yaml", "services: {a: {image: busybox, command: sleep 600, stop_grace_period: 0s}}\n")
	p.compose("up", "-d")
	p.change("sleep 600", "sleep 601")
	p.compose("--dry-run", "up", "--build").says("DRY-RUN MODE - recreate shop-a-1 (configuration changed)\n", "DRY-RUN MODE - start shop-a-1\n")
}

// TestTakenName: a container is not given up for one whose name is somebody else's.
func TestTakenName(t *testing.T) {
	p := newProject(t, "services: {a: {image: busybox, command: sleep 600, stop_grace_period: 0s}}\n")
	p.compose("up", "-d")
	id := p.ps()["shop-a-1"].ID
	p.do("create", "--name", "other", "busybox", "true").ok()
	p.change("image: busybox", "image: busybox, container_name: other")
	p.fails(1, `The container name "/other" is already in use`, "up", "-d")
	if now := p.ps()["shop-a-1"]; now.ID != id || now.State != "running" {
		t.Errorf("the old one: %+v", now)
	}
	p.do("rm", "other").ok()
	p.compose("up", "-d").says("Container other Started")
}

// TestUpTimeout: up waits for what it replaces or takes away as long as it is told to.
func TestUpTimeout(t *testing.T) {
	p := newProject(t, "services: {a: {image: busybox, command: sleep 600, stop_grace_period: 1h}}\n")
	p.compose("up", "-d", "--scale", "a=2")
	p.compose("up", "-d", "--force-recreate", "-t", "0").says("Container shop-a-1 Recreated", "Container shop-a-2 Removed")
}
