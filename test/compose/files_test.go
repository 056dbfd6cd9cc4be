// SPDX-License-Identifier: Apache-2.0

package compose

import (
	"net"
	"strings"
	"testing"

	"coracle/internal/testutil"
)

// TestSecretsAndConfigs: files, variables and texts are where they are to be, and
// belong to whom they are to belong.
func TestSecretsAndConfigs(t *testing.T) {
	p := newProject(t, `
services:
  a:
    image: busybox
    command: sleep 600
    stop_grace_period: 0s
    secrets: [file, {source: variable, target: renamed, uid: "12", gid: "34", mode: 0440}, {source: file, target: /etc/copy, mode: 0400}]
    configs: [text, {source: text, target: /etc/deep/er/app.ini, mode: 0640}]
secrets: {file: {file: ./token.txt}, variable: {environment: TOKEN}}
configs: {text: {content: "greeting = ${GREETING:-hello}\n"}}
`)
	p.file("token.txt", "of a file\n")
	p.fails(1, `environment variable "TOKEN" required by secret "variable" is not set`, "up", "-d")
	p.env = append(p.env, "TOKEN=of a variable")
	p.compose("up", "-d")
	got := p.compose("exec", "-T", "a", "sh", "-c",
		`cat /run/secrets/file /run/secrets/renamed; echo; cat /etc/copy /text /etc/deep/er/app.ini; stat -c '%u %g %a %n' /run/secrets/renamed /etc/copy /text /etc/deep/er/app.ini /etc /run`).Out
	testutil.Contains(t, got, "of a file\nof a variable\nof a file\ngreeting = hello\ngreeting = hello\n", "12 34 440 /run/secrets/renamed", "0 0 400 /etc/copy", "0 0 444 /text", "0 0 640 /etc/deep/er/app.ini")
	p.compose("up", "-d").says("Container shop-a-1 Running")
	p.env = append(p.env, "GREETING=bye")
	p.compose("up", "-d").says("Container shop-a-1 Recreated")
	p.compose("exec", "-T", "a", "cat", "/text").says("greeting = bye")
	p.compose("exec", "-T", "a", "sh", "-c", "! echo x > /run/secrets/file")
}

// TestNetworks: who is on which, under which names, and what is internal.
func TestNetworks(t *testing.T) {
	p := newProject(t, `
services:
  front: {image: busybox, command: sleep 600, networks: [outer, inner], links: ["back:linked"], stop_grace_period: 0s}
  back: {image: busybox, command: httpd -f -p 80 -h /etc, networks: {inner: {aliases: [other], ipv4_address: 172.31.77.9}}, stop_grace_period: 0s}
  beside: {image: busybox, command: sleep 600, network_mode: "service:back", stop_grace_period: 0s}
networks:
  outer: {}
  inner: {internal: true, ipam: {config: [{subnet: 172.31.77.0/24}]}}
`)
	p.compose("up", "-d")
	for _, name := range []string{"back", "shop-back-1", "other", "linked", "172.31.77.9"} {
		p.compose("exec", "-T", "front", "wget", "-qO", "/dev/null", "http://"+name+"/passwd")
	}
	p.compose("exec", "-T", "beside", "wget", "-qO", "/dev/null", "http://127.0.0.1/passwd")
	if got := p.do("network", "inspect", "-f", "{{.Internal}}", "shop_inner").ok().Text(); got != "true" {
		t.Errorf("internal: %s", got)
	}
	p.compose("up", "-d").silent("Recreate")
	p.change("internal: true, ", "")
	p.compose("up", "-d").says("Network shop_inner Removed", "Network shop_inner Created", "Container shop-beside-1 Recreated")
	p.compose("exec", "-T", "front", "wget", "-qO", "/dev/null", "http://other/passwd")
}

// TestNamespacesOfOthers: a service among the processes of another, with whose memory,
// is made after it, comes back with it and is replaced with it.
func TestNamespacesOfOthers(t *testing.T) {
	p := newProject(t, `
services:
  beside: {image: busybox, command: sleep 2002, pid: "service:main", ipc: "service:main", stop_grace_period: 0s}
  main: {image: busybox, command: sleep 2001, ipc: shareable, stop_grace_period: 0s}
  last: {image: busybox, command: sleep 2003, pid: "container:shop-main-1", depends_on: [main], stop_grace_period: 0s}
`)
	p.compose("up", "-d")
	check := func() {
		t.Helper()
		p.compose("exec", "-T", "main", "ps").says("sleep 2001", "sleep 2002", "sleep 2003")
		a, b := p.compose("exec", "-T", "main", "readlink", "/proc/self/ns/ipc").Text(), p.compose("exec", "-T", "beside", "readlink", "/proc/self/ns/ipc").Text()
		if a != b {
			t.Errorf("ipc namespaces %s and %s", a, b)
		}
	}
	check()
	if got := p.compose("top", "beside").Out; strings.Contains(got, "sleep 2001") || !strings.Contains(got, "sleep 2002") {
		t.Errorf("top: %s", got)
	}
	p.compose("up", "-d").silent("Recreate")
	p.change("last: {image: busybox, command: sleep 2003, pid: \"container:shop-main-1\", depends_on: [main], stop_grace_period: 0s}", "")
	p.compose("up", "-d", "--remove-orphans").says("Container shop-last-1 Removed")
	p.compose("restart", "-t", "0", "main")
	p.compose("exec", "-T", "main", "ps").says("sleep 2001", "sleep 2002")
	p.change("command: sleep 2001", "command: sleep 2004")
	p.compose("up", "-d").says("Container shop-main-1 Recreated", "Container shop-beside-1 Recreated")
	p.compose("exec", "-T", "beside", "ps").says("sleep 2004", "sleep 2002")
}

// TestPorts: published ports are reached, and a taken one is told of in the engine's
// words.
func TestPorts(t *testing.T) {
	port := testutil.FreePort(t)
	p := newProject(t, "services: {a: {image: busybox, command: httpd -f -p 80 -h /etc, ports: [\"127.0.0.1:"+port+":80\"], stop_grace_period: 0s}}\n")
	p.compose("up", "-d")
	testutil.Eventually(t, "somebody answers", func() bool {
		c, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	r := p.ps()["shop-a-1"]
	if r.Ports != "127.0.0.1:"+port+"->80/tcp" || len(r.Publishers) != 1 || r.Publishers[0].TargetPort != 80 || r.Publishers[0].URL != "127.0.0.1" {
		t.Errorf("ps: %+v", r)
	}
	p.compose("down")
	taken, err := net.Listen("tcp", "127.0.0.1:"+port)
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	p.fails(1, "Bind for 127.0.0.1:"+port+" failed: port is already allocated", "up", "-d")
}

// TestImages: what is missing is told of, what has a section is built, with the images
// of other services and with what the file has for a Dockerfile.
func TestImages(t *testing.T) {
	p := newProject(t, "services: {a: {image: localhost/not-here, pull_policy: never}}\n")
	p.fails(1, "localhost/not-here", "up", "-d")
	p.file("compose.yaml", `
services:
  app:
    build: {context: ., dockerfile_inline: "FROM base\nARG WHO\nRUN echo built for $$WHO > /who\n", additional_contexts: {base: "service:base"}, args: {WHO: you}}
    command: cat /who /base
  base: {build: ./base, image: shop/base, profiles: [build]}
`)
	if err := mkdir(p.dir + "/base"); err != nil {
		t.Fatal(err)
	}
	p.file("base/Dockerfile", "FROM busybox\nRUN echo the base > /base\n")
	p.env = append(p.env, "COMPOSE_PROFILES=build")
	p.compose("build").says("Image shop/base Built", "Image shop-app Built")
	p.env = append(p.env, "COMPOSE_PROFILES=")
	if got := p.compose("run", "--rm", "-T", "app").Out; got != "built for you\nthe base\n" {
		t.Errorf("run: %q", got)
	}
	p.compose("up", "-d").silent("Building")
	id := p.ps()["shop-app-1"].ID
	p.change("WHO: you", "WHO: me")
	p.compose("up", "-d").silent("Recreate")
	p.compose("up", "-d", "--build").says("Image shop-app Built", "Container shop-app-1 Recreated")
	if p.ps()["shop-app-1"].ID == id {
		t.Error("a newer image made no new container")
	}
	p.change("RUN echo built", "RUN false; exit 5; echo built")
	r := p.fails(1, "exit code: 5", "build")
	if strings.Contains(r.Err, "panic") {
		t.Error(r.Err)
	}
	p.change("RUN false; exit 5; echo built", "RUN echo built")
	p.do("create", "--name", "other", "shop/base", "true").ok()
	p.compose("--profile", "build", "down", "--rmi", "all").says("Image shop-app Removed", "Image shop/base Resource is still in use")
	p.do("rm", "other").ok()
	p.compose("up", "-d")
	p.compose("down", "--rmi", "local").says("Image shop-app Removed")
}
