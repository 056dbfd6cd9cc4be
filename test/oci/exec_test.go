// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"coracle/internal/testutil"
)

// running is a bundle with a container "c" that runs.
func running(t *testing.T) *bundle {
	t.Helper()
	b := newBundle(t, "echo up; sleep 1000")
	out := b.create("c")
	b.must("start", "c")
	b.text(out, "up")
	return b
}

func TestExec(t *testing.T) {
	b := running(t)
	if r := b.oci("exec", "c", "sh", "-c", "echo out; echo err >&2; exit 7"); r.Code != 7 || r.Out != "out\n" || r.Err != "err\n" {
		t.Errorf("%+v", r)
	}
	got := b.must("exec", "--cwd", "/tmp", "-e", "A=b", "--env", "C=d", "c", "sh", "-c", "pwd; echo $A$C; hostname; cat /proc/1/cmdline | tr '\\0' ' '")
	if got != "/tmp\nbd\ncoracle\nsleep 1000 " && got != "/tmp\nbd\ncoracle\nsh -c echo up; sleep 1000 " {
		t.Errorf("%q", got)
	}
	for _, name := range []string{"user", "net", "pid", "mnt", "uts", "ipc", "cgroup"} {
		first, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/%s", b.pid("c"), name))
		if err != nil {
			t.Fatal(err)
		}
		if got := b.must("exec", "c", "readlink", "/proc/self/ns/"+name); got != first+"\n" {
			t.Errorf("%s: %q, the first process is in %q", name, got, first)
		}
	}
	if got := b.must("exec", "c", "grep", "-E", "CapEff|NoNewPrivs|Seccomp:", "/proc/self/status"); got != b.must("exec", "c", "grep", "-E", "CapEff|NoNewPrivs|Seccomp:", "/proc/1/status") {
		t.Errorf("an exec has other rights than the first process: %q", got)
	}
	for _, c := range []struct {
		code int
		want string
		args []string
	}{
		{127, "executable file not found in $PATH", []string{"exec", "c", "nothing"}},
		{126, "permission denied", []string{"exec", "c", "/bin/plain"}},
		{1, "a command or --process is needed", []string{"exec", "c"}},
		{1, "is not a number", []string{"exec", "-u", "root", "c", "true"}},
		{1, "not absolute", []string{"exec", "--cwd", "x", "c", "true"}},
		{1, "--console-socket is needed", []string{"exec", "-d", "-t", "c", "true"}},
		{1, "does not exist", []string{"exec", "d", "true"}},
	} {
		if r := b.oci(c.args...); r.Code != c.code || !strings.Contains(r.Err, c.want) {
			t.Errorf("%v: %+v, want %d, %q", c.args, r, c.code, c.want)
		}
	}
}

func TestExecOfAProcessFile(t *testing.T) {
	b := running(t)
	p := *b.spec.Process
	p.Args, p.Cwd, p.Env = []string{"sh", "-c", "echo $X; pwd; sleep 1000"}, "/etc", append(p.Env, "X=y")
	data, err := json.Marshal(p)
	file, pidFile := filepath.Join(b.dir, "process.json"), filepath.Join(b.dir, "x.pid")
	if err == nil {
		err = os.WriteFile(file, data, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	out, err := os.Create(filepath.Join(b.dir, "x.Out"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd := b.command("exec", "--detach", "--pid-file", pidFile, "--process", file, "c")
	cmd.Stdout = out
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	b.text(out, "y\n/etc\n")
	if err := unix.Kill(b.pid("x"), unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if ws := b.reap("x"); ws.Signal() != unix.SIGKILL {
		t.Errorf("the process ended by %v: its parent is not told", ws)
	}
	b.must("kill", "c", "KILL")
	b.reap("c")
}

// consoleSocket is what an engine gets terminals by.
type consoleSocket struct {
	t    *testing.T
	path string
	l    *net.UnixListener
}

func listen(t *testing.T) *consoleSocket {
	t.Helper()
	// Longer than an address may be.
	dir := filepath.Join(t.TempDir(), strings.Repeat("d", 100))
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	d, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: fmt.Sprintf("/proc/self/fd/%d/s", d.Fd()), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	t.Cleanup(func() { l.Close() })
	return &consoleSocket{t, filepath.Join(dir, "s"), l}
}

func (s *consoleSocket) master() *os.File {
	s.t.Helper()
	_ = s.l.SetDeadline(time.Now().Add(testutil.Longest))
	conn, err := s.l.AcceptUnix()
	if err != nil {
		s.t.Fatal(err)
	}
	defer conn.Close()
	name, oob := make([]byte, 64), make([]byte, unix.CmsgSpace(4))
	n, oobn, _, _, err := conn.ReadMsgUnix(name, oob)
	if err != nil || n == 0 {
		s.t.Fatalf("%q, %v", name[:n], err)
	}
	msgs, err := unix.ParseSocketControlMessage(oob[:oobn])
	if err != nil || len(msgs) != 1 {
		s.t.Fatalf("%d messages, %v", len(msgs), err)
	}
	fds, err := unix.ParseUnixRights(&msgs[0])
	if err != nil || len(fds) != 1 {
		s.t.Fatalf("%v, %v", fds, err)
	}
	_ = unix.SetNonblock(fds[0], true)
	f := os.NewFile(uintptr(fds[0]), "master")
	s.t.Cleanup(func() { f.Close() })
	return f
}

// expect reads a terminal until it has shown want.
func expect(t *testing.T, f *os.File, want string) {
	t.Helper()
	_ = f.SetReadDeadline(time.Now().Add(testutil.Longest))
	var got []byte
	buf := make([]byte, 4096)
	for !strings.Contains(string(got), want) {
		n, err := f.Read(buf)
		if err != nil {
			t.Fatalf("the terminal shows %q, want %q: %v", got, want, err)
		}
		got = append(got, buf[:n]...)
	}
}

func TestConsoleSocket(t *testing.T) {
	b := newBundle(t, `stty size; test -t 0 && test -t 1 && test -t 2 && tty; ls -l /dev/console | cut -c1; read x; echo "got $x"; exit 5`)
	b.spec.Process.Terminal = true
	b.spec.Process.ConsoleSize = &specs.Box{Height: 33, Width: 111}
	b.write()
	b.refused("--console-socket is needed", "create", "c")
	b.refused("connect to console socket", "create", "--console-socket", "/nowhere", "c")
	b.nothingLeft()
	s := listen(t)
	b.create("c", "--console-socket", s.path)
	master := s.master()
	b.must("start", "c")
	expect(t, master, "33 111\r\n/dev/pts/0\r\nc\r\n")
	if _, err := master.Write([]byte("line\n")); err != nil {
		t.Fatal(err)
	}
	expect(t, master, "got line\r\n")
	if ws := b.reap("c"); ws.ExitStatus() != 5 {
		t.Errorf("the exit status is %v", ws)
	}
	b.must("delete", "c")
	b.spec.Process.Terminal = false
	b.write()
	b.refused("process.terminal is not set", "create", "--console-socket", s.path, "c")
}

func TestExecWithATerminal(t *testing.T) {
	b := running(t)
	s := listen(t)
	pidFile := filepath.Join(b.dir, "x.pid")
	b.must("exec", "--detach", "--tty", "--console-socket", s.path, "--pid-file", pidFile, "c", "sh", "-c", "tty; exit 9")
	expect(t, s.master(), "/dev/pts/0\r\n")
	if ws := b.reap("x"); ws.ExitStatus() != 9 {
		t.Errorf("the exit status is %v", ws)
	}
}
