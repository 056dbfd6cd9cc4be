// SPDX-License-Identifier: Apache-2.0

package api

import (
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"coracle/internal/testutil"
)

const composeFile = `services:
  web:
    build:
      context: ./web
      args: {WHO: me}
    command: ["httpd", "-f", "-p", "80", "-h", "/www"]
    ports: ["127.0.0.1:%s:80"]
    depends_on: [db]
    volumes: ["data:/data"]
  db:
    image: busybox
    command: nc -ll -p 5432 -e echo hello
    networks:
      default:
        aliases: [database]
volumes:
  data: {}
networks:
  default:
    ipam:
      config: [{subnet: 10.92.7.0/24}]
`

// TestCompose is a project's life with Docker's compose of today and with the one of
// Debian 12, which is a client of docker-py.
func TestCompose(t *testing.T) {
	t.Run("5", func(t *testing.T) { composeLife(t, client(t, "compose")) })
	t.Run("1.29", func(t *testing.T) {
		program, err := exec.LookPath("docker-compose")
		if err != nil {
			t.Skip("docker-compose is not installed")
		}
		composeLife(t, program)
	})
}

// TestComposeUpEnds: who looks at a container when its end is told finds it ended, and
// up in the foreground ends with the last one.
func TestComposeUpEnds(t *testing.T) {
	compose := client(t, "compose")
	u := newUser(t)
	u.busybox()
	u.write(testutil.File{Name: "app/compose.yaml", Text: `services:
  one: {image: busybox, command: "sh -c 'echo hello; exit 3'"}
  two: {image: busybox, command: "sh -c 'trap \"exit 0\" TERM; while :; do sleep 0.1; done'"}
`})
	file := filepath.Join(u.home, "app/compose.yaml")
	for range 2 {
		r := u.with("timeout", "60", compose, "-f", file, "up", "--abort-on-container-exit", "--exit-code-from", "one")
		if r.Code != 3 || !strings.Contains(r.Out, "hello") {
			t.Fatalf("%+v", r)
		}
	}
	u.works(compose, "-f", file, "down", "-t", "1")
}

func composeLife(t *testing.T, compose string) {
	u := newUser(t)
	u.busybox()
	u.env = append(u.env, "COMPOSE_DOCKER_CLI_BUILD=0", "DOCKER_BUILDKIT=0")
	port := testutil.FreePort(t)
	head := ""
	if filepath.Base(compose) == "docker-compose" { // or it is of the first version of the format
		head = "version: \"3\"\n"
	}
	u.write(testutil.File{Name: "app/docker-compose.yml", Text: head + fmt.Sprintf(composeFile, port)},
		testutil.File{Name: "app/web/Dockerfile", Text: "FROM busybox\nARG WHO\nRUN mkdir /www && echo hi $WHO > /www/index.html\n"})
	run := func(args ...string) string {
		t.Helper()
		r := u.with(compose, append([]string{"-f", filepath.Join(u.home, "app/docker-compose.yml"), "-p", "app"}, args...)...)
		if r.Code != 0 {
			t.Fatalf("%v: %d\n%s", args, r.Code, r.All())
		}
		return r.All()
	}
	testutil.Contains(t, run("build"), "Successfully tagged app")
	run("up", "-d")
	testutil.Eventually(t, "the page is served", func() bool {
		resp, err := http.Get("http://127.0.0.1:" + port + "/")
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		return string(body) == "hi me\n"
	})
	testutil.Eventually(t, "one finds the other", func() bool { return strings.Contains(run("exec", "-T", "web", "nc", "database", "5432"), "hello") })
	before := u.ok("ps", "-q", "--no-trunc")
	run("up", "-d")
	if after := u.ok("ps", "-q", "--no-trunc"); after != before {
		t.Errorf("up again makes others: %s, then %s", before, after)
	}
	testutil.Contains(t, run("ps"), "web", "db")
	testutil.Contains(t, run("run", "--rm", "-T", "web", "cat", "/www/index.html"), "hi me")
	run("restart", "-t", "1", "web")
	testutil.Contains(t, run("top"), "httpd")
	run("stop", "-t", "1")
	run("start")
	run("kill", "db")
	run("down", "-v", "--rmi", "local", "-t", "1")
	if left := u.ok("ps", "-aq") + u.ok("volume", "ls", "-q") + u.ok("network", "ls", "-q", "--filter", "type=custom"); left != "" {
		t.Errorf("left behind: %s", left)
	}
}
