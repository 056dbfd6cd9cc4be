// SPDX-License-Identifier: Apache-2.0

package ns

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"coracle/pkg/hint"
)

// TestShedCaller: what the caller has open is not passed on, and the umask is ours.
func TestShedCaller(t *testing.T) {
	old := unix.Umask(0o77)
	defer unix.Umask(old)
	fd, err := unix.Dup(0) // without close-on-exec
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if got := ShedCaller(); got != 0o77 {
		t.Errorf("the caller's umask is %o", got)
	}
	if now := unix.Umask(0); now != 0o22 {
		t.Errorf("ours is %o", now)
	}
	flags := func(fd int) int {
		n, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if flags(fd)&unix.FD_CLOEXEC == 0 || flags(0)&unix.FD_CLOEXEC != 0 {
		t.Error("a descriptor is passed on, or the standard input is not")
	}
	again, err := unix.Dup(0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(again)
	closeEachOnExec("/proc/self/fd") // as on Linux before 5.11
	if flags(again)&unix.FD_CLOEXEC == 0 || flags(0)&unix.FD_CLOEXEC != 0 {
		t.Error("one by one: a descriptor is passed on, or the standard input is not")
	}
	closeEachOnExec("/nowhere")
}

// TestSpecOf: a stage is told all that it reads, under the spec's own names.
func TestSpecOf(t *testing.T) {
	whole := &specs.Spec{
		Process: &specs.Process{Cwd: "/x", Args: []string{"a"}}, Root: &specs.Root{Path: "/r", Readonly: true}, Hostname: "h", Domainname: "d",
		Mounts: []specs.Mount{{Destination: "/m", Type: "tmpfs"}}, Hooks: &specs.Hooks{StartContainer: []specs.Hook{{Path: "/hook"}}},
		Linux: &specs.Linux{
			Sysctl: map[string]string{"a": "1"}, Namespaces: []specs.LinuxNamespace{{Type: specs.UTSNamespace}}, Devices: []specs.LinuxDevice{{Path: "/dev/x"}},
			RootfsPropagation: "slave", MaskedPaths: []string{"/a"}, ReadonlyPaths: []string{"/b"}, Seccomp: &specs.LinuxSeccomp{DefaultAction: specs.ActErrno},
		},
	}
	part := specOf(whole)
	data, err := json.Marshal(part)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(data), "seccomp") {
		t.Errorf("the filter goes along: %s", data)
	}
	var back specs.Spec
	if err := json.Unmarshal(data, &back); err != nil {
		t.Fatal(err)
	}
	whole.Linux.Seccomp = nil
	if !reflect.DeepEqual(&back, whole) {
		t.Errorf("%s", data)
	}
	if got := specOf(&specs.Spec{}); got.Linux.Namespaces != nil {
		t.Errorf("%+v", got)
	}
	// No field of ours is forgotten above.
	for v, kind := reflect.ValueOf(*part), ""; ; kind = "Linux." {
		for i := range v.NumField() {
			if v.Field(i).IsZero() {
				t.Errorf("%s%s is not taken over, or not tested", kind, v.Type().Field(i).Name)
			}
		}
		if kind != "" {
			break
		}
		v = reflect.ValueOf(part.Linux)
	}
}

// TestRunHooks: each hook hears the state, has its own environment alone, and the
// first that fails is the last.
func TestRunHooks(t *testing.T) {
	dir := t.TempDir()
	script := func(text string) specs.Hook {
		return specs.Hook{Path: "/bin/sh", Args: []string{"sh", "-c", "cd " + dir + "; " + text}, Env: []string{"A=1"}}
	}
	content := func(name string) string {
		data, _ := os.ReadFile(filepath.Join(dir, name))
		return string(data)
	}
	err := RunHooks("prestart", []specs.Hook{script("cat >state"), script(`echo "$A-$HOME" >env`), script("exit 3"), script("touch later")}, []byte(`{"id":"x"}`))
	if err == nil || err.Error() != "hooks.prestart[2]: /bin/sh: exit status 3" {
		t.Errorf("%v", err)
	}
	if content("state") != `{"id":"x"}` || content("env") != "1-\n" {
		t.Errorf("state %q, environment %q", content("state"), content("env"))
	}
	if _, err := os.Stat(filepath.Join(dir, "later")); err == nil {
		t.Error("a hook after one that failed was run")
	}
	// A hook need not read, however much there is, and is not waited for for ever.
	if err := RunHooks("poststop", []specs.Hook{script("true")}, make([]byte, 1<<20)); err != nil {
		t.Error(err)
	}
	one := 1
	slow := script("exec sleep 60")
	slow.Timeout = &one
	began := time.Now()
	if err := RunHooks("poststart", []specs.Hook{slow}, nil); err == nil || !strings.Contains(err.Error(), "signal: killed") || time.Since(began) > 40*time.Second {
		t.Errorf("after %v: %v", time.Since(began), err)
	}
	if err := RunHooks("x", []specs.Hook{{Path: "/nowhere"}}, nil); !errors.Is(err, unix.ENOENT) || !strings.HasPrefix(err.Error(), "hooks.x[0]: ") {
		t.Errorf("%v", err)
	}
	if err := RunHooks("x", nil, nil); err != nil {
		t.Error(err)
	}
}

// TestThreads reads how many a process has, whatever it is called.
func TestThreads(t *testing.T) {
	name := filepath.Join(t.TempDir(), "stat")
	for text, want := range map[string]int{
		"7 (sh) S 1 7 7 0 -1 4194560 100 0 0 0 0 0 0 0 20 0 3 0 100 1 1":        3,
		"7 (a ) b) 9) S 1 7 7 0 -1 4194560 100 0 0 0 0 0 0 0 20 0 12 0 100 1 1": 12,
		"7 (sh) S 1 7": -1, "": -1, "7 (sh) S 1 7 7 0 -1 4194560 100 0 0 0 0 0 0 0 20 0 many 0": -1,
	} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		n, err := threads(name)
		if (err != nil) != (want < 0) || err == nil && n != want {
			t.Errorf("%q: %d, %v", text, n, err)
		}
	}
	if _, err := threads("/nowhere"); err == nil {
		t.Error("of no process")
	}
	if own := ownTasks(os.Geteuid()); own < 2 {
		t.Errorf("this user has %d threads", own)
	}
	if own := ownTasks(1 << 30); own != 0 {
		t.Errorf("nobody has %d", own)
	}
}

// TestExplain: what the kernel says is told with what can be done.
func TestExplain(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{unix.ENOSPC, "max_"}, {unix.EAGAIN, "processes"}, {unix.ENOMEM, "processes"}, {unix.ENOENT, ""},
	} {
		wrapped := fmt.Errorf("fork: %w", c.err)
		for _, explained := range []error{explainUserNS(wrapped), explainFork(wrapped)} {
			if !errors.Is(explained, c.err) || (hint.Of(explained) != "") != (c.want != "") || !strings.Contains(hint.Of(explained), c.want) {
				t.Errorf("%v: hint %q, want %q", explained, hint.Of(explained), c.want)
			}
		}
	}
	if err := explainUserNS(unix.EPERM); !errors.Is(err, unix.EPERM) {
		t.Errorf("%v", err)
	}
	if got := (&diedError{"init"}).Error(); got != "init: the process died" {
		t.Errorf("%q", got)
	}
	if e := (&setupError{"mount /x", unix.EPERM, "what the stage said"}); e.Hint() != "what the stage said" || e.Error() != "mount /x" || !errors.Is(e, unix.EPERM) {
		t.Errorf("%v, %q", e, e.Hint())
	}
	if err := (Answer{Error: "x"}).err(); err == nil || err.Error() != "x" || errors.Unwrap(err) != nil {
		t.Errorf("%v", err)
	}
}

// TestSmallLimits: a process that was given little says what to raise. Limits do not
// come back, so it is another one.
func TestSmallLimits(t *testing.T) {
	if os.Getenv("NS_TEST_LIMITS") != "" {
		fmt.Print("says: ", SmallLimits(), "\n")
		return
	}
	run := func(ulimit string) string {
		cmd := exec.Command("/bin/sh", "-c", ulimit+` && exec "$0" -test.run='^TestSmallLimits$'`, os.Args[0])
		cmd.Env = append(os.Environ(), "NS_TEST_LIMITS=1")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", ulimit, err, out)
		}
		first, _, _ := strings.Cut(string(out), "\n")
		return first
	}
	if got := run("ulimit -v 4000000"); !strings.Contains(got, "ulimit -v (now 4000000)") || !strings.Contains(got, "pids.max and memory.max") {
		t.Errorf("%s", got)
	}
	if got := run("ulimit -d 900000"); !strings.Contains(got, "ulimit -d (now 900000)") {
		t.Errorf("%s", got)
	}
}
