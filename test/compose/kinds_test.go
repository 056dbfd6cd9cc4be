// SPDX-License-Identifier: Apache-2.0

package compose

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"coracle/internal/testutil/projects"
)

// notHere need something that this machine, or a user, may not have: devices, the
// host's network, limits, another machine's programs.
var notHere = []string{
	"blkio", "gpu-training", "gpu-short", "home-assistant", "prometheus", "platform", "host-modes", "limits", "cpu", "elk", "spring", "wireguard", "umask-and-oom",
	"external", "ipv6", "volumes-long",
}

// TestKinds brings projects up as people have them, with busybox in place of their
// images, twice: the second time there is nothing to do. When they are down nothing
// is left.
func TestKinds(t *testing.T) {
	p := newProject(t, "services: {a: {image: busybox}}\n")
	p.env = append(p.env, "GITLAB_HOME=./gitlab")
	if err := mkdir(p.dir + "/media"); err != nil {
		t.Fatal(err)
	}
	projects.Unpack(t, p.dir)
	ran := 0
	for _, name := range projects.Names() {
		if slices.Contains(notHere, name) {
			continue
		}
		ran++
		t.Run(name, func(t *testing.T) {
			one := *p
			one.t = t
			one.bringUp(name)
		})
	}
	if ran < 25 {
		t.Errorf("only %d projects", ran)
	}
}

// model is what is needed to know of a project.
type model struct {
	Services map[string]struct {
		Healthcheck *struct{ Disable bool }
		DependsOn   map[string]struct{ Condition string } `json:"depends_on"`
	}
}

func (p *project) bringUp(name string) {
	t := p.t
	file := name + ".yaml"
	var m model
	if err := json.Unmarshal([]byte(p.compose("-f", file, "--profile", "*", "config", "--format", "json").Out), &m); err != nil {
		t.Fatal(err)
	}
	p.file("override.yaml", stand(m))
	// Both come after what was asked for; what they do not have is without effect.
	run := func(args ...string) answer {
		return p.compose(append([]string{"-p", "kind", "-f", file, "-f", "override.yaml"}, args...)...)
	}
	defer func() {
		run("down", "-v", "-t", "0", "--remove-orphans")
		for _, list := range [][]string{{"ps", "-aq"}, {"network", "ls", "-q", "-f", "label=com.docker.compose.project=kind"}, {"volume", "ls", "-q", "-f", "label=com.docker.compose.project=kind"}} {
			if left := p.do(list...).ok().Text(); left != "" {
				t.Errorf("%v: %s", list, left)
			}
		}
	}()
	run("up", "-d", "--wait").says("Started")
	before := run("ps", "-aq").Text()
	run("up", "-d").silent("Recreate", "Creat", "Remov")
	if after := run("ps", "-aq").Text(); after != before {
		t.Errorf("the second up has made others: %s, %s", before, after)
	}
}

// stand is a file that has busybox stand in for the images of a project.
func stand(m model) string {
	ends := map[string]bool{}
	for _, s := range m.Services {
		for on, d := range s.DependsOn {
			ends[on] = ends[on] || d.Condition == "service_completed_successfully"
		}
	}
	var b strings.Builder
	b.WriteString("services:\n")
	for name, s := range m.Services {
		command := `[sleep, "600"]`
		if ends[name] {
			command = `["true"]`
		}
		fmt.Fprintf(&b, "  %s:\n    image: busybox\n    command: !override %s\n    stop_grace_period: 0s\n    pull_policy: missing\n", name, command)
		for _, key := range []string{"entrypoint", "build", "ports", "user", "group_add", "platform", "restart", "post_start", "pre_stop", "container_name", "runtime", "working_dir"} {
			fmt.Fprintf(&b, "    %s: !reset null\n", key)
		}
		if s.Healthcheck != nil && !s.Healthcheck.Disable {
			b.WriteString("    healthcheck: !override {test: \"true\", interval: 100ms, timeout: 10s, retries: 100}\n")
		}
	}
	return b.String()
}
