// SPDX-License-Identifier: Apache-2.0

package tutorial

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"coracle/internal/testutil"
	"coracle/pkg/systemd"
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
			if _ = cmd.Wait(); cmd.ProcessState.ExitCode() != 143 {
				t.Errorf("%s: stopped, code %d", how, cmd.ProcessState.ExitCode())
			}
			m.hears("STOPPING=1")
		}
	}
	// One that is gone with its end.
	m.said = nil
	cmd := u.command("run", "--rm", "--name", "rm", "--network", "none", "busybox", "sleep", "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	m.hears("READY=1")
	plain.ok("stop", "-t", "0", "rm")
	if _ = cmd.Wait(); cmd.ProcessState.ExitCode() != 143 {
		t.Errorf("stopped with --rm: code %d", cmd.ProcessState.ExitCode())
	}
	// One that never gets well.
	r := u.result("run", "-d", "--network", "none", "--health-cmd", "false", "--health-interval", "50ms", "busybox", "sleep", "0.5")
	if r.Code != 125 || !strings.Contains(r.Err, "ended before it was healthy") {
		t.Errorf("%d %s", r.Code, r.All())
	}
}

// A program that speaks to systemd itself says when it is ready, and nothing about
// other processes.
func TestNotifyInside(t *testing.T) {
	u := newUser(t)
	u.image("python.tar", "python")
	u.fails(125, []string{"--rm"}, "run", "-d", "--sdnotify", "container", "python", "true")
	u.fails(125, []string{"container, healthy, ignore"}, "run", "--sdnotify", "conmon", "python", "true")
	if got := u.ok("run", "--rm", "--sdnotify", "container", "--network", "none", "python", "sh", "-c", "echo $NOTIFY_SOCKET."); got != "." {
		t.Errorf("without a manager: %q", got)
	}
	m := managed(t, u)
	fg := u.command("run", "--rm", "--name", "svc", "--user", "1000", "--sdnotify", "container", "--network", "none", "python", "python3", "-c",
		"import os, socket, sys\ns = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)\ns.connect(os.environ['NOTIFY_SOCKET'])\ns.send(b'STATUS=begins')\nsys.stdin.readline()\ns.send(b'READY=1\\nMAINPID=1')\nsys.stdin.readline()\n")
	fg.Args = slices.Insert(fg.Args, 2, "-i")
	stdin, err := fg.StdinPipe()
	if err == nil {
		err = fg.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	m.hears("STATUS=begins")
	if m.heard("READY=1") {
		t.Error("ready before it says so")
	}
	if _, err := stdin.Write([]byte("\n")); err != nil {
		t.Fatal(err)
	}
	m.hears("READY=1")
	if m.heard("MAINPID=1") {
		t.Error("the container has named a process")
	}
	stdin.Close()
	if err := fg.Wait(); err != nil {
		t.Error(err)
	}
	m.hears("STOPPING=1")
}

// A supervisor that is told to end, as by systemd when the host goes down, stops its
// container, which is wanted again after the boot.
func TestHostGoesDown(t *testing.T) {
	u := newUser(t)
	u.image("busybox.tar", "busybox")
	m := managed(t, u)
	plain := *u
	plain.env = slices.DeleteFunc(slices.Clone(u.env), func(s string) bool { return strings.HasPrefix(s, "NOTIFY_SOCKET=") })
	u.ok("run", "-d", "--name", "svc", "--network", "none", "--restart", "unless-stopped", "--stop-signal", "USR1", "busybox", "sh", "-c", `trap "exit 9" USR1; while :; do sleep 0.1; done`)
	pid, err := strconv.Atoi(strings.TrimPrefix(m.hears("MAINPID="), "MAINPID="))
	if err == nil {
		err = syscall.Kill(pid, syscall.SIGTERM)
	}
	if err != nil {
		t.Fatal(err)
	}
	testutil.Eventually(t, "the container has ended", func() bool { return plain.ok("inspect", "-f", "{{.State.Status}}", "svc") == "exited" })
	// The shell may not have had its trap yet.
	if got := plain.ok("inspect", "-f", "{{.State.ExitCode}} {{.RestartCount}}", "svc"); got != "9 0" && got != "138 0" && got != "137 0" {
		t.Errorf("%s", got)
	}
	plain.ok("start", "--boot")
	if got := plain.ok("inspect", "-f", "{{.State.Running}}", "svc"); got != "true" {
		t.Error("it was not started after the boot")
	}
	plain.ok("rm", "-f", "svc")
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

// assigned is what a unit that was written says for a key, as words.
func assigned(t *testing.T, unit, section, key string) []string {
	t.Helper()
	u, err := systemd.ParseUnit(unit)
	if err != nil {
		t.Fatal(err)
	}
	words, err := systemd.Split(u.Section(section).Last(key))
	if err != nil {
		t.Fatal(err)
	}
	return words
}

// TestSystemdUnit does with a unit what systemd would.
func TestSystemdUnit(t *testing.T) {
	u := newUser(t)
	u.image("busybox.tar", "busybox")
	u.env = append(u.env, "XDG_CONFIG_HOME="+filepath.Join(u.home, "conf"), "DBUS_SESSION_BUS_ADDRESS=unix:path=/nowhere")
	u.ok("create", "--name", "svc", "--network", "none", "--restart", "always", "--stop-timeout", "1", "busybox", "sleep", "1000")
	u.fails(1, []string{"has no unit"}, "systemd", "uninstall", "svc")
	r := u.result("systemd", "install", "svc")
	path := filepath.Join(u.home, "conf", "systemd", "user", "coracle-svc.service")
	if strings.TrimSpace(r.Out) != path {
		t.Fatalf("%d %s", r.Code, r.All())
	}
	testutil.Contains(t, r.Err, "systemctl --user daemon-reload", "systemctl --user start coracle-svc.service")
	data, err := os.ReadFile(filepath.Join(filepath.Dir(path), "default.target.wants", "coracle-svc.service"))
	if err != nil {
		t.Fatal(err)
	}
	testutil.Contains(t, u.ok("systemd", "status"), "coracle-svc.service   yes", "lingering: ")
	printed := u.ok("systemd", "print", "svc")
	if _, written, _ := strings.Cut(string(data), "\n"); strings.TrimSpace(strings.TrimPrefix(printed, "# coracle-svc.service\n")) != strings.TrimSpace(written) {
		t.Errorf("printed\n%s\nwritten\n%s", printed, written)
	}
	run := func(key string) *exec.Cmd {
		words := assigned(t, printed, "Service", key)
		cmd := exec.Command(words[0], words[1:]...)
		cmd.Env = u.env
		return cmd
	}
	plain := u.env
	m := managed(t, u)
	main := run("ExecStart")
	u.env = plain
	if err := main.Start(); err != nil {
		t.Fatal(err)
	}
	m.hears("READY=1")
	if out, err := run("ExecStop").CombinedOutput(); err != nil {
		t.Errorf("%v %s", err, out)
	}
	_ = main.Wait()
	if code := strconv.Itoa(main.ProcessState.ExitCode()); !slices.Contains(assigned(t, printed, "Service", "SuccessExitStatus"), code) {
		t.Errorf("a service that was stopped ends with %s", code)
	}
	u.ok("systemd", "uninstall", "svc")
	if _, err := os.Lstat(path); err == nil {
		t.Error("the unit is still there")
	}
	u.fails(1, []string{"publishes no port"}, "systemd", "print", "--socket", "svc")
	u.ok("create", "--name", "web", "-p", "18080:80", "busybox", "true")
	testutil.Contains(t, u.ok("systemd", "print", "--socket", "web"), "# coracle-web.socket", "ListenStream=18080")
	testutil.Contains(t, u.ok("systemd", "print", "--system", "web"), "User=", "WantedBy=multi-user.target")
}

// A restart policy that nothing carries over a boot is spoken of once.
func TestBootIsSpokenOf(t *testing.T) {
	u := newUser(t)
	u.image("busybox.tar", "busybox")
	u.env = append(u.env, "XDG_CONFIG_HOME="+filepath.Join(u.home, "conf"), "INVOCATION_ID=")
	if r := u.result("create", "--restart", "on-failure", "busybox", "true"); r.Err != "" {
		t.Errorf("%s", r.Err)
	}
	testutil.Contains(t, u.result("create", "--restart", "always", "--name", "svc", "busybox", "true").Err, "nothing starts svc again after a boot", "start --boot")
	if r := u.result("create", "--restart", "unless-stopped", "busybox", "true"); r.Err != "" {
		t.Errorf("%s", r.Err)
	}
}

// TestSocketOfTheManager hands a container the socket of its published port, as the
// socket unit that is printed for it would.
func TestSocketOfTheManager(t *testing.T) {
	u := newUser(t)
	u.image("busybox.tar", "busybox")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	at := l.Addr().String()
	socket, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	u.ok("create", "--name", "web", "-p", at+":80", "busybox", "sh", "-c", "sleep 1; echo found >/index.html; exec httpd -f -p 80 -h /")
	testutil.Contains(t, u.ok("systemd", "print", "--socket", "web"), "ListenStream="+at)
	plain := *u
	m := managed(t, u)
	main := exec.Command("sh", "-c", `LISTEN_PID=$$ LISTEN_FDS=1 exec "$0" start -a web`, u.command("version").Path)
	main.Env, main.ExtraFiles = u.env, []*os.File{socket}
	early, err := net.Dial("tcp", at) // for whose sake the service is started
	if err == nil {
		_, err = io.WriteString(early, "GET / HTTP/1.0\r\n\r\n")
	}
	if err == nil {
		err = main.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	defer early.Close()
	socket.Close()
	m.hears("READY=1")
	_ = early.SetDeadline(time.Now().Add(time.Minute))
	if answer, err := io.ReadAll(early); err != nil || !strings.Contains(string(answer), "found") {
		t.Errorf("who came before the program listened hears %q, %v", answer, err)
	}
	testutil.Contains(t, get(t, "http://"+at+"/"), "found")
	plain.ok("stop", "-t", "0", "web")
	_ = main.Wait()
}
