// SPDX-License-Identifier: Apache-2.0

package tutorial

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"coracle/internal/testutil"
)

// TestStoppedSupervisor stops the process beside a container. What has no need of
// it works; what has ends soon, and says whom it has waited for. Nothing of it
// keeps other containers waiting.
func TestStoppedSupervisor(t *testing.T) {
	u := newUser(t)
	u.image("busybox.tar", "busybox")
	u.ok("network", "create", "net")
	start := func(name string) (pid int) {
		id := u.ok("run", "-d", "--name", name, "--network", "net", "busybox", "sleep", "1000")
		pid = u.supervisor(id)
		if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		testutil.Eventually(t, "all of its threads are stopped", func() bool {
			threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
			return err == nil && len(threads) > 0 && !slices.ContainsFunc(threads, func(stat string) bool {
				text, err := os.ReadFile(stat)
				return err != nil || !strings.Contains(string(text), ") T ")
			})
		})
		return pid
	}
	const bound = 20 * time.Second // on a slow machine, too; a supervisor that is not stopped has more
	timed := func(args ...string) testutil.Result {
		began := time.Now()
		r := u.result(args...)
		if took := time.Since(began); took > bound {
			t.Errorf("%v took %v", args, took)
		}
		return r
	}

	pid := start("web")
	u.ok("network", "create", "other")
	for _, args := range [][]string{
		{"ps"}, {"inspect", "web"}, {"top", "web"}, {"stats", "--no-stream", "web"}, {"logs", "web"}, {"port", "web"},
		{"run", "--rm", "--network", "none", "busybox", "true"},
	} {
		if r := timed(args...); r.Code != 0 {
			t.Errorf("%v: %d %s", args, r.Code, r.Err)
		}
	}
	for _, args := range [][]string{
		{"kill", "-s", "TERM", "web"}, {"exec", "web", "true"}, {"update", "--memory", "64m", "web"},
		{"network", "connect", "other", "web"}, {"network", "disconnect", "net", "web"}, {"cp", "web:/etc/passwd", "-"}, {"rename", "web", "shop"},
	} {
		r := timed(args...)
		if want := fmt.Sprintf("(pid %d) is stopped", pid); r.Code == 0 || !strings.Contains(r.Err, want) || !strings.Contains(r.Err, "supervisor of container ") {
			t.Errorf("%v: %d %s, not %s", args, r.Code, r.Err, want)
		}
	}
	// What was asked for may still be done when the supervisor goes on: a container
	// that is paused is one of its own.
	frozen := start("frozen")
	if r, want := timed("pause", "frozen"), fmt.Sprintf("(pid %d) is stopped", frozen); r.Code == 0 || !strings.Contains(r.Err, want) {
		t.Errorf("pause: %d %s, not %s", r.Code, r.Err, want)
	}
	u.ok("rm", "-f", "frozen")
	// The streams that attach has sent are the supervisor's to close: no pipes.
	for _, args := range [][]string{{"wait", "shop"}, {"logs", "-f", "shop"}, {"attach", "shop"}} {
		cmd := u.command(args...)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
		if took := time.Since(began); took > bound {
			t.Errorf("%v: it took %v to give up", args, took)
		}
	}

	if err := syscall.Kill(pid, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	if out := u.ok("exec", "shop", "echo", "goes on"); out != "goes on" {
		t.Errorf("let go on: %q", out)
	}
	u.ok("rm", "-f", "shop")

	// What is to end it does without it.
	for _, args := range [][]string{{"kill", "web"}, {"stop", "-t", "0", "web"}, {"rm", "-f", "web"}} {
		start("web")
		if r := timed(args...); r.Code != 0 {
			t.Errorf("%v: %d %s", args, r.Code, r.Err)
		}
		if out := u.ok("ps", "-q"); out != "" {
			t.Errorf("%v: %s still runs", args, out)
		}
		u.ok("rm", "-f", "web")
	}
}
