// SPDX-License-Identifier: Apache-2.0

package tutorial

import (
	"bytes"
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"coracle/internal/testutil"
)

// manager is what a service of Type=notify is started by.
type manager struct {
	t    *testing.T
	conn *net.UnixConn
	said []string
}

// managed makes a manager, and lets the user's commands be services of it.
func managed(t *testing.T, u *user) *manager {
	t.Helper()
	name := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	u.env = append(slices.Clone(u.env), "NOTIFY_SOCKET="+name)
	return &manager{t: t, conn: conn}
}

// hears waits until somebody has told it an assignment, such as READY=1.
func (m *manager) hears(want string) string {
	m.t.Helper()
	for {
		for _, line := range m.said {
			if strings.HasPrefix(line, want) {
				return line
			}
		}
		m.read(time.Minute)
	}
}

// heard reports whether an assignment has been told so far.
func (m *manager) heard(want string) bool {
	m.t.Helper()
	for m.read(0) {
	}
	return slices.Contains(m.said, want)
}

func (m *manager) read(patience time.Duration) bool {
	m.t.Helper()
	if err := m.conn.SetReadDeadline(time.Now().Add(max(patience, time.Millisecond))); err != nil {
		m.t.Fatal(err)
	}
	buf := make([]byte, 4096)
	n, err := m.conn.Read(buf)
	if errors.Is(err, os.ErrDeadlineExceeded) && patience == 0 {
		return false
	}
	if err != nil {
		m.t.Fatalf("%v; heard %q", err, m.said)
	}
	m.said = append(m.said, strings.Split(string(buf[:n]), "\n")...)
	return true
}

// A container in the foreground is a service of Type=notify, with its exit code.
func TestNotifyRunning(t *testing.T) {
	u := newUser(t)
	u.image("busybox.tar", "busybox")
	m := managed(t, u)
	var out bytes.Buffer
	fg := u.command("run", "--rm", "--name", "svc", "--network", "none", "busybox", "sh", "-c", `trap "exit 7" TERM; echo "socket=$NOTIFY_SOCKET"; while :; do sleep 0.1; done`)
	fg.Stdout = &out
	if err := fg.Start(); err != nil {
		t.Fatal(err)
	}
	m.hears("READY=1")
	testutil.Eventually(t, "the program runs", func() bool { return strings.Contains(u.ok("logs", "svc"), "socket=") })
	if err := fg.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := fg.Wait(); fg.ProcessState.ExitCode() != 7 || out.String() != "socket=\n" {
		t.Errorf("%v, %q", err, out.String())
	}
	m.hears("STOPPING=1")
}

// A service is ready when its container is healthy, and its main process is the
// supervisor when the command does not stay.
func TestNotifyHealthy(t *testing.T) {
	u := newUser(t)
	u.image("busybox.tar", "busybox")
	u.ok("create", "--name", "svc", "--network", "none", "--health-cmd", "test -f /well", "--health-interval", "50ms", "--health-retries", "1", "busybox", "sleep", "1000")
	plain := *u
	m := managed(t, u)
	for _, how := range [][]string{{"start", "-a", "svc"}, {"start", "svc"}} {
		m.said = nil
		cmd := u.command(how...)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		m.hears("STATUS=container svc is unhealthy")
		if m.heard("READY=1") {
			t.Errorf("%s: ready and not healthy", how)
		}
		plain.ok("exec", "svc", "touch", "/well")
		m.hears("READY=1")
		if len(how) == 2 {
			if err := cmd.Wait(); err != nil {
				t.Errorf("%s: %v", how, err)
			}
			pid := strings.TrimPrefix(m.hears("MAINPID="), "MAINPID=")
			if n, err := strconv.Atoi(pid); err != nil || syscall.Kill(n, 0) != nil {
				t.Errorf("main process %q", pid)
			}
		}
		plain.ok("exec", "svc", "rm", "/well")
		plain.ok("stop", "-t", "0", "svc")
		if len(how) == 3 {
			if _ = cmd.Wait(); cmd.ProcessState.ExitCode() != 137 {
				t.Errorf("%s: code %d", how, cmd.ProcessState.ExitCode())
			}
			m.hears("STOPPING=1")
		}
	}
	// One that never gets well.
	r := u.result("run", "-d", "--network", "none", "--health-cmd", "false", "--health-interval", "50ms", "busybox", "sleep", "0.5")
	if r.Code != 125 || !strings.Contains(r.Err, "ended before it was healthy") {
		t.Errorf("%d %s", r.Code, r.All())
	}
}

// A service goes on while its restart policy starts the container again, with all
// its output.
func TestNotifyRestarting(t *testing.T) {
	u := newUser(t)
	u.image("busybox.tar", "busybox")
	u.ok("create", "--name", "svc", "--network", "none", "--restart", "on-failure:2", "busybox", "sh", "-c", "echo began; exit 3")
	m := managed(t, u)
	r := u.result("start", "-a", "svc")
	if r.Code != 3 || r.Out != strings.Repeat("began\n", 3) {
		t.Errorf("%d %q %s", r.Code, r.Out, r.Err)
	}
	m.hears("READY=1")
	m.hears("STOPPING=1")
}
