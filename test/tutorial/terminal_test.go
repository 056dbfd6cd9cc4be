// SPDX-License-Identifier: Apache-2.0

package tutorial

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"coracle/internal/testutil"
)

// terminal is a command that has a terminal, and the person before it.
type terminal struct {
	t      *testing.T
	cmd    *exec.Cmd
	master *os.File
	slave  *os.File

	mu    sync.Mutex
	shown strings.Builder
}

// terminal runs a command in a terminal of 40 rows and 100 columns.
func (u *user) terminal(args ...string) *terminal {
	u.t.Helper()
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		u.t.Skipf("no terminals on this machine: %v", err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err = errors.Join(err, unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0), unix.SetNonblock(fd, true)); err != nil {
		u.t.Fatal(err)
	}
	term := &terminal{t: u.t, master: os.NewFile(uintptr(fd), "master"), cmd: u.command(args...)}
	if term.slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0); err != nil {
		u.t.Fatal(err)
	}
	u.t.Cleanup(func() { term.master.Close(); term.slave.Close() })
	term.resize(40, 100)
	term.cmd.Stdin, term.cmd.Stdout, term.cmd.Stderr = term.slave, term.slave, term.slave
	term.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := term.cmd.Start(); err != nil {
		u.t.Fatal(err)
	}
	go term.watch()
	return term
}

func (term *terminal) watch() {
	buf := make([]byte, 4096)
	for {
		n, err := term.master.Read(buf)
		term.mu.Lock()
		term.shown.Write(buf[:n])
		term.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (term *terminal) screen() string {
	term.mu.Lock()
	defer term.mu.Unlock()
	return term.shown.String()
}

// expect waits until the screen shows text.
func (term *terminal) expect(text string) {
	term.t.Helper()
	for end := time.Now().Add(20 * time.Second); !strings.Contains(term.screen(), text); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			term.t.Fatalf("the screen never shows %q:\n%s", text, term.screen())
		}
	}
}

func (term *terminal) press(keys string) {
	term.t.Helper()
	if _, err := term.master.WriteString(keys); err != nil {
		term.t.Fatal(err)
	}
}

func (term *terminal) resize(rows, cols uint16) {
	raw, err := term.master.SyscallConn()
	if err == nil {
		err = raw.Control(func(fd uintptr) {
			if err := unix.IoctlSetWinsize(int(fd), unix.TIOCSWINSZ, &unix.Winsize{Row: rows, Col: cols}); err != nil {
				term.t.Error(err)
			}
		})
	}
	if err != nil {
		term.t.Fatal(err)
	}
}

// ends waits for the command, and checks that it gave the terminal back.
func (term *terminal) ends(code int) {
	term.t.Helper()
	timer := time.AfterFunc(testutil.Longest, func() { _ = term.cmd.Process.Kill() })
	err := term.cmd.Wait()
	if !timer.Stop() {
		term.t.Fatalf("%v hangs:\n%s", term.cmd.Args, term.screen())
	}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		term.t.Fatal(err)
	}
	if got := term.cmd.ProcessState.ExitCode(); got != code {
		term.t.Errorf("%v: exit code %d, want %d:\n%s", term.cmd.Args, got, code, term.screen())
	}
	mode, err := unix.IoctlGetTermios(int(term.slave.Fd()), unix.TCGETS)
	if err != nil {
		term.t.Fatal(err)
	}
	if mode.Lflag&(unix.ICANON|unix.ECHO) != unix.ICANON|unix.ECHO {
		term.t.Errorf("%v leaves the terminal raw", term.cmd.Args)
	}
}

func TestTerminalHasTheWindowsSize(t *testing.T) {
	u := newUser(t)
	u.image("busybox.tar", "busybox")
	term := u.terminal("run", "-it", "--rm", "--network", "none", "busybox", "sh")
	term.expect("# ")
	term.press("stty size\n")
	term.expect("40 100")
	term.resize(50, 120)
	for n := 0; !strings.Contains(term.screen(), "50 120") && n < 200; n++ {
		term.press(fmt.Sprintf("stty size; echo asked-$((%d+0))-\n", n))
		term.expect(fmt.Sprintf("asked-%d-", n))
	}
	term.expect("50 120")
	term.press("sh -c 'echo u$((1))p; exec sleep 1000'\n")
	term.expect("u1p")
	term.press("\x03") // job control: Ctrl-C ends the sleep alone
	term.press("echo still $((20+3))\n")
	term.expect("still 23")
	term.press("exit 5\n")
	term.ends(5)
}

func TestDetachAndComeBack(t *testing.T) {
	u := newUser(t)
	u.image("busybox.tar", "busybox")
	term := u.terminal("run", "-it", "--name", "shell", "--network", "none", "busybox", "sh")
	term.expect("# ")
	term.press("x=kept\n")
	term.press("\x10\x11") // ctrl-p, ctrl-q
	term.expect("read escape sequence")
	term.ends(0)
	if got := u.ok("inspect", "-f", "{{.State.Running}}", "shell"); got != "true" {
		t.Fatal("the container ended with its client")
	}

	term = u.terminal("attach", "--detach-keys", "ctrl-x,d", "shell")
	term.press("echo $x-here\n")
	term.expect("kept-here")
	term.press("\x18d")
	term.expect("read escape sequence")
	term.ends(0)

	// The user's configuration comes before the default.
	u.write(".docker/config.json", `{"detachKeys":"ctrl-e,e"}`)
	term = u.terminal("attach", "shell")
	term.press("echo $x-again\n")
	term.expect("kept-again")
	term.press("\x05e")
	term.ends(0)
	u.fails(1, []string{"invalid detach keys (nosuch): Unknown character: 'nosuch'"}, "attach", "--detach-keys", "nosuch", "shell")
	u.fails(1, []string{"cannot attach stdin to a TTY-enabled container because stdin is not a terminal"}, "attach", "shell")

	term = u.terminal("attach", "shell")
	term.press("exit 9\n")
	term.ends(9)
	u.fails(1, []string{"cannot attach to a stopped container, start it first"}, "attach", "shell")

	term = u.terminal("start", "-ai", "shell")
	term.expect("# ")
	term.press("exit 4\n")
	term.ends(4)
}

func TestTerminalIsGivenBackWhenTheClientIsKilled(t *testing.T) {
	u := newUser(t)
	u.image("busybox.tar", "busybox")
	u.ok("run", "-d", "-it", "--init", "--name", "box", "--network", "none", "busybox", "sh")
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGHUP} {
		for _, args := range [][]string{{"exec", "-it", "box", "sh"}, {"attach", "--sig-proxy=false", "box"}} {
			term := u.terminal(args...)
			term.press("echo r$((1))dy\n")
			term.expect("r1dy")
			if err := term.cmd.Process.Signal(sig); err != nil {
				t.Fatal(err)
			}
			term.ends(128 + int(sig))
		}
	}
	// What is left by its keys goes on, and does not block on its output.
	term := u.terminal("exec", "-it", "--detach-keys", "ctrl-x", "box", "sh", "-c",
		"echo here; sleep 0.2; i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done; touch /done")
	term.expect("here")
	term.press("\x18")
	term.expect("read escape sequence")
	term.ends(0)
	testutil.Eventually(t, "the process that was left is done", func() bool { return u.result("exec", "box", "test", "-e", "/done").Code == 0 })
	testutil.Contains(t, u.ok("events", "--since", "1h", "--until", "0s", "--filter", "event=exec_detach"), "container exec_detach ")
	// So does one that nobody ever listened to.
	u.ok("exec", "-d", "box", "sh", "-c", "sleep 0.2; echo out; echo err >&2; touch /done2")
	testutil.Eventually(t, "the detached process is done", func() bool { return u.result("exec", "box", "test", "-e", "/done2").Code == 0 })
	u.ok("rm", "-f", "box")
}

func TestInitReapsForwardsAndEndsAsTheProgramDid(t *testing.T) {
	u := newUser(t)
	u.image("busybox.tar", "busybox")
	run := func(args ...string) testutil.Result {
		return u.result(append([]string{"run", "--rm", "--init", "--network", "none", "busybox"}, args...)...)
	}
	for _, tt := range []struct {
		args []string
		code int
	}{
		{[]string{"true"}, 0}, {[]string{"sh", "-c", "exit 42"}, 42}, {[]string{"sh", "-c", "kill -9 $$"}, 137}, {[]string{"sh", "-c", "kill -15 $$"}, 143},
		{[]string{"nosuch"}, 127}, {[]string{"/etc/passwd"}, 126}, {[]string{"/etc"}, 126},
	} {
		if r := run(tt.args...); r.Code != tt.code {
			t.Errorf("run --init %v: exit code %d, want %d: %s", tt.args, r.Code, tt.code, r.Err)
		}
	}
	// Orphans become the children of pid 1, which must not leave them dead.
	r := run("sh", "-c", "for i in 1 2 3; do (sleep 0.1 &); done; sleep 0.5; ps -o stat | grep -c Z")
	if strings.TrimSpace(r.Out) != "0" {
		t.Errorf("%q zombies with --init, want none: %s", r.Out, r.Err)
	}
	// It has no more rights than the program, and cannot be written through.
	r = run("sh", "-c", `grep -E "^(Cap|Seccomp:|Uid|Gid)" /proc/1/status >/a; grep -E "^(Cap|Seccomp:|Uid|Gid)" /proc/self/status | diff /a - && echo same; echo x >/proc/1/exe || echo safe`)
	testutil.Contains(t, r.Out, "same", "safe")
	u.ok("run", "-d", "--name", "trap", "--init", "--network", "none", "busybox", "sh", "-c", `trap "echo got it; exit 6" USR1; echo ready; while :; do sleep 0.05; done`)
	testutil.Eventually(t, "the trap is set", func() bool { return strings.Contains(u.result("logs", "trap").Out, "ready") })
	u.ok("kill", "-s", "USR1", "trap")
	if got := u.ok("wait", "trap"); got != "6" {
		t.Errorf("exit code %s after SIGUSR1, want 6", got)
	}
	testutil.Contains(t, u.ok("logs", "trap"), "got it")
	u.tmpEmpties(filepath.Join(u.home, "root"))
}
