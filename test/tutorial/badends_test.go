// SPDX-License-Identifier: Apache-2.0

package tutorial

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"coracle/internal/testutil"
)

// processes are the command lines of all that works on the user's store.
func (u *user) processes() []string {
	root := filepath.Join(u.home, "root")
	var list []string
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, f := range files {
		line, err := os.ReadFile(f)
		if err == nil && strings.HasPrefix(string(line), "coracle-") && strings.Contains(string(line), root) {
			list = append(list, strings.ReplaceAll(string(line), "\x00", " "))
		}
	}
	return list
}

// quiet waits until nothing works on the store.
func (u *user) quiet() {
	u.t.Helper()
	testutil.Eventually(u.t, "nothing of it runs", func() bool { return len(u.processes()) == 0 })
}

func (u *user) containerFile(id, name string) string {
	return filepath.Join(u.home, "root", "containers", id, name)
}

// supervisor is the pid of a running container's supervisor.
func (u *user) supervisor(id string) int {
	u.t.Helper()
	data, err := os.ReadFile(u.containerFile(id, "state.json"))
	var st struct{ Supervisor struct{ Pid int } }
	if err = errors.Join(err, json.Unmarshal(data, &st)); err != nil || st.Supervisor.Pid <= 1 {
		u.t.Fatalf("no supervisor in %s: %v", data, err)
	}
	return st.Supervisor.Pid
}

func TestDamagedRecordHidesNothingElse(t *testing.T) {
	u := newUser(t)
	u.image("busybox.tar", "busybox")
	good := u.ok("create", "--name", "good", "--network", "none", "busybox", "true")
	for name, content := range map[string]string{"empty": "", "half": `{"version":1,"id":"`, "other": `{"version":99}`, "gone": "-"} {
		id := u.ok("run", "-d", "--name", name, "--network", "none", "busybox", "sleep", "1000")
		record := u.containerFile(id, "record.json")
		err := os.WriteFile(record, []byte(content), 0o600)
		if content == "-" {
			err = os.Remove(record)
		}
		if err != nil {
			t.Fatal(err)
		}
		r := u.result("ps", "-aq")
		if r.Code != 0 || strings.TrimSpace(r.Out) != good[:12]+"\n"+id[:12] {
			t.Errorf("%s: ps -aq: %d %q, want the good one and the dead one", name, r.Code, r.Out)
		}
		testutil.Contains(t, r.Err, "read record of container "+id[:12], "rm -f "+id[:12])
		u.fails(1, []string{"read record of container " + id[:12]}, "rm", name)
		u.fails(1, []string{"read record of container " + id[:12]}, "inspect", name)
		u.ok("rm", "-f", name)
		u.quiet()
		u.ok("run", "--rm", "--name", name, "--network", "none", "busybox", "true")
	}
	if r := u.result("ps", "-a"); r.Err != "" {
		t.Errorf("ps still says: %s", r.Err)
	}
}

func TestDeadSupervisor(t *testing.T) {
	u := newUser(t)
	u.image("busybox.tar", "busybox")
	id := u.ok("run", "-d", "--name", "web", "--network", "none", "busybox", "sleep", "1000")
	if err := syscall.Kill(u.supervisor(id), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	// Whoever comes while it dies waits for its end.
	u.fails(1, []string{"container " + id + " is not running"}, "exec", "web", "true")
	u.quiet()
	testutil.Eventually(t, "the container has ended", func() bool { return strings.Contains(u.ok("ps", "-a"), "Exited (137)") })
	if got := u.ok("inspect", "-f", "{{.State.Running}} {{.State.Error}}", "web"); got != "false supervisor lost" {
		t.Errorf("inspect: %s", got)
	}
	u.fails(1, []string{"container " + id + " is not running"}, "exec", "web", "true")
	if got := u.ok("wait", "web"); got != "137" {
		t.Errorf("wait: %s", got)
	}
	u.ok("start", "web")
	if got := u.ok("inspect", "-f", "{{.State.Running}}", "web"); got != "true" {
		t.Errorf("does not start again: %s", got)
	}

	// Its clients are told, once.
	fg := u.command("attach", "web")
	var said strings.Builder
	fg.Stdout, fg.Stderr = &said, &said
	if err := fg.Start(); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(u.supervisor(id), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := fg.Wait(); err == nil || strings.Count(said.String(), "\n") != 1 {
		t.Errorf("attach to what is killed: %v, %q", err, said.String())
	}
	u.quiet()
	u.ok("rm", "web")

	// Whatever is asked for while it dies has its end before.
	for _, ask := range [][]string{{"rm", "web"}, {"wait", "web"}, {"start", "web"}, {"cp", "web:/etc/passwd", "-"}, {"attach", "web"}, {"kill", "web"}} {
		id := u.ok("run", "-d", "--name", "web", "--network", "none", "busybox", "sleep", "1000")
		if err := syscall.Kill(u.supervisor(id), syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		r := u.result(ask...)
		if strings.Contains(r.Err, "supervisor") || strings.Contains(r.Err, "is running") {
			t.Errorf("%s: %d, %q", ask[0], r.Code, r.Err)
		}
		if got := u.result("inspect", "-f", "{{.State.Running}}", "web").Out; (got == "true\n") != (ask[0] == "start") {
			t.Errorf("after %s: running is %q", ask[0], got)
		}
		u.result("rm", "-f", "web")
	}
}

// TestRestartingContainer asks for what a container between two starts does not
// have.
func TestRestartingContainer(t *testing.T) {
	u := newUser(t)
	u.image("busybox.tar", "busybox")
	id := u.ok("run", "-d", "--name", "again", "--network", "none", "--restart", "always", "busybox", "sh", "-c", "exit 4")
	for range 3 { // each end counts for who waits, not only the last
		if got := u.ok("wait", "again"); got != "4" {
			t.Errorf("wait: %q", got)
		}
	}
	want := "Container " + id + " is restarting, wait until the container is running"
	for _, args := range [][]string{{"exec", "again", "true"}, {"top", "again"}, {"cp", "again:/etc/passwd", "-"}} {
		testutil.Eventually(t, args[0]+" is refused", func() bool {
			r := u.result(args...)
			if r.Code != 0 && !strings.Contains(r.Err, want) && !strings.Contains(r.Err, "container "+id+" is not running") {
				t.Errorf("%s: %d, %q", args[0], r.Code, r.Err)
			}
			return r.Code == 1 && strings.Contains(r.Err, want)
		})
	}
	u.ok("rm", "-f", "again")
}

// TestIDFile is about --cidfile: a container whose file cannot be written is none.
func TestIDFile(t *testing.T) {
	u := newUser(t)
	u.image("busybox.tar", "busybox")
	file := filepath.Join(u.home, "cid")
	id := u.ok("create", "--cidfile", file, "--network", "none", "busybox", "true")
	if got, err := os.ReadFile(file); err != nil || string(got) != id {
		t.Errorf("%q, %v, want %s", got, err, id)
	}
	for where, want := range map[string]string{
		file:                  "container ID file found, make sure the other container isn't running or delete " + file,
		"/proc/cid":           "failed to create the container ID file: open /proc/cid: ",
		u.home + "/none/cid":  "failed to create the container ID file: open " + u.home + "/none/cid: no such file or directory",
		u.home + "/cid/under": "failed to create the container ID file: open " + u.home + "/cid/under: not a directory",
	} {
		for _, verb := range [][]string{{"create"}, {"run"}, {"run", "-d", "--rm"}} {
			u.fails(125, []string{want}, append(verb, "--cidfile", where, "--network", "none", "busybox", "true")...)
		}
	}
	u.fails(125, nil, "create", "--cidfile", file+"2", "--name", "!", "busybox")
	if _, err := os.Lstat(file + "2"); err == nil {
		t.Error("there is a file of a container that is not")
	}
	if got := u.ok("ps", "-aq", "--no-trunc"); got != id {
		t.Errorf("containers: %q, want %s alone", got, id)
	}
}

func TestContainerThatDoesNotStart(t *testing.T) {
	u := newUser(t)
	u.image("busybox.tar", "busybox")
	source := filepath.Join(u.home, "source")
	if err := os.Mkdir(source, 0o755); err != nil {
		t.Fatal(err)
	}
	u.ok("create", "--name", "late", "--network", "none", "--mount", "type=bind,src="+source+",dst=/s", "busybox", "true")
	u.ok("create", "--name", "missing", "--network", "none", "busybox", "nosuch")
	u.ok("create", "--name", "denied", "--network", "none", "busybox", "/etc/passwd")
	u.ok("create", "--name", "directory", "--network", "none", "busybox", "/etc")
	if err := os.Remove(source); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]struct {
		words string
		code  string
	}{
		"late":      {"bind source path does not exist: " + source, "128"},
		"missing":   {`exec: "nosuch": executable file not found in $PATH`, "127"},
		"denied":    {`exec: "/etc/passwd": permission denied`, "126"},
		"directory": {`exec: "/etc": is a directory: permission denied`, "126"},
	} {
		u.fails(1, []string{want.words}, "start", name)
		got := u.ok("inspect", "-f", "{{.State.Status}} {{.State.Running}} {{.State.Pid}} {{.State.ExitCode}}", name)
		if got != "created false 0 "+want.code {
			t.Errorf("%s: after the start: %s", name, got)
		}
		testutil.Contains(t, u.ok("inspect", "-f", "{{.State.Error}}", name), want.words)
	}
	u.quiet()
	if err := os.Mkdir(source, 0o755); err != nil {
		t.Fatal(err)
	}
	u.ok("start", "-a", "late")
	// What run has made stays, as in Docker, and may be asked why; with --rm it does not.
	for _, how := range []string{"-d", "-i"} {
		u.fails(127, []string{"nosuch"}, "run", how, "--name", "again", "--network", "none", "--restart", "always", "busybox", "nosuch")
		if got := u.ok("ps", "-a", "--filter", "name=again", "--format", "{{.Status}}"); got != "Created" {
			t.Errorf("run %s: %s", how, got)
		}
		if got := u.ok("inspect", "-f", "{{.State.Status}} {{.State.ExitCode}} {{.State.Error}}", "again"); !strings.HasPrefix(got, `created 127 exec: "nosuch"`) {
			t.Errorf("run %s: %s", how, got)
		}
		u.fails(1, []string{"nosuch"}, "start", "again")
		u.fails(1, []string{"nosuch"}, "start", "-a", "again")
		if got := u.ok("wait", "again"); got != "127" {
			t.Errorf("run %s: wait: %s", how, got)
		}
		u.ok("rm", "again")
		u.fails(127, []string{"nosuch"}, "run", how, "--rm", "--name", "again", "--network", "none", "busybox", "nosuch")
		u.fails(1, []string{"no such object"}, "inspect", "again")
	}
	// One that has run once has ended.
	u.ok("run", "--name", "again", "--network", "none", "busybox", "rm", "/bin/rm")
	u.fails(1, []string{`"rm"`}, "start", "again")
	if got := u.ok("inspect", "-f", "{{.State.Status}} {{.State.ExitCode}}", "again"); got != "exited 127" {
		t.Errorf("the second start: %s", got)
	}
}

// TestFullDisk runs itself again in a user namespace, where a small file
// system can be mounted for the store.
func TestFullDisk(t *testing.T) {
	u := newUser(t)
	disk := filepath.Join(u.home, "disk")
	if os.Getenv("CORACLE_TEST_SMALL_DISK") == "" {
		if err := os.Mkdir(disk, 0o755); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("/proc/self/exe", "-test.run", "^TestFullDisk$", "-test.v")
		cmd.Env = append(os.Environ(), "CORACLE_TEST_SMALL_DISK="+disk)
		cmd.SysProcAttr = &syscall.SysProcAttr{
			Cloneflags: syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
			// A user who has subordinate ids on the host, and none of them here.
			UidMappings: []syscall.SysProcIDMap{{ContainerID: os.Getuid(), HostID: os.Getuid(), Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{ContainerID: os.Getgid(), HostID: os.Getgid(), Size: 1}},
			AmbientCaps: []uintptr{unix.CAP_SYS_ADMIN},
		}
		out, err := cmd.CombinedOutput()
		if strings.Contains(string(out), "--- SKIP") || errors.Is(err, unix.EPERM) {
			t.Skipf("no small disk: %v\n%s", err, out)
		}
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	disk = os.Getenv("CORACLE_TEST_SMALL_DISK")
	if err := unix.Mount("tmpfs", disk, "tmpfs", 0, "size=24m,mode=755"); err != nil {
		t.Skipf("mount tmpfs: %v", err)
	}
	if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	u.env = append(u.env, "CORACLE_ROOT="+filepath.Join(disk, "root"))
	u.image("busybox.tar", "busybox")
	fill := func() string {
		path := filepath.Join(disk, "fill")
		f, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		block := make([]byte, 64<<10)
		for err == nil {
			_, err = f.Write(block)
		}
		for err = nil; err == nil; {
			_, err = f.Write(block[:1])
		}
		return path
	}
	// A log on a full disk has a gap; the container goes on.
	u.ok("run", "-d", "--name", "noisy", "--network", "none", "busybox", "sh", "-c", "while [ ! -e /tmp/stop ]; do echo noise; sleep 0.01; done; echo end")
	u.ok("run", "--name", "early", "--network", "none", "busybox", "true")
	filled := fill()
	for range 3 {
		for _, args := range [][]string{
			{"run", "--rm", "--network", "none", "busybox", "true"}, {"create", "--name", "more", "busybox", "true"}, {"volume", "create", "vol"}, {"start", "early"},
		} {
			r := u.result(args...)
			if r.Code == 0 || !strings.Contains(r.Err, "no space left on device") || strings.Count(r.Err, "no space left on device") > 1 || !strings.Contains(r.Err, "hint: free some space") {
				t.Errorf("%v on a full disk: %d %q", args, r.Code, r.Err)
			}
		}
	}
	if got := u.ok("ps", "-q"); len(got) != 12 {
		t.Errorf("ps on a full disk: %q", got)
	}
	if err := os.Remove(filled); err != nil {
		t.Fatal(err)
	}
	u.ok("start", "-a", "early")
	u.ok("rm", "early")
	u.ok("exec", "noisy", "touch", "/tmp/stop")
	u.ok("wait", "noisy")
	logs := u.ok("logs", "noisy")
	if !strings.HasSuffix(logs, "end") || strings.Trim(strings.ReplaceAll(strings.ReplaceAll(logs, "noise", ""), "end", ""), "\n") != "" {
		t.Errorf("the log after the disk was full: %q", logs[max(0, len(logs)-200):])
	}
	// Nothing of what failed is left.
	u.ok("rm", "noisy")
	if got := fmt.Sprint(u.ok("ps", "-aq"), u.ok("volume", "ls", "-q")); got != "" {
		t.Errorf("left: %q", got)
	}
	u.ok("run", "--rm", "--name", "more", "--network", "none", "busybox", "true")
	u.tmpEmpties(filepath.Join(disk, "root"))
}
