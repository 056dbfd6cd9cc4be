// SPDX-License-Identifier: Apache-2.0

package compose

import (
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"coracle/internal/testutil"
)

func mkdir(dir string) error { return os.Mkdir(dir, 0o755) }

// up is an up in the foreground.
type up struct {
	t    *testing.T
	said *testutil.Said
	pid  int
	done chan int // its exit code
}

func (p *project) up(args ...string) *up {
	p.t.Helper()
	return p.begin(append([]string{"up"}, args...)...)
}

// begin begins a verb that stays.
func (p *project) begin(args ...string) *up {
	p.t.Helper()
	cmd := p.command(append([]string{"compose"}, args...)...)
	u := &up{t: p.t, said: &testutil.Said{}, done: make(chan int, 1)}
	cmd.Stdout, cmd.Stderr = u.said, u.said
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	u.pid = cmd.Process.Pid
	go func() {
		_ = cmd.Wait()
		u.done <- cmd.ProcessState.ExitCode()
	}()
	return u
}

func (u *up) hears(words string) {
	u.t.Helper()
	defer func() {
		if u.t.Failed() {
			u.t.Logf("it has said:\n%s", u.said)
		}
	}()
	testutil.Eventually(u.t, words, func() bool { return strings.Contains(u.said.String(), words) })
}

func (u *up) signal(sig syscall.Signal) {
	u.t.Helper()
	if err := syscall.Kill(u.pid, sig); err != nil {
		u.t.Fatal(err)
	}
}

// ends checks the exit code.
func (u *up) ends(code int) {
	u.t.Helper()
	select {
	case got := <-u.done:
		if got != code {
			u.t.Errorf("exit code %d, want %d:\n%s", got, code, u.said)
		}
	case <-time.After(time.Minute):
		u.signal(syscall.SIGKILL)
		u.t.Fatalf("it does not end:\n%s", u.said)
	}
}

// TestForegroundEnds: up ends when all have, and shows what they say.
func TestForegroundEnds(t *testing.T) {
	p := newProject(t, `
services:
  one: {image: busybox, command: "sh -c 'echo first; echo wrong >&2'"}
  another: {image: busybox, command: "sh -c 'echo second; exit 3'", depends_on: {one: {condition: service_completed_successfully}}}
`)
	u := p.up()
	u.ends(0)
	testutil.Contains(t, u.said.String(), "Attaching to another-1, one-1\n", "one-1      | first\n", "one-1      | wrong\n", "another-1  | second\n", "one-1 exited with code 0\n", "another-1 exited with code 3\n")
	quiet := p.up("--no-attach", "one")
	quiet.ends(0)
	if text := quiet.said.String(); strings.Contains(text, "first") || !strings.Contains(text, "| second") {
		t.Errorf("--no-attach one: %s", text)
	}
}

// TestDownBesideUp: up says how all of them have ended, though they are removed at once.
func TestDownBesideUp(t *testing.T) {
	p := newProject(t, `
services:
  one: {image: busybox, command: "sh -c 'trap \"exit 5\" TERM; echo ready; while true; do sleep 0.1; done'"}
  two: {image: busybox, command: "sh -c 'trap \"exit 6\" TERM; echo ready; while true; do sleep 0.1; done'"}
`)
	u := p.up("--exit-code-from", "two")
	u.hears("one-1  | ready")
	u.hears("two-1  | ready")
	p.compose("down")
	u.ends(6)
	testutil.Contains(t, u.said.String(), "one-1 exited with code 5\n", "two-1 exited with code 6\n")
}

// TestCtrlC: once stops, and twice kills.
func TestCtrlC(t *testing.T) {
	p := newProject(t, `
services:
  polite: {image: busybox, command: "sh -c 'trap \"echo bye; exit 0\" TERM; echo ready; while true; do sleep 0.1; done'"}
  stubborn: {image: busybox, command: "sh -c 'trap \"echo no\" TERM; echo ready; while true; do sleep 0.1; done'", stop_grace_period: 10m}
`)
	u := p.up("polite")
	u.hears("polite-1  | ready")
	u.signal(syscall.SIGINT)
	u.ends(130)
	testutil.Contains(t, u.said.String(), "Gracefully Stopping... press Ctrl+C again to force", "polite-1  | bye", "Container shop-polite-1 Stopped")
	if r := p.ps()["shop-polite-1"]; r.State != "exited" || r.ExitCode != 0 {
		t.Errorf("it has not ended by itself: %+v", r)
	}
	u = p.up("stubborn")
	u.hears("stubborn-1  | ready")
	u.signal(syscall.SIGINT)
	u.hears("stubborn-1  | no")
	u.signal(syscall.SIGINT)
	u.ends(130)
	if r := p.ps()["shop-stubborn-1"]; r.State != "exited" || r.ExitCode != 137 {
		t.Errorf("it was not killed: %+v", r)
	}
}

// TestAbort: the end of one is the end of all, and its code is up's.
func TestAbort(t *testing.T) {
	p := newProject(t, `
services:
  stays: {image: busybox, command: sleep 600, stop_grace_period: 0s}
  goes: {image: busybox, command: sh -c 'exit 5', depends_on: [stays]}
`)
	u := p.up("--abort-on-container-exit")
	u.ends(5)
	if r := p.ps()["shop-stays-1"]; r.State != "exited" {
		t.Errorf("it was not stopped: %+v", r)
	}
	p.up("--exit-code-from", "stays").ends(137)
	p.up("--abort-on-container-failure").ends(5)
	p.fails(1, "no such service: nobody", "up", "--exit-code-from", "nobody")
	p.fails(1, "--detach cannot be combined with --abort-on-container-exit", "up", "-d", "--abort-on-container-exit")
}
