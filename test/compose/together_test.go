// SPDX-License-Identifier: Apache-2.0

package compose

import (
	"strings"
	"sync"
	"testing"
)

// together runs commands of a project at the same moment.
func (p *project) together(lines ...string) []answer {
	answers := make([]answer, len(lines))
	var all sync.WaitGroup
	for i, line := range lines {
		all.Go(func() { answers[i] = p.do(append([]string{"compose"}, strings.Fields(line)...)...) })
	}
	all.Wait()
	return answers
}

// TestTwoAtOnce: commands of one project at the same moment all succeed, and leave what
// one after the other would.
func TestTwoAtOnce(t *testing.T) {
	p := newProject(t, `
services:
  web: {image: busybox, command: sleep 600, depends_on: [db], networks: [front, default], scale: 2, stop_grace_period: 0s}
  db: {image: busybox, command: sleep 600, volumes: ["data:/data"], stop_grace_period: 0s}
  late: {image: busybox, command: sleep 600, depends_on: {well: {condition: service_healthy}}, stop_grace_period: 0s}
  well: {image: busybox, command: sleep 600, healthcheck: {test: "true", interval: 100ms}, stop_grace_period: 0s}
networks: {front: {}}
volumes: {data: {}}
`)
	check := func(what string, answers []answer) {
		t.Helper()
		for i, a := range answers {
			if a.Code != 0 {
				t.Errorf("%s: command %d: %d\n%s", what, i, a.Code, a.All())
			}
		}
	}
	all := "shop-db-1 shop-late-1 shop-web-1 shop-web-2 shop-well-1"
	running := func() string {
		return strings.Join(strings.Fields(p.compose("ps", "--format", "{{.Name}}", "--status", "running").Out), " ")
	}
	check("three times up", p.together("up -d", "up -d", "up -d"))
	if got := running(); got != all {
		t.Errorf("there is %s", got)
	}
	p.change("command: sleep 600, depends_on: [db]", "command: sleep 700, depends_on: [db]")
	check("what has changed", p.together("up -d", "up -d"))
	if got := running(); got != all {
		t.Errorf("there is %s", got)
	}
	// Whichever comes first: what there is is whole, or it is nothing.
	p.change("{condition: service_healthy}", "{condition: service_started}")
	for range 2 {
		check("up beside down", p.together("up -d", "down -t 0"))
		if got := running(); got != "" && got != all {
			t.Errorf("there is %s", got)
		}
	}
	check("down, twice", p.together("down -t 0 -v", "down -t 0 -v"))
}

// TestBeforeTheStart: what a service has done before its containers start, what of that
// fails, and that what runs is left alone.
func TestBeforeTheStart(t *testing.T) {
	p := newProject(t, `
services:
  web:
    image: busybox
    command: sh -c "cat /data/log; exec sleep 600"
    volumes: ["data:/data"]
    environment: [WHO=web]
    scale: 2
    stop_grace_period: 0s
    pre_start:
      - command: sh -c "echo first $$WHO >> /data/log"
      - {command: [sh, -c, "echo second $$WHO $$(id -u) >> /data/log"], user: "7", environment: [WHO=hook]}
  next: {image: busybox, command: sleep 600, depends_on: [web], stop_grace_period: 0s}
volumes: {data: {}}
`)
	p.change(`      - {command: [sh`, `      - {command: [chmod, "666", /data/log]}
      - {command: [sh`)
	p.compose("up", "-d")
	log := func() string { return p.compose("exec", "-T", "web", "cat", "/data/log").Out }
	if got, want := log(), "first web\nsecond hook 7\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if n := len(strings.Fields(p.do("ps", "-aq").Out)); n != 3 {
		t.Errorf("%d containers, want 3", n)
	}
	p.compose("up", "-d")
	if got := log(); strings.Count(got, "first") != 1 {
		t.Errorf("again, where all runs: %q", got)
	}
	p.compose("restart", "-t", "0", "web")
	if got := log(); strings.Count(got, "first") != 2 {
		t.Errorf("after a restart: %q", got)
	}
	p.compose("down", "-t", "0")
	p.change(`[chmod, "666", /data/log]`, "[sh, -c, 'echo no; exit 3']")
	p.fails(1, `service "web" pre_start[1] exited with code 3 (hook container shop-web-pre_start-1 retained for inspection)`, "up", "-d")
	if got := p.compose("ps", "--format", "{{.Name}}").Text(); got != "" {
		t.Errorf("there runs %s", got)
	}
	if got := p.do("logs", "shop-web-pre_start-1").ok().Text(); got != "no" {
		t.Errorf("its log: %q", got)
	}
	p.change("[sh, -c, 'echo no; exit 3']", `["true"]`)
	p.compose("up", "-d")
	if n := len(strings.Fields(p.do("ps", "-aq").Out)); n != 3 {
		t.Errorf("%d containers, want 3", n)
	}
}
