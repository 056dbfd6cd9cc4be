// SPDX-License-Identifier: Apache-2.0

package compose

import (
	"os"
	"path/filepath"
	"testing"
)

// theirs is docker compose's own program.
func theirs(t *testing.T) string {
	dir := os.Getenv("CORACLE_CLIENTS")
	if dir == "" {
		dir = filepath.Join(os.Getenv("CORACLE_FIXTURES"), "clients")
	}
	program := filepath.Join(dir, "compose")
	if _, err := os.Stat(program); err != nil {
		t.Skip("there is no client compose: hack/clients.sh makes it, and says what it lacks")
	}
	return program
}

// TestSameThroughTheOtherDoor: docker compose's own program over Docker's API finds
// nothing to do where this one has made everything, and the other way round.
func TestSameThroughTheOtherDoor(t *testing.T) {
	program := theirs(t)
	p := newProject(t, `
services:
  web: {image: busybox, command: sleep 600, depends_on: {db: {condition: service_healthy}}, environment: [A=b], ports: ["80"], networks: [front, default], scale: 2, stop_grace_period: 0s}
  db: {image: busybox, command: sleep 600, healthcheck: {test: "true", interval: 100ms}, volumes: ["data:/data", /own, {type: tmpfs, target: /tmp}], stop_grace_period: 0s}
  side: {image: busybox, command: sleep 600, network_mode: "service:db", stop_grace_period: 0s}
networks: {front: {internal: true}}
volumes: {data: {labels: {a: b}}}
`)
	theirs := func(args ...string) answer { return p.do(append([]string{"api", program}, args...)...).ok() }
	p.compose("up", "-d")
	before := p.compose("ps", "-q").Text()
	theirs("up", "-d").silent("Recreate", "Creat", "Start", "Stop")
	if got := p.compose("ps", "-q").Text(); got != before {
		t.Errorf("theirs has made others: %s, %s", before, got)
	}
	theirs("ps", "--services").says("db", "side", "web")
	theirs("down", "-v").says("Volume shop_data Removed")
	theirs("up", "-d")
	before = p.compose("ps", "-q").Text()
	p.compose("up", "-d").silent("Recreate", "Creat", "Start", "Stop", "Remov")
	if got := p.compose("ps", "-q").Text(); got != before {
		t.Errorf("ours has made others: %s, %s", before, got)
	}
	p.compose("down", "-v").says("Volume shop_data Removed")
	if left := p.do("ps", "-aq").ok().Text(); left != "" {
		t.Errorf("left: %s", left)
	}
}
