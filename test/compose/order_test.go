// SPDX-License-Identifier: Apache-2.0

package compose

import (
	"strings"
	"testing"
	"time"

	"coracle/internal/testutil"
)

// started is when a container was started.
func (p *project) started(name string) time.Time {
	p.t.Helper()
	at, err := time.Parse(time.RFC3339Nano, p.do("inspect", "-f", "{{.State.StartedAt}}", name).ok().Text())
	if err != nil {
		p.t.Fatal(err)
	}
	return at
}

// TestConditions: a service starts when what it depends on is as it says.
func TestConditions(t *testing.T) {
	p := newProject(t, `
services:
  last:
    image: busybox
    command: sleep 600
    depends_on: {db: {condition: service_healthy}, migrate: {condition: service_completed_successfully}, gone: {condition: service_started, required: false}}
  migrate: {image: busybox, command: "sh -c 'cat /state/ready && echo migrated > /state/done'", volumes: ["state:/state"], depends_on: {db: {condition: service_healthy}}}
  db:
    image: busybox
    command: sh -c 'sleep 1; echo yes > /state/ready; exec sleep 600'
    volumes: ["state:/state"]
    healthcheck: {test: test -e /state/ready, interval: 100ms, timeout: 10s, retries: 600}
  gone: {image: busybox, profiles: [never]}
volumes: {state: {}}
`)
	p.compose("up", "-d", "-t", "0").says("Container shop-db-1 Waiting", "Container shop-db-1 Healthy", "Container shop-migrate-1 Exited", "Container shop-last-1 Started")
	if db, migrate, last := p.started("shop-db-1"), p.started("shop-migrate-1"), p.started("shop-last-1"); !db.Before(migrate) || !migrate.Before(last) {
		t.Errorf("started: db %v, migrate %v, last %v", db, migrate, last)
	}
	if r := p.ps()["shop-db-1"]; r.Health != "healthy" || !strings.Contains(r.Status, "(healthy)") {
		t.Errorf("ps: %+v", r)
	}
	p.compose("up", "-d", "--wait", "db", "last").says("Container shop-last-1 Healthy")
	order := p.compose("down", "-t", "0").Err
	if last, db := strings.Index(order, "shop-last-1 Removed"), strings.Index(order, "shop-db-1 Stopping"); last < 0 || db < last {
		t.Errorf("db stops before what depends on it:\n%s", order)
	}
}

// TestFailedDependencies: what does not become as it is to be ends up, and leaves what
// was started.
func TestFailedDependencies(t *testing.T) {
	p := newProject(t, `
services:
  a: {image: busybox, command: sleep 600, depends_on: {sick: {condition: service_healthy}}}
  sick: {image: busybox, command: sleep 600, healthcheck: {test: "false", interval: 100ms, retries: 1}, stop_grace_period: 0s}
`)
	p.fails(1, "dependency failed to start: container shop-sick-1 is unhealthy", "up", "-d")
	if now := p.ps(); now["shop-sick-1"].State != "running" || now["shop-a-1"].State != "created" {
		t.Errorf("after it failed: %+v", now)
	}
	p.change(`healthcheck: {test: "false", interval: 100ms, retries: 1}, `, "")
	p.fails(1, "dependency failed to start: container shop-sick-1 has no healthcheck configured", "up", "-d")
	p.file("compose.yaml", `
services:
  a: {image: busybox, command: sleep 600, depends_on: {once: {condition: service_completed_successfully}}}
  once: {image: busybox, command: sh -c 'exit 3'}
`)
	p.fails(1, `service "once" didn't complete successfully: exit 3`, "up", "-d", "--remove-orphans")
	p.change("service_completed_successfully", "service_completed_successfully, required: false")
	p.compose("up", "-d").says("failed to start: container shop-once-1 exited (3)", "Container shop-a-1 Started")
}

// TestWaitTimeout: who waits for what never comes waits as long as was said.
func TestWaitTimeout(t *testing.T) {
	p := newProject(t, `
services:
  a: {image: busybox, command: sleep 600, stop_grace_period: 0s, healthcheck: {test: "false", interval: 1h, start_period: 2h, start_interval: 1h}}
`)
	p.fails(1, "timeout waiting for services to be running|healthy", "up", "-d", "--wait", "--wait-timeout", "1")
}

// TestRestartWithDependency: a service that says so is started again with the one that
// it depends on.
func TestRestartWithDependency(t *testing.T) {
	p := newProject(t, `
services:
  a: {image: busybox, command: sleep 600, stop_grace_period: 0s, depends_on: {b: {condition: service_started, restart: true}}}
  b: {image: busybox, command: sleep 600, stop_grace_period: 0s, environment: {V: "1"}}
  c: {image: busybox, command: sleep 600, stop_grace_period: 0s, depends_on: [b]}
`)
	p.compose("up", "-d")
	a, c := p.started("shop-a-1"), p.started("shop-c-1")
	p.compose("restart", "b")
	if !p.started("shop-a-1").After(a) || !p.started("shop-c-1").Equal(c) {
		t.Error("restart b: a was not started again, or c was")
	}
	a = p.started("shop-a-1")
	id := p.ps()["shop-a-1"].ID
	p.change(`V: "1"`, `V: "2"`)
	p.compose("up", "-d").says("Container shop-b-1 Recreated", "Container shop-a-1 Stopped")
	if now := p.ps()["shop-a-1"]; !p.started("shop-a-1").After(a) || now.ID != id {
		t.Errorf("b was recreated: a was not started again, or made anew: %+v", now)
	}
}

// TestHooks run in the container: after its start, and before it is stopped.
func TestHooks(t *testing.T) {
	p := newProject(t, `
services:
  a:
    image: busybox
    command: sleep 600
    volumes: ["vol:/v"]
    stop_grace_period: 0s
    post_start: [{command: "sh -c 'echo $$WHO > /v/after'", environment: {WHO: me}}]
    pre_stop: [{command: "sh -c 'echo stops > /v/before'"}]
volumes: {vol: {}}
`)
	p.compose("up", "-d")
	p.compose("exec", "-T", "a", "cat", "/v/after").says("me")
	p.compose("stop")
	p.do("run", "--rm", "-v", "shop_vol:/v", "busybox", "cat", "/v/before").ok().says("stops")
	p.change("echo $$WHO > /v/after", "echo no good; exit 4")
	p.fails(1, "shop-a-1 hook exited with status 4: no good", "up", "-d")
}

// TestLogsFollow goes on until no container is left: those that start meanwhile are
// shown, too, and those that start again from where they ended.
func TestLogsFollow(t *testing.T) {
	p := newProject(t, `
services:
  a: {image: busybox, command: "sh -c 'echo one; while ! test -e /go; do sleep 0.1; done; echo two'"}
  longer: {image: busybox, command: "sh -c 'echo hello; sleep 600'", stop_grace_period: 0s, profiles: [more]}
`)
	p.compose("up", "-d")
	u := p.begin("--profile", "more", "logs", "-f")
	u.hears("a-1  | one\n")
	p.compose("--profile", "more", "up", "-d")
	u.hears("longer-1  | hello\n")
	p.compose("exec", "-T", "a", "touch", "/go")
	u.hears("a-1       | two\na-1 exited with code 0\n")
	p.compose("exec", "-T", "longer", "true")
	p.compose("--profile", "more", "restart", "longer")
	testutil.Eventually(t, "it is followed again", func() bool { return strings.Count(u.said.String(), "longer-1  | hello\n") == 2 })
	p.compose("--profile", "more", "stop")
	u.ends(0)
	if got := strings.Count(u.said.String(), "| two"); got != 1 {
		t.Errorf("two stands there %d times:\n%s", got, u.said)
	}
}

// TestLogsFollowRestarts says when a container goes on by its restart policy.
func TestLogsFollowRestarts(t *testing.T) {
	p := newProject(t, `
services:
  a: {image: busybox, command: "sh -c 'echo run >>/runs; wc -l </runs; sleep 1; exit 3'", restart: "on-failure:1"}
`)
	p.compose("create")
	u := p.begin("up")
	u.ends(0)
	testutil.Contains(t, u.said.String(), "a-1  | 1\n", "a-1 exited with code 3 (restarting)\n", "a-1  | 2\n", "a-1 exited with code 3\n")
}
