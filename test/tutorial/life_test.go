// SPDX-License-Identifier: Apache-2.0

package tutorial

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"coracle/internal/testutil"
)

// freezer reports whether containers of this user have a cgroup.
func (u *user) freezer() bool {
	return strings.TrimSpace(u.ok("info", "-f", "{{.CgroupDriver}}")) != "none"
}

// TestHealth follows a container that is not well, gets well, and is restarted.
func TestHealth(t *testing.T) {
	u := newUser(t)
	u.image("busybox.tar", "busybox")
	u.ok("run", "-d", "--name", "sick", "--network", "none", "--health-cmd", "echo looked; test -f /well", "--health-interval", "100ms",
		"--health-retries", "2", "busybox", "sleep", "1000")
	testutil.Contains(t, u.ok("ps"), "(health: starting)")
	status := func(want string) func() bool {
		return func() bool {
			return strings.TrimSpace(u.ok("inspect", "-f", "{{.State.Health.Status}}", "sick")) == want
		}
	}
	testutil.Eventually(t, "the container is unhealthy", status("unhealthy"))
	testutil.Contains(t, u.ok("ps"), "(unhealthy)")
	testutil.Contains(t, u.ok("inspect", "-f", "{{json .State.Health}}", "sick"), `"ExitCode":1`, `looked`)
	u.ok("exec", "sick", "touch", "/well")
	testutil.Eventually(t, "the container is healthy", status("healthy"))
	testutil.Contains(t, u.ok("ps", "--filter", "health=healthy", "--format", "{{.Names}}"), "sick")
	u.ok("restart", "-t", "0", "sick")
	testutil.Eventually(t, "the container is healthy again", status("healthy"))
	actions := u.ok("events", "--since", "10m", "--until", "0s", "--filter", "container=sick", "--format", "{{.Action}}")
	testutil.Contains(t, actions+"\n", "create\nstart\nhealth_status: unhealthy\n", "exec_start: touch /well\n", "health_status: healthy\n", "kill\n", "die\n", "restart\n")
	u.ok("rm", "-f", "sick")
	u.fails(125, []string{"--no-healthcheck conflicts with --health-* options"}, "run", "--no-healthcheck", "--health-cmd", "true", "busybox", "true")
	u.fails(125, []string{"--health-interval cannot be negative"}, "run", "--health-interval", "-1s", "--health-cmd", "true", "busybox", "true")
}

// TestHealthTimeout checks that a check which hangs is ended, with all that it
// has started.
func TestHealthTimeout(t *testing.T) {
	u := newUser(t)
	u.image("busybox.tar", "busybox")
	u.ok("run", "-d", "--name", "slow", "--network", "none", "--health-cmd", "sleep 98765 & sleep 98765", "--health-interval", "50ms",
		"--health-timeout", "100ms", "--health-retries", "1", "busybox", "sleep", "1000")
	testutil.Eventually(t, "the check has timed out", func() bool {
		return strings.Contains(u.ok("inspect", "-f", "{{json .State.Health}}", "slow"), "Health check exceeded timeout (100ms)")
	})
	// At most the check of now is there; those of the rounds before would be many.
	testutil.Eventually(t, "five checks have failed", func() bool {
		n, err := strconv.Atoi(u.ok("inspect", "-f", "{{.State.Health.FailingStreak}}", "slow"))
		return err == nil && n >= 5
	})
	if n := strings.Count(u.ok("top", "slow"), "98765"); n > 4 {
		t.Errorf("%d processes of checks are left", n)
	}
}

// TestEvents reads events as they come, and again.
func TestEvents(t *testing.T) {
	u := newUser(t)
	u.image("busybox.tar", "busybox")
	cmd := u.command("events", "--format", "json", "--filter", "type=container", "--filter", "event=start", "--filter", "event=die")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
		if how, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || how.Signal() != syscall.SIGINT {
			t.Errorf("interrupted, events ends with %v", cmd.ProcessState)
		}
	}()
	lines := make(chan string, 100)
	go func() {
		for sc := bufio.NewScanner(out); sc.Scan(); {
			lines <- sc.Text()
		}
		close(lines)
	}()
	// The watch begins some time after the command: containers end until it sees one.
	var line string
	testutil.Eventually(t, "an event arrives", func() bool {
		u.result("run", "--rm", "--network", "none", "--label", "of=test", "busybox", "sh", "-c", "exit 3")
		select {
		case line = <-lines:
			return true
		default:
			return false
		}
	})
	for !strings.Contains(line, `"die"`) {
		line = <-lines
	}
	var e struct {
		Type, Action string
		Actor        struct {
			ID         string
			Attributes map[string]string
		}
	}
	if err := json.Unmarshal([]byte(line), &e); err != nil {
		t.Fatal(err)
	}
	if e.Type != "container" || len(e.Actor.ID) != 64 || e.Actor.Attributes["exitCode"] != "3" || e.Actor.Attributes["image"] != "busybox" {
		t.Errorf("event: %s", line)
	}
	past := u.ok("events", "--since", "10m", "--until", "0s", "--filter", "label=of=test", "--filter", "event=destroy")
	testutil.Contains(t, past, " container destroy "+e.Actor.ID, "of=test")
	u.fails(1, []string{"invalid filter 'nosuch'"}, "events", "--filter", "nosuch=1")
}

// TestPause freezes a container that counts.
func TestPause(t *testing.T) {
	u := newUser(t)
	u.image("busybox.tar", "busybox")
	u.ok("run", "-d", "--name", "counter", "--network", "none", "busybox", "sh", "-c", "i=0; while :; do i=$((i+1)); echo $i; done >/dev/null")
	defer u.ok("rm", "-f", "counter")
	if !u.freezer() {
		u.fails(1, []string{"cannot pause container", "only a cgroup's freezer can do this"}, "pause", "counter")
		return // what is refused was tested
	}
	u.ok("pause", "counter")
	testutil.Contains(t, u.ok("ps"), "(Paused)")
	testutil.Contains(t, u.ok("stats", "--no-stream", "--format", "{{.CPUPerc}}", "counter"), "0.00%")
	u.fails(1, []string{"is already paused"}, "pause", "counter")
	u.fails(1, []string{"is paused, unpause the container before exec"}, "exec", "counter", "true")
	u.ok("unpause", "counter")
	u.fails(1, []string{"is not paused"}, "unpause", "counter")
	testutil.Eventually(t, "it counts again", func() bool {
		return strings.TrimSpace(u.ok("stats", "--no-stream", "--format", "{{.CPUPerc}}", "counter")) != "0.00%"
	})
	u.ok("pause", "counter")
	u.ok("stop", "-t", "0", "counter") // what is paused can be stopped
	testutil.Contains(t, u.ok("inspect", "-f", "{{.State.Status}}", "counter"), "exited")
}

// TestStats looks at a container that works and has a megabyte or more.
func TestStats(t *testing.T) {
	u := newUser(t)
	u.image("busybox.tar", "busybox")
	u.ok("run", "-d", "--name", "worker", "--network", "none", "busybox", "sh", "-c", "sleep 1000 & sleep 1000 & while :; do :; done")
	var got map[string]string
	testutil.Eventually(t, "the worker works", func() bool {
		if err := json.Unmarshal([]byte(u.ok("stats", "--no-stream", "--format", "json", "worker")), &got); err != nil {
			t.Fatal(err)
		}
		share, err := strconv.ParseFloat(strings.TrimSuffix(got["CPUPerc"], "%"), 64)
		return err == nil && share > 5 && got["PIDs"] == "3"
	})
	if got["Name"] != "worker" || !strings.Contains(got["MemUsage"], " / ") {
		t.Errorf("stats: %v", got)
	}
	testutil.Contains(t, u.ok("stats", "--no-stream"), "CONTAINER ID", "CPU %", "MEM USAGE / LIMIT", "PIDS", "worker")
	u.fails(1, []string{"No such container: nosuch"}, "stats", "--no-stream", "nosuch")
}

// TestLimits checks that a limit on memory ends what is above it, and that what
// the host cannot give is said.
func TestLimits(t *testing.T) {
	u := newUser(t)
	u.image("busybox.tar", "busybox")
	r := u.result("run", "--name", "hungry", "--network", "none", "-m", "24m", "busybox", "sh", "-c", "x=0123456789; while :; do x=$x$x; done")
	if r.Code != 137 {
		t.Errorf("exit code %d, want 137: %s", r.Code, r.Err)
	}
	testutil.Contains(t, u.ok("inspect", "-f", "{{.State.OOMKilled}} {{.HostConfig.Memory}}", "hungry"), fmt.Sprint("true ", 24<<20))
	if strings.TrimSpace(u.ok("info", "-f", "{{.MemoryLimit}}")) == "false" {
		testutil.Contains(t, r.Err, `WARNING: the cgroup controller "memory" is not delegated to you`)
	}
	cpu := u.ok("run", "--rm", "--network", "none", "--cpuset-cpus", "0", "busybox", "grep", "Cpus_allowed_list", "/proc/self/status")
	if f := strings.Fields(cpu); len(f) != 2 || f[1] != "0" {
		t.Errorf("CPUs: %s", cpu)
	}
	u.ok("update", "-m", "48m", "--memory-swap", "-1", "--restart", "on-failure:2", "hungry")
	testutil.Contains(t, u.ok("inspect", "-f", "{{.HostConfig.Memory}} {{.HostConfig.MemorySwap}} {{.HostConfig.RestartPolicy.Name}}", "hungry"),
		fmt.Sprint(48<<20, " -1 on-failure"))
	for _, tt := range []struct{ words, flag, value string }{
		{`invalid argument "x" for "-m, --memory" flag: invalid size: 'x'`, "-m", "x"},
		{"Minimum memory limit allowed is 6MB", "-m", "1m"},
		{`invalid argument "x" for "--cpus" flag: failed to parse x as a rational number`, "--cpus", "x"},
		{"value is too precise", "--cpus", "1.0000000001"},
		{"range of CPUs is from 0.01 to", "--cpus", "10000"},
		{"Range of blkio weight is from 10 to 1000", "--blkio-weight", "5"},
		{`invalid argument "x" for "--device-read-bps" flag: bad format: x`, "--device-read-bps", "x"},
		{"Requested CPUs are not available - requested 8000", "--cpuset-cpus", "8000"},
		{"cgroup-parent for systemd cgroup should be a valid slice", "--cgroup-parent", "/x"},
	} {
		u.fails(125, []string{tt.words}, "run", tt.flag, tt.value, "busybox", "true")
	}
	u.fails(1, []string{"you must provide one or more flags when using this command"}, "update", "hungry")
}

// TestThirdRequestToEnd leaves a program that will not end, and that goes on.
func TestThirdRequestToEnd(t *testing.T) {
	u := newUser(t)
	u.image("busybox.tar", "busybox")
	fg := u.command("run", "--name", "stubborn", "busybox", "sh", "-c", "trap 'echo no' INT TERM; echo ready; while :; do sleep 0.1; done")
	out, err := fg.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	fg.Stderr = &said
	if err := fg.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for _, s := range []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGINT} {
		if !lines.Scan() {
			t.Fatalf("the container says nothing: %s", said.String())
		}
		if err := fg.Process.Signal(s); err != nil {
			t.Fatal(err)
		}
	}
	err = fg.Wait()
	if fg.ProcessState.ExitCode() != 1 || !strings.Contains(said.String(), "got 3 SIGTERM/SIGINTs, forcefully exiting") {
		t.Errorf("run ends with %v: %s", err, said.String())
	}
	if got := u.ok("inspect", "-f", "{{.State.Running}}", "stubborn"); got != "true" {
		t.Errorf("running: %s", got)
	}
	u.ok("rm", "-f", "stubborn")
}
