// SPDX-License-Identifier: Apache-2.0

package tutorial

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"coracle/internal/testutil"
)

// shell runs a script that calls coracle as $C.
func (u *user) shell(script string) testutil.Result {
	u.t.Helper()
	cmd := exec.Command("sh", "-c", script)
	cmd.Env, cmd.Dir = append(u.env, "C="+u.bin), u.home
	return u.finish(cmd)
}

// TestUmaskOfCaller makes everything with umasks that nobody wants in a
// container, but for the files that the user has named.
func TestUmaskOfCaller(t *testing.T) {
	for _, umask := range []string{"077", "000"} {
		t.Run(umask, func(t *testing.T) {
			u := newUser(t)
			u.image("busybox.tar", "busybox")
			u.write("c/Dockerfile", "FROM busybox\nRUN mkdir /made && echo a >/made/f\nWORKDIR /work/dir\n")
			r := u.shell("umask " + umask + `; $C build -q -t made c && $C run -d --name one -v vol:/vol --health-cmd 'umask >>/probe' --health-interval 50ms made sleep 1000 &&
				$C exec one sh -c 'umask; stat -c "%a %n" / /made /made/f /work /work/dir /vol /etc/hosts /etc/resolv.conf /etc/hostname' &&
				$C export -o files.tar one && $C build -q -o type=tar,dest=built.tar c && $C build -q --iidfile id --metadata-file about c`)
			if r.Code != 0 {
				t.Fatal(r.Out, r.Err)
			}
			testutil.Contains(t, r.Out, "\n0022\n755 /\n755 /made\n644 /made/f\n755 /work\n755 /work/dir\n755 /vol\n644 /etc/hosts\n644 /etc/resolv.conf\n644 /etc/hostname")
			testutil.Eventually(t, "the health check has run", func() bool { return u.result("exec", "one", "test", "-s", "/probe").Code == 0 })
			testutil.Contains(t, u.ok("exec", "one", "cat", "/probe"), "0022")
			want := map[string]os.FileMode{"077": 0o600, "000": 0o666}[umask]
			for _, name := range []string{"files.tar", "built.tar", "id", "about"} {
				if st, err := os.Stat(filepath.Join(u.home, name)); err != nil || st.Mode().Perm() != want {
					t.Errorf("the file that was asked for, %s: %v, %v, want %v", name, st, err, want)
				}
			}
			u.ok("rm", "-f", "one")
			u.ok("volume", "rm", "vol")
		})
	}
}

// TestDescriptorsOfCaller gives every command the writing end of a pipe that is
// none of its business: when the command has ended, nobody has it any more.
func TestDescriptorsOfCaller(t *testing.T) {
	u := newUser(t)
	u.image("busybox.tar", "busybox")
	for _, args := range [][]string{
		{"create", "--name", "made", "busybox", "sleep", "1000"},
		{"run", "-d", "--name", "one", "busybox", "sleep", "1000"},
		{"start", "made"},
		{"exec", "-d", "one", "sleep", "1000"},
		{"restart", "-t", "0", "one"},
	} {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		cmd := u.command(args...)
		cmd.ExtraFiles = []*os.File{w, w}
		if res := u.finish(cmd); res.Code != 0 {
			t.Fatalf("%v: %s", args, res.Err)
		}
		w.Close()
		if err := r.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
			t.Fatal(err)
		}
		if _, err := r.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("%v: somebody holds a descriptor of the caller: %v", args, err)
		}
		r.Close()
	}
	testutil.Contains(t, u.ok("exec", "one", "ls", "/proc/self/fd"), "0", "1", "2")
	u.ok("rm", "-f", "one", "made")
}

// TestNamedDescriptors gives files as a shell's <(command) does: what a command
// line names is read, by its own number, and reaches no container.
func TestNamedDescriptors(t *testing.T) {
	u := newUser(t)
	u.image("busybox.tar", "busybox")
	u.write("c/Dockerfile", "FROM busybox\nRUN --mount=type=secret,id=s cat /run/secrets/s >/kept; ls /proc/self/fd >/open\n")
	r := u.shell(`set -e; printf '%s' hidden >s; $C save busybox >b.tar
		$C build -q --network none -t built --secret id=s,src=/dev/fd/3 c 3<s >/dev/null
		$C run --rm --network none built cat /kept /open
		printf 'FROM built\nRUN echo piped >/piped\n' | $C build -q --network none -t built -f /proc/self/fd/9 c 9<&0 </dev/null >/dev/null
		$C run --rm --network none built cat /piped
		$C load -q -i /dev/fd/9 9<b.tar; $C run --rm --network none busybox sh -c 'ls /proc/self/fd; cat /dev/fd/9' 9<s || echo $?`)
	if want := "hidden0\n1\n2\n3\npiped\n"; r.Code != 0 || !strings.HasPrefix(r.Out, want) {
		t.Errorf("%d %q, want %q\n%s", r.Code, r.Out, want, r.Err)
	}
	if strings.Count(r.Out, "hidden") != 1 || !strings.HasSuffix(r.Out, "\n1\n") {
		t.Errorf("a container has a descriptor of the caller: %q", r.Out)
	}
}

// TestHomeOfCaller leaves HOME out: the account says where it is.
func TestHomeOfCaller(t *testing.T) {
	u := newUser(t)
	r := u.shell("unset HOME; $C ps")
	if r.Code != 0 || !strings.HasPrefix(r.Out, "CONTAINER ID") {
		t.Errorf("without HOME: %d %s%s", r.Code, r.Out, r.Err)
	}
}

// TestPlacesOfOthers are directories that are not the caller's alone.
func TestPlacesOfOthers(t *testing.T) {
	u := newUser(t)
	if err := os.Mkdir(filepath.Join(u.home, "open"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, mode := range []os.FileMode{0o777, 0o1777, 0o757} {
		if err := os.Chmod(filepath.Join(u.home, "open"), mode&0o777|map[bool]os.FileMode{true: os.ModeSticky}[mode&0o1000 != 0]); err != nil {
			t.Fatal(err)
		}
		u.fails(1, []string{"use root: ", fmt.Sprintf("has mode %04o", mode), "hint: ", "chmod go-w"}, "--root", filepath.Join(u.home, "open"), "ps")
	}
	u.fails(1, []string{"use root: /usr belongs to uid 0, not to uid " + fmt.Sprint(os.Getuid()), "hint: ", "CORACLE_ROOT"}, "--root", "/usr", "ps")
	tmp := filepath.Join(u.home, "tmp")
	if err := os.MkdirAll(filepath.Join(tmp, fmt.Sprint("coracle-", os.Getuid())), 0o755); err != nil {
		t.Fatal(err)
	}
	r := u.shell("unset XDG_RUNTIME_DIR; TMPDIR=" + tmp + " $C ps")
	if r.Code != 1 {
		t.Errorf("exit code %d: %s", r.Code, r.Out)
	}
	testutil.Contains(t, r.Err, "use run directory: ", "hint: ", "XDG_RUNTIME_DIR")
}

// TestLostOutput writes to a full disk and to pipes that nobody reads: whoever
// loses output ends, and not with 0.
func TestLostOutput(t *testing.T) {
	u := newUser(t)
	u.image("busybox.tar", "busybox")
	u.ok("run", "-d", "--name", "noisy", "--network", "none", "--log-driver", "none", "busybox", "yes")
	u.ok("run", "-d", "--name", "quiet", "--network", "none", "busybox", "sh", "-c", "seq 1 1000; sleep 1000")
	run := []string{"run", "--name", "once", "--network", "none", "--log-driver", "none", "busybox"}
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip(err)
	}
	defer full.Close()
	for _, c := range []struct {
		code int
		args []string
	}{
		{125, append(run, "seq", "1", "100000")},
		{125, append(run, "yes")},
		{1, []string{"exec", "quiet", "seq", "1", "100000"}},
		{1, []string{"exec", "quiet", "echo"}},
		{3, []string{"exec", "quiet", "sh", "-c", "echo; exit 3"}},
		{1, []string{"attach", "noisy"}},
		{1, []string{"logs", "quiet"}},
		{1, []string{"cp", "quiet:/bin", "-"}},
		{1, []string{"export", "quiet"}},
		{1, []string{"ps"}},
		{1, []string{"inspect", "quiet"}},
		{1, []string{"volume", "create"}},
	} {
		cmd := u.command(c.args...)
		errFile, err := os.CreateTemp(u.home, "err")
		if err != nil {
			t.Fatal(err)
		}
		cmd.Stderr = errFile
		code := u.onto(cmd, full)
		said, _ := os.ReadFile(errFile.Name())
		// What is written at once may be lost before or after the process has ended.
		if code == 0 || code != c.code && c.code != 3 {
			t.Errorf("%v onto a full disk: exit code %d, want %d: %s", c.args, code, c.code, said)
		}
		testutil.Contains(t, string(said), "write /dev/stdout: no space left on device")
		u.result("rm", "-f", "once")
	}
	for _, args := range [][]string{append(run, "yes"), {"exec", "quiet", "yes"}, {"attach", "noisy"}, {"logs", "-f", "quiet"}, {"cp", "quiet:/bin", "-"}, {"export", "quiet"}} {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		r.Close()
		cmd := u.command(args...)
		u.onto(cmd, w)
		w.Close()
		if ws := cmd.ProcessState.Sys().(syscall.WaitStatus); !ws.Signaled() || ws.Signal() != syscall.SIGPIPE {
			t.Errorf("%v onto a pipe without a reader: %v", args, cmd.ProcessState)
		}
		u.result("rm", "-f", "once")
	}
	// This is the init of a pid namespace, which no signal ends.
	if r := u.shell("{ $C save busybox; echo $? >code; } | head -c 10 >/dev/null; cat code"); strings.TrimSpace(r.Out) != "141" || r.Err != "" {
		t.Errorf("save: exit code %s%s, want 141", r.Out, r.Err)
	}
	u.ok("rm", "-f", "noisy", "quiet")
}

// onto runs a command with a standard output, and returns its exit code.
func (u *user) onto(cmd *exec.Cmd, out *os.File) int {
	u.t.Helper()
	cmd.Stdout = out
	if err := cmd.Start(); err != nil {
		u.t.Fatal(err)
	}
	timer := time.AfterFunc(testutil.Longest, func() { _ = cmd.Process.Kill() })
	_ = cmd.Wait()
	if !timer.Stop() {
		u.t.Fatalf("%v hangs", cmd.Args)
	}
	return cmd.ProcessState.ExitCode()
}

// TestReaderThatDoesNotRead kills a command whose output is stuck: the container
// goes on without it.
func TestReaderThatDoesNotRead(t *testing.T) {
	u := newUser(t)
	u.image("busybox.tar", "busybox")
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	cmd := u.command("run", "--name", "stuck", "--network", "none", "busybox", "sh", "-c", "yes | head -c 1000000; touch /done; sleep 1000")
	cmd.Stdout = w
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := func() bool { return u.result("exec", "stuck", "test", "-e", "/done").Code == 0 }
	testutil.Eventually(t, "the container runs", func() bool { return u.result("exec", "stuck", "true").Code == 0 })
	if done() {
		t.Fatal("the container was not held up: this test shows nothing")
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	testutil.Eventually(t, "the container goes on", done)
	w.Close()
	u.ok("rm", "-f", "stuck")
}
