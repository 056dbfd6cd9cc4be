// SPDX-License-Identifier: Apache-2.0

package compose

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"coracle/internal/testutil"

	"golang.org/x/sys/unix"
)

// typed is a verb that runs in a terminal; what it writes is said.
func (p *project) typed(args ...string) (u *up, keys *os.File) {
	p.t.Helper()
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		p.t.Skipf("no terminals on this machine: %v", err)
	}
	keys = os.NewFile(uintptr(fd), "master")
	p.t.Cleanup(func() { keys.Close() })
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	}
	if err != nil {
		p.t.Fatal(err)
	}
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		p.t.Fatal(err)
	}
	cmd := p.command(append([]string{"compose"}, args...)...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	u = &up{t: p.t, said: &testutil.Said{}, done: make(chan int, 1)}
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	slave.Close()
	u.pid = cmd.Process.Pid
	go func() {
		buf := make([]byte, 4096)
		for {
			n, err := keys.Read(buf)
			_, _ = u.said.Write(buf[:n])
			if err != nil {
				break
			}
		}
		_ = cmd.Wait()
		u.done <- cmd.ProcessState.ExitCode()
	}()
	return u, keys
}

const ctrlC = "\x03"

// TestCtrlCInATerminal: the key reaches up alone, and not what runs in containers.
func TestCtrlCInATerminal(t *testing.T) {
	p := newProject(t, `
services:
  stubborn: {image: busybox, command: "sh -c 'trap \"echo interrupted\" INT; trap \"echo no\" TERM; echo ready; while true; do sleep 0.1; done'", stop_grace_period: 10m}
  polite: {image: busybox, command: "sh -c 'trap \"echo bye; exit 0\" TERM; echo ready; while true; do sleep 0.1; done'"}
`)
	u, keys := p.typed("up")
	u.hears("stubborn-1  | \x1b[0mready")
	u.hears("polite-1    | \x1b[0mready")
	fmt.Fprint(keys, ctrlC)
	u.hears("Gracefully Stopping... press Ctrl+C again to force")
	u.hears("\x1b[0mno")
	u.hears("\x1b[0mbye")
	fmt.Fprint(keys, ctrlC)
	u.ends(130)
	if strings.Contains(u.said.String(), "interrupted") {
		t.Error("the container got the signal, too")
	}
	if now := p.ps(); now["shop-stubborn-1"].ExitCode != 137 || now["shop-polite-1"].ExitCode != 0 {
		t.Errorf("after that: %+v", now)
	}
}

// TestWhatUpShows: the flags of up's output.
func TestWhatUpShows(t *testing.T) {
	p := newProject(t, `
services:
  web: {image: busybox, command: "echo of web", depends_on: [db]}
  db: {image: busybox, command: "echo of db"}
  quiet: {image: busybox, command: "echo of quiet", attach: false}
`)
	for _, c := range []struct {
		args        string
		says, says2 string
		not         string
	}{
		{"up", "web-1  | of web\n", "db-1   | of db\n", "of quiet"},
		{"up web", "web-1  | of web\n", "Attaching to web-1\n", "of db"},
		{"up --attach-dependencies web", "web-1  | of web\n", "db-1   | of db\n", "of quiet"},
		{"up --no-log-prefix web", "\nof web\n", "", "| of web"},
		{"up --attach quiet", "quiet-1  | of quiet\n", "", "of web"},
		{"--ansi always up web", "\x1b[36mweb-1  | \x1b[0mof web\n", "", ""},
		{"--ansi always up --no-color web", "\nweb-1  | of web\n", "", "\x1b["},
	} {
		u := p.begin(strings.Fields(c.args)...)
		u.ends(0)
		text := u.said.String()
		if !strings.Contains(text, c.says) || !strings.Contains(text, c.says2) || c.not != "" && strings.Contains(text, c.not) {
			t.Errorf("%s:\n%q", c.args, text)
		}
		p.compose("down", "-t", "0")
	}
	u := p.begin("up", "--timestamps", "web")
	u.ends(0)
	if !regexp.MustCompile(`web-1  \| [0-9]{4}-[0-9-]+T[0-9:.]+Z of web\n`).MatchString(u.said.String()) {
		t.Errorf("--timestamps: %s", u.said)
	}
	p.fails(1, "cannot attach to services not included in up: nobody", "up", "--attach", "nobody")
}

// TestWaitForWhatEnds: up --wait is about what runs; what has ended well counts only
// where another service waits for that.
func TestWaitForWhatEnds(t *testing.T) {
	p := newProject(t, `
services:
  once: {image: busybox, command: "true"}
  after: {image: busybox, command: sleep 600, stop_grace_period: 0s, depends_on: {once: {condition: service_completed_successfully}}}
`)
	p.compose("up", "--wait").says("Container shop-once-1 Exited", "Container shop-after-1 Healthy")
	p.compose("down")
	p.file("compose.yaml", "services: {once: {image: busybox, command: \"true\"}}\n")
	p.fails(1, "container shop-once-1 exited (0)", "up", "--wait")
}
