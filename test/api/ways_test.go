// SPDX-License-Identifier: Apache-2.0

package api

import (
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"coracle/internal/testutil"
)

// TestCommand: a command finds a socket, which goes with it, and its code is the
// program's.
func TestCommand(t *testing.T) {
	u := newUser(t)
	r := u.result("api", "--", "sh", "-c", `s=${DOCKER_HOST#unix://}; test -S $s && stat -c %a $s && echo $s && umask; exit 5`)
	lines := strings.Fields(r.Out)
	if r.Code != 5 || len(lines) != 3 || lines[0] != "600" || lines[2] == "" {
		t.Fatalf("%+v", r)
	}
	if _, err := os.Lstat(filepath.Dir(lines[1])); !os.IsNotExist(err) {
		t.Errorf("%s is left: %v", filepath.Dir(lines[1]), err)
	}
	for _, tt := range []struct {
		code int
		args []string
	}{{127, []string{"nosuch-command"}}, {126, []string{"/"}}, {128 + 15, []string{"sh", "-c", "kill $$"}}, {0, []string{"true"}}} {
		if r := u.result(append([]string{"api", "--"}, tt.args...)...); r.Code != tt.code {
			t.Errorf("%q: %d, want %d: %s", tt.args, r.Code, tt.code, r.Err)
		}
	}
	// The program itself, called by the command, is no client of its own socket.
	if r := u.result("api", "--", u.bin, "ps", "-q"); r.Code != 0 {
		t.Errorf("%+v", r)
	}
}

// TestSocketElsewhere: a program called docker, which is this one, is a client of any
// socket on which this store is served, and of no other.
func TestSocketElsewhere(t *testing.T) {
	u, other := newUser(t), newUser(t)
	docker := filepath.Join(t.TempDir(), "docker")
	if err := os.Symlink(u.bin, docker); err != nil {
		t.Fatal(err)
	}
	if r := u.with("env", "DOCKER_HOST="+u.engine(), docker, "ps"); r.Code != 0 || !strings.HasPrefix(r.Out, "CONTAINER ID") {
		t.Errorf("its own: %+v", r)
	}
	if r := u.with("env", "DOCKER_HOST="+other.engine(), docker, "ps"); r.Code != 1 || !strings.Contains(r.Err, "coracle is no client of another engine") {
		t.Errorf("another's: %+v", r)
	}
}

// TestSignalsReachTheCommand, whose end is the program's.
func TestSignalsReachTheCommand(t *testing.T) {
	u := newUser(t)
	ready := filepath.Join(t.TempDir(), "ready")
	cmd := exec.Command(u.bin, "api", "--", "sh", "-c", `trap 'exit 9' TERM; : >"$1"; while :; do sleep 0.05; done`, "sh", ready)
	cmd.Env = u.env
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	testutil.Eventually(t, "the command runs", func() bool {
		_, err := os.Lstat(ready)
		return err == nil
	})
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if cmd.ProcessState.ExitCode() != 9 {
		t.Errorf("%v", cmd.ProcessState)
	}
}

// TestSocketActivation: a service manager hands the socket over, and the program ends
// when nobody asks.
func TestSocketActivation(t *testing.T) {
	u := newUser(t)
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	f, err := l.File()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	docker, answered := u.debian("unix://"+path), make(chan string, 1)
	go func() { answered <- docker.do("version", "--format", "{{.Server.MinAPIVersion}}").All() }()
	// As a service manager does, it is started as often as somebody is there to be
	// answered: the client may be slower than the time.
	got := ""
	for got == "" {
		cmd := exec.Command("sh", "-c", `LISTEN_PID=$$ LISTEN_FDS=1 exec "$0" api --time 200ms`, u.bin)
		cmd.ExtraFiles, cmd.Env = []*os.File{f}, u.env
		if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
			t.Fatalf("%s%v", out, err)
		}
		select {
		case got = <-answered:
			if got = strings.TrimSpace(got); got == "" {
				t.Fatal("no answer")
			}
		default:
		}
	}
	if got != "1.24" {
		t.Errorf("%q", got)
	}
}

// TestUnits are written, and taken away.
func TestUnits(t *testing.T) {
	u := newUser(t)
	r := u.result("api", "install")
	if r.Code != 0 {
		t.Fatal(r.All())
	}
	dir := filepath.Join(filepath.Join(u.home, ".config"), "systemd", "user")
	socket, err := os.ReadFile(filepath.Join(dir, "coracle-api.socket"))
	if err != nil {
		t.Fatal(err)
	}
	testutil.Contains(t, string(socket), "ListenStream=%t/docker.sock", "SocketMode=0600", "WantedBy=sockets.target")
	service, err := os.ReadFile(filepath.Join(dir, "coracle-api.service"))
	if err != nil {
		t.Fatal(err)
	}
	testutil.Contains(t, string(service), " api --time 5m", "KillMode=process", u.bin)
	if _, err := os.Lstat(filepath.Join(dir, "sockets.target.wants", "coracle-api.socket")); err != nil {
		t.Error(err)
	}
	if r := u.result("api", "uninstall"); r.Code != 0 {
		t.Error(r.All())
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	if r := u.result("api", "uninstall"); r.Code == 0 {
		t.Error("there was nothing to remove")
	}
}

// TestSocketInAContainer: where no engine listens, a container that mounts Docker's
// socket has one of its own, which goes with it.
func TestSocketInAContainer(t *testing.T) {
	u := newUser(t)
	if c, err := net.Dial("unix", "/var/run/docker.sock"); err == nil {
		c.Close()
		t.Skip("an engine listens at /var/run/docker.sock, and is what such containers get")
	}
	u.busybox()
	r := u.result("run", "-d", "--name", "with", "-v", "/var/run/docker.sock:/s", "busybox", "sleep", "300")
	defer u.result("rm", "-f", "with")
	if r.Code != 0 || !strings.Contains(r.Err, "the container has Docker's socket") {
		t.Fatalf("%+v", r)
	}
	u.write(testutil.File{Name: ".docker/config.json", Text: `{"auths":{"r.example":{"auth":"bWU6aXQ="}}}`})
	if again := u.result("create", "--name", "again", "--use-api-socket", "busybox", "sh", "-c", "stat -c %a:%u $DOCKER_CONFIG/config.json; cat $DOCKER_CONFIG/config.json"); again.Code != 0 || strings.Contains(again.Err, "WARNING") {
		t.Errorf("what was said is said again: %+v", again)
	}
	testutil.Contains(t, u.ok("start", "-a", "again"), "600:0\n", "r.example", "bWU6aXQ=")
	if r := u.result("exec", "with", "sh", "-c", "test -S /s && stat -c %a /s"); r.Text() != "600" {
		t.Errorf("%+v", r)
	}
	id := u.result("inspect", "-f", "{{.Id}} {{.HostConfig.Binds}}", "with").Text()
	if !strings.HasSuffix(id, "[/var/run/docker.sock:/s]") {
		t.Errorf("%s", id)
	}
	var found []string // the same socket from outside
	err := filepath.WalkDir(u.home, func(path string, d fs.DirEntry, err error) error {
		if filepath.Base(path) == "api.sock" {
			found = append(found, path)
		}
		if err != nil && d != nil && d.IsDir() {
			return fs.SkipDir // of other ids
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(found) != 1 {
		t.Fatalf("sockets: %v", found)
	}
	short := filepath.Join(u.home, "r") // an address of a socket has little room
	if err := os.Symlink(filepath.Dir(found[0]), short); err != nil {
		t.Fatal(err)
	}
	short += "/api.sock"
	c := u.debian("unix://" + short)
	testutil.Contains(t, c.ok("ps"), "with")
	if got := c.ok("run", "--rm", "busybox", "echo", "beside"); got != "beside" {
		t.Errorf("%q", got)
	}
	served := func(stage string) bool {
		lines, _ := filepath.Glob("/proc/[0-9]*/cmdline")
		return slices.ContainsFunc(lines, func(file string) bool {
			line, _ := os.ReadFile(file) // or the process has ended
			return strings.HasPrefix(string(line), stage+"\x00") && strings.Contains(string(line), filepath.Join(u.home, "root"))
		})
	}
	testutil.Eventually(t, "it waits again, small", func() bool { return served("coracle-await") })
	testutil.Contains(t, c.ok("ps"), "with")
	if !served("coracle-api") {
		t.Error("nobody serves")
	}
	u.result("rm", "-f", "with")
	testutil.Eventually(t, "nobody serves it any more", func() bool {
		fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
		if err != nil {
			return false
		}
		defer unix.Close(fd)
		return unix.Connect(fd, &unix.SockaddrUnix{Name: short}) != nil
	})
}
