// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"coracle/internal/testutil"
)

func TestLife(t *testing.T) {
	b := newBundle(t, "echo started; trap 'exit 7' TERM; while :; do sleep 0.05; done")
	b.spec.Annotations = map[string]string{"org.example.a": "b"}
	out := b.create("c")
	st := b.status("c")
	if st.Status != specs.StateCreated || st.Pid != b.pid("c") || st.ID != "c" || st.Bundle != b.dir || st.Annotations["org.example.a"] != "b" || st.Version == "" {
		t.Errorf("the state is %+v, the pid %d", st, b.pid("c"))
	}
	if data, _ := os.ReadFile(out.Name()); len(data) > 0 {
		t.Errorf("create alone has run it: %q", data)
	}
	b.refused("exists already", "create", "c")
	b.refused("it is created", "delete", "c")
	b.refused("it is created", "exec", "c", "true")
	b.must("start", "c")
	b.text(out, "started")
	if st := b.status("c"); st.Status != specs.StateRunning || st.Pid != b.pid("c") {
		t.Errorf("the state is %+v", st)
	}
	b.refused("it is running", "start", "c")
	b.refused("it is running", "delete", "c")
	b.must("kill", "c", "TERM")
	if ws := b.reap("c"); ws.ExitStatus() != 7 {
		t.Errorf("the exit status is %v", ws)
	}
	if st := b.status("c"); st.Status != specs.StateStopped || st.Pid != 0 {
		t.Errorf("the state is %+v", st)
	}
	b.refused("it is stopped", "start", "c")
	b.refused("it is stopped", "kill", "c", "KILL")
	b.refused("it is stopped", "exec", "c", "true")
	b.must("delete", "c")
	for _, verb := range []string{"state", "start", "kill", "delete"} {
		b.refused(`container "c" does not exist`, verb, "c")
	}
	b.must("delete", "--force", "c")
	b.nothingLeft()
}

func TestKillAndForce(t *testing.T) {
	for _, signal := range []string{"9", "KILL", "SIGKILL", "kill"} {
		b := newBundle(t, "true")
		b.create("c")
		b.must("kill", "c", signal)
		if ws := b.reap("c"); ws.Signal() != unix.SIGKILL {
			t.Errorf("%s: the status is %v", signal, ws)
		}
		b.must("delete", "c")
	}
	b := newBundle(t, "sleep 1000")
	b.create("created")
	b.create("running")
	b.must("start", "running")
	b.refused("invalid signal: FISH", "kill", "running", "FISH")
	for _, id := range []string{"created", "running"} {
		b.must("delete", "--force", id)
		if ws := b.reap(id); ws.Signal() != unix.SIGKILL {
			t.Errorf("%s: the status is %v", id, ws)
		}
	}
	b.nothingLeft()
}

func TestRun(t *testing.T) {
	b := newBundle(t, "echo out; echo err >&2; exit 7")
	b.write()
	if r := b.oci("run", "c"); r.Code != 7 || r.Out != "out\n" || r.Err != "err\n" {
		t.Errorf("%+v", r)
	}
	b.nothingLeft()
	for _, c := range []struct {
		args []string
		code int
		said string
	}{
		{[]string{"sh", "-c", "kill -TERM $$; kill -KILL $$"}, 0, ""},
		{[]string{"nothing"}, 127, `exec: "nothing": executable file not found in $PATH`},
		{[]string{"/bin/nothing"}, 127, "no such file or directory"},
		{[]string{"/bin/plain"}, 126, "permission denied"},
		{[]string{"/etc"}, 126, "permission denied"},
	} {
		b.spec.Process.Args = c.args
		b.write()
		if r := b.oci("run", "c"); r.Code != c.code || !strings.Contains(r.Err, c.said) {
			t.Errorf("%v: %+v", c.args, r)
		}
		b.nothingLeft()
	}
}

// TestRunWithATerminalThatIsLost has nobody left who reads the terminal: it hangs
// up, and the container is gone before the command is.
func TestRunWithATerminalThatIsLost(t *testing.T) {
	b := newBundle(t, "yes")
	b.spec.Process.Terminal = true
	b.write()
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip(err)
	}
	defer full.Close()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	defer w.Close()
	for out, want := range map[*os.File]string{full: "no space left on device", w: ""} {
		cmd := b.command("run", "c")
		var said strings.Builder
		cmd.Stdout, cmd.Stderr = out, &said
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		timer := time.AfterFunc(testutil.Longest, func() { _ = cmd.Process.Kill() })
		err := cmd.Wait()
		if !timer.Stop() {
			t.Fatal("it hangs")
		}
		if err == nil || !strings.Contains(said.String(), want) {
			t.Errorf("%v, %q, want %q", err, said.String(), want)
		}
		if ws := cmd.ProcessState.Sys().(syscall.WaitStatus); out == w && ws.Signal() != unix.SIGPIPE {
			t.Errorf("without a reader: %v", err)
		}
		b.nothingLeft()
	}
}

// TestRunWithATerminalAndNoMoreInput has shells and others whose input is no terminal
// and comes to its end.
func TestRunWithATerminalAndNoMoreInput(t *testing.T) {
	for _, c := range []struct{ name, program, in, want string }{
		{"a shell, nothing", "sh", "", "#"},
		{"a shell, lines", "sh", "sleep 0.3\necho $((6*7))\n", "\r\n42\r\n"},
		{"cat, half a line", "cat", "half", "half"},
		{"one that begins late", "sleep 0.3; cat", "later\n", "later\r\nlater"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBundle(t, c.program)
			if b.spec.Process.Terminal = true; c.program == "sh" {
				b.spec.Process.Args = []string{"sh"} // reads lines as from a person
			}
			b.write()
			cmd := b.command("run", "c")
			cmd.Stdin = strings.NewReader(c.in)
			timer := time.AfterFunc(testutil.Longest, func() { _ = cmd.Process.Kill() })
			out, err := cmd.CombinedOutput()
			if !timer.Stop() {
				t.Fatalf("it hangs after %q", out)
			}
			if err != nil || !strings.Contains(string(out), c.want) {
				t.Errorf("%q, %v", out, err)
			}
			b.nothingLeft()
		})
	}
}

// TestProgramThatIsMissing is told of by create, as by other runtimes: conmon and podman
// read its words, and end with 127 or 126 by them.
func TestProgramThatIsMissing(t *testing.T) {
	b := newBundle(t, "")
	for _, c := range []struct{ program, said string }{
		{"nothing", "exec: \"nothing\": executable file not found in $PATH"},
		{"/bin/nothing", "no such file or directory"},
		{"/etc", "permission denied"},
		{"/bin/plain", "permission denied"},
	} {
		b.spec.Process.Args = []string{c.program}
		b.write()
		b.refused(c.said, "create", "c")
		b.nothingLeft()
	}
}

// TestProgramThatGoesMissing is there when its container is created.
func TestProgramThatGoesMissing(t *testing.T) {
	b := newBundle(t, "")
	program := filepath.Join(b.spec.Root.Path, "goes")
	if !filepath.IsAbs(program) {
		program = filepath.Join(b.dir, program)
	}
	if err := os.WriteFile(program, nil, 0o755); err != nil {
		t.Fatal(err)
	}
	b.spec.Process.Args = []string{"/goes"}
	b.create("c")
	if err := os.Remove(program); err != nil {
		t.Fatal(err)
	}
	b.refused("no such file or directory", "start", "c")
	b.reap("c")
	if st := b.status("c"); st.Status != specs.StateStopped {
		t.Errorf("the state is %+v", st)
	}
	b.must("delete", "c")
	b.spec.Process = nil
	b.create("none")
	b.refused("process: missing", "start", "none")
}

func TestDetached(t *testing.T) {
	b := newBundle(t, "sleep 1000")
	b.write()
	b.must("run", "--detach", "--pid-file", filepath.Join(b.dir, "c.pid"), "c")
	if st := b.status("c"); st.Status != specs.StateRunning || st.Pid != b.pid("c") {
		t.Errorf("the state is %+v", st)
	}
}

func TestPidFileFollowsNoLink(t *testing.T) {
	b := newBundle(t, "true")
	b.write()
	victim, link := filepath.Join(b.dir, "victim"), filepath.Join(b.dir, "c.pid")
	if err := os.WriteFile(victim, []byte("precious"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(victim, link); err != nil {
		t.Fatal(err)
	}
	b.create("c")
	if data, err := os.ReadFile(victim); err != nil || string(data) != "precious" {
		t.Errorf("A FILE BEHIND A LINK WAS OVERWRITTEN: %q, %v", data, err)
	}
	if b.pid("c") != b.status("c").Pid {
		t.Error("the pid file does not hold the pid")
	}
	if r := b.oci("create", "--pid-file", "/none/pid", "d"); r.Code == 0 || !strings.Contains(r.Err, "write pid file") {
		t.Errorf("%+v", r)
	}
	b.refused("does not exist", "state", "d")
}

func TestList(t *testing.T) {
	b := newBundle(t, "sleep 1000")
	if out := b.must("list", "--format", "json"); strings.TrimSpace(out) != "[]" {
		t.Errorf("of none: %q", out)
	}
	b.create("one")
	b.create("two")
	if out := b.must("list", "-q"); out != "one\ntwo\n" {
		t.Errorf("list -q: %q", out)
	}
	var all []specs.State
	if err := json.Unmarshal([]byte(b.must("list", "-f", "json")), &all); err != nil || len(all) != 2 || all[0].ID != "one" || all[1].Pid != b.pid("two") {
		t.Errorf("%+v, %v", all, err)
	}
	if out := b.must("list"); !strings.HasPrefix(out, "ID ") || strings.Count(out, "created") != 2 {
		t.Errorf("list: %q", out)
	}
	b.refused("not known", "list", "-f", "yaml")
}

func TestFeaturesAndSpec(t *testing.T) {
	b := newBundle(t, "true")
	var f struct {
		OCIVersionMin, OCIVersionMax string
		Hooks, MountOptions          []string
		Linux                        struct {
			Namespaces []string
			Seccomp    struct{ Enabled bool }
		}
	}
	if err := json.Unmarshal([]byte(b.must("features")), &f); err != nil {
		t.Fatal(err)
	}
	if f.OCIVersionMin != "1.0.0" || len(f.Hooks) != 6 || len(f.Linux.Namespaces) != 7 || !f.Linux.Seccomp.Enabled || len(f.MountOptions) == 0 {
		t.Errorf("%+v", f)
	}
	b.refused("it is there already", "spec")
}

func TestKilledCreateIsNoObstacle(t *testing.T) {
	b := newBundle(t, "true")
	if err := os.MkdirAll(filepath.Join(b.state, "c"), 0o700); err != nil {
		t.Fatal(err)
	}
	b.refused("does not exist", "state", "c")
	b.create("c")
	b.must("delete", "--force", "c")
	if err := os.MkdirAll(filepath.Join(b.state, "d"), 0o700); err != nil {
		t.Fatal(err)
	}
	b.must("delete", "--force", "d")
	b.nothingLeft()
}

func TestLog(t *testing.T) {
	b := newBundle(t, "true")
	log := filepath.Join(b.dir, "log")
	cmd := b.command("--log", log, "--log-format", "json", "start", "nobody")
	if err := cmd.Run(); err == nil {
		t.Error("it was started")
	}
	var line struct{ Level, Msg string }
	data, err := os.ReadFile(log)
	if err == nil {
		err = json.Unmarshal(data, &line)
	}
	if err != nil || line.Level != "error" || line.Msg != `container "nobody" does not exist` {
		t.Errorf("%s, %v", data, err)
	}
}

// TestSlurm does what slurmstepd does for `srun --container` with the oci.conf of
// docs/shared-hosts.md (Slurm's src/slurmd/slurmstepd/container.c): it rewrites the
// configuration, replaces itself by a shell with RunTimeRun, and asks and clears up
// afterwards.
func TestSlurm(t *testing.T) {
	b := newBundle(t, "")
	spool := t.TempDir()
	step := filepath.Join(spool, "oci-job7-0")
	if err := os.Mkdir(step, 0o700); err != nil {
		t.Fatal(err)
	}
	b.spec.Root.Path = filepath.Join(b.dir, "rootfs")
	b.spec.Process.Args = []string{"sh", "-c", "cat; echo $SLURM_JOB_ID; [ -d " + step + " ] && exit 5"}
	b.spec.Process.Env = append(b.spec.Process.Env, "SLURM_JOB_ID=7")
	b.spec.Mounts = append(b.spec.Mounts, specs.Mount{Destination: step, Type: "none", Source: step, Options: []string{"bind"}})
	data, err := json.Marshal(b.spec)
	if err == nil {
		err = os.WriteFile(filepath.Join(step, "config.json"), data, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	cmd := b.command("run", "-b", step, "vm.user.7.0.0")
	cmd.Stdin = strings.NewReader("input\n")
	if out, err := cmd.Output(); string(out) != "input\n7\n" || cmd.ProcessState.ExitCode() != 5 {
		t.Errorf("%q, %v", out, err)
	}
	b.refused(`container "vm.user.7.0.0" does not exist`, "state", "vm.user.7.0.0")
	b.must("delete", "--force", "vm.user.7.0.0")
	b.nothingLeft()
}
