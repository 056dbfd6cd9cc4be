// SPDX-License-Identifier: Apache-2.0

package compose

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestHandingOver: a project, and containers that are there, are written for
// Kubernetes, which would take them; what is lost is said and stands in the file.
func TestHandingOver(t *testing.T) {
	p := newProject(t, `
services:
  web:
    image: busybox
    command: sh -c 'echo $$(hostname); exec sleep 600'
    ports: ["80"]
    env_file: web.env
    environment: {COUNTRY: "no"}
    volumes: ["data:/data", "./site.conf:/etc/site.conf:ro"]
    secrets: [token]
    depends_on: {first: {condition: service_completed_successfully}}
    ulimits: {nofile: 100}
    stop_grace_period: 0s
  first: {image: busybox, command: "true"}
  later: {image: busybox, profiles: [later]}
volumes: {data: {}}
secrets: {token: {file: ./token.txt}}
`)
	p.file("web.env", "FROM=file\n")
	p.file("site.conf", "listen 80;\n")
	p.file("token.txt", "s3cret\n")
	named := `service "web": ulimits: not carried over: it is the node's matter`
	r := p.compose("convert", "--to", "kubernetes").says(named)
	for _, line := range []string{"kind: Deployment", "name: web-env", "FROM: file", "listen 80;", "s3cret", "initContainers:", `value: "no"`, "echo $$(hostname); exec sleep 600", "# " + named} {
		if !strings.Contains(r.Out, line) {
			t.Errorf("%q is not in:\n%s", line, r.Out)
		}
	}
	if strings.Contains(r.Out, "name: later") {
		t.Errorf("a service whose profile is off:\n%s", r.Out)
	}
	p.taken(r.Out)
	p.compose("convert", "--to", "kubernetes", "-o", "out.yaml").says(named)
	if text, err := os.ReadFile(filepath.Join(p.dir, "out.yaml")); err != nil || string(text) != r.Out {
		t.Errorf("-o: %v, %s", err, text)
	}
	if out := p.compose("convert", "--to", "kubernetes", "-q").says(named).Out; out != "" {
		t.Errorf("-q: %s", out)
	}
	p.taken(p.compose("convert", "--to", "kubernetes", "later").silent("web").Out)
	p.compose("convert").says("services:", "condition: service_completed_successfully")
	p.fails(1, "--to swarm: there is kubernetes", "convert", "--to", "swarm")
	p.fails(1, "--hash is not supported with --to", "convert", "--to", "kubernetes", "--hash", "web")
	p.fails(1, "no such service: nosuch", "convert", "--to", "kubernetes", "nosuch")

	p.compose("up", "-d")
	p.do("run", "-d", "--name", "beside", "--network", "container:shop-web-1", "busybox", "sleep", "600").ok()
	defer p.do("rm", "-f", "beside")
	r = p.do("kube", "generate", "-s", "shop-web-1", "beside").ok().says(`container "shop-web-1": ulimits: not carried over`)
	for _, line := range []string{"kind: Pod", "kind: Service", "type: NodePort", "name: shop-web-1", "name: beside", "claimName: shop-data", "listen 80;"} {
		if !strings.Contains(r.Out, line) {
			t.Errorf("%q is not in:\n%s", line, r.Out)
		}
	}
	p.taken(r.Out)
	p.taken(p.do("kube", "generate", "-t", "deployment", "-r", "3", "beside").ok().Out)
	if r := p.do("kube", "play", "pod.yaml"); r.Code != 125 || !strings.Contains(r.All(), "'coracle kube play' is not supported") {
		t.Errorf("what is not there: %d, %s", r.Code, r.All())
	}
	p.do("kube", "generate", "-f", "pod.yaml", "beside").ok()
	if again := p.do("kube", "generate", "-f", "pod.yaml", "beside"); again.Code == 0 || !strings.Contains(again.All(), `cannot write to "pod.yaml": file already exists`) {
		t.Errorf("a file that is there: %s", again.All())
	}
}

// taken asks Kubernetes' schema and rules, where the program is that has them.
func (p *project) taken(text string) {
	p.t.Helper()
	dir := os.Getenv("CORACLE_CLIENTS")
	if dir == "" {
		dir = filepath.Join(os.Getenv("CORACLE_FIXTURES"), "clients")
	}
	program := filepath.Join(dir, "kubernetes")
	if _, err := os.Stat(program); err != nil {
		p.t.Log("not compared with Kubernetes' schema: hack/clients.sh makes the program that has it")
		return
	}
	p.file("taken.yaml", text)
	if out, err := exec.CommandContext(p.t.Context(), program, filepath.Join(p.dir, "taken.yaml")).CombinedOutput(); err != nil {
		p.t.Errorf("%v: %s\n%s", err, out, text)
	}
}
