// SPDX-License-Identifier: Apache-2.0

package tutorial

import (
	"os"
	"strings"
	"syscall"
	"testing"

	"coracle/internal/testutil"
)

// TestForegroundOfRestarted stays with the first process of a container only: who
// follows it has other streams.
func TestForegroundOfRestarted(t *testing.T) {
	u := newUser(t)
	u.image("busybox.tar", "busybox")
	for _, policy := range []string{"always", "on-failure:3"} {
		cmd := u.command("run", "-i", "--name", "again", "--network", "none", "--restart", policy, "busybox", "sh", "-c", "cat; exit 3")
		cmd.Stdin = strings.NewReader("hello\n")
		if r := u.finish(cmd); r.Code != 3 || r.Out != "hello\n" {
			t.Errorf("%s: %d %q %s", policy, r.Code, r.Out, r.Err)
		}
		u.ok("rm", "-f", "again")
	}
}

// TestKillEndsRestart: a signal that may be meant to end a container takes it out
// of its restart policy.
func TestKillEndsRestart(t *testing.T) {
	u := newUser(t)
	u.image("busybox.tar", "busybox")
	for _, c := range []struct {
		stop, signal string
		ends         bool
	}{
		{"", "TERM", true},
		{"", "USR1", true},
		{"", "KILL", true},
		{"USR1", "USR1", true},
		{"USR1", "KILL", true},
		{"USR1", "TERM", false},
	} {
		args := []string{"run", "-d", "--name", "again", "--network", "none", "--restart", "always"}
		if c.stop != "" {
			args = append(args, "--stop-signal", c.stop)
		}
		u.ok(append(args, "busybox", "sh", "-c", "trap 'exit 42' TERM USR1; touch /ready; while :; do sleep 0.05; done")...)
		testutil.Eventually(t, "it is ready", func() bool { return u.result("exec", "again", "test", "-e", "/ready").Code == 0 })
		u.ok("kill", "-s", c.signal, "again")
		state := func() string {
			return u.ok("inspect", "-f", "{{.State.Status}} {{.RestartCount}}", "again")
		}
		want := "running 1"
		if c.ends {
			want = "exited 0"
		}
		testutil.Eventually(t, "after "+c.signal+" with stop signal "+c.stop+" it is "+want, func() bool { return state() == want })
		u.ok("rm", "-f", "again")
	}
}

// TestKilledSupervisor kills the process beside a container with --rm: it is as if
// it had ended.
func TestKilledSupervisor(t *testing.T) {
	u := newUser(t)
	u.image("busybox.tar", "busybox")
	kill := func(name string) {
		if err := syscall.Kill(u.supervisor(u.ok("inspect", "-f", "{{.Id}}", name)), syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	run := []string{"run", "-d", "--rm", "--name", "web", "--network", "none", "-v", "/data", "busybox", "sh", "-c", "touch /data/x; chown 1000 /data/x; sleep 1000"}
	u.ok(run...)
	kill("web")
	testutil.Eventually(t, "it is not listed", func() bool { return u.ok("ps", "-aq") == "" })
	u.ok(run...)
	kill("web")
	testutil.Eventually(t, "its name is free", func() bool {
		return u.result("run", "-d", "--rm", "--name", "web", "--network", "none", "busybox", "sleep", "1000").Code == 0
	})
	if list := strings.Fields(u.ok("ps", "-aq")); len(list) != 1 {
		t.Errorf("listed: %v", list)
	}
	u.ok("rm", "-f", "-v", "web")
	if left := u.ok("volume", "ls", "-q"); left != "" {
		t.Errorf("volumes are left: %s", left)
	}
}

// TestDamagedIsListed breaks what is on the disk of containers in many ways: they
// are listed, can be removed, and are in nobody's way.
func TestDamagedIsListed(t *testing.T) {
	u := newUser(t)
	u.image("busybox.tar", "busybox")
	u.ok("create", "--name", "good", "busybox", "true")
	for _, file := range []string{"record.json", "state.json"} {
		for _, text := range []string{"", "[]", "garbage", `"`, `{"version":2,"created":"99999-01-01T00:00:00Z","startedAt":"99999-01-01T00:00:00Z"}`} {
			id := u.ok("create", "--name", "bad", "busybox", "true")
			if err := os.WriteFile(u.containerFile(id, file), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			r := u.result("ps", "-a", "--format", "{{.ID}} {{.Names}} {{.State}}")
			testutil.Contains(t, r.Out, "good created", id[:12]+" bad dead")
			testutil.Contains(t, r.Err, "remove it with: rm -f")
			for _, args := range [][]string{{"inspect", "bad"}, {"start", "bad"}, {"logs", "bad"}, {"rename", "bad", "worse"}, {"update", "--restart", "no", "bad"}} {
				if r := u.result(args...); r.Code == 0 || strings.Contains(r.Err, "goroutine") {
					t.Errorf("%s %q: %v: %d %s", file, text, args, r.Code, r.Err)
				}
			}
			u.ok("info")
			u.ok("rm", "-f", "bad")
		}
	}
	u.ok("rm", "good")
}

// TestExecIsOfTheContainer: what exec runs is given what the container was given,
// and a terminal's TERM only with a terminal.
func TestExecIsOfTheContainer(t *testing.T) {
	u := newUser(t)
	u.image("busybox.tar", "busybox")
	for _, c := range []struct{ run, exec, want string }{
		{"", "", ""},
		{"-t", "", ""},
		{"", "-t", "xterm"},
		{"-t", "-t", "xterm"},
		{"-e TERM=vt52", "-t", "vt52"},
		{"-t -e TERM=vt52", "-t", "vt52"},
		{"-e TERM=vt52", "-t -e TERM=ansi", "ansi"},
		{"-e TERM=vt52", "", "vt52"},
	} {
		u.ok(append(strings.Fields("run -d --name one --network none "+c.run), "busybox", "sleep", "1000")...)
		args := append(strings.Fields("exec "+c.exec), "one", "sh", "-c", `printf %s "$TERM"`)
		if got := strings.TrimSpace(u.ok(args...)); got != c.want {
			t.Errorf("run %s, exec %s: TERM is %q, want %q", c.run, c.exec, got, c.want)
		}
		u.ok("rm", "-f", "one")
	}
	if u.result("run", "-d", "--name", "one", "--network", "none", "--group-add", "1234", "busybox", "sleep", "1000").Code != 0 || u.result("exec", "-u", "33", "one", "true").Code != 0 {
		t.Skip("this user has a single id")
	}
	for user, want := range map[string]string{"33": "0 1234", "65534:65534": "65534 1234", "root": "0 1234", "": "0 1234"} {
		if got := u.ok("exec", "-u", user, "one", "id", "-G"); got != want && got != strings.Replace(want, "0 1234", "0 10 1234", 1) {
			t.Errorf("exec -u %q: groups %s, want %s", user, got, want)
		}
	}
	u.ok("rm", "-f", "one")
}

// TestRenamedIsFound gives a container that runs another name: the others on its
// network find it by that.
func TestRenamedIsFound(t *testing.T) {
	u := newUser(t)
	u.image("busybox.tar", "busybox")
	u.ok("network", "create", "lan")
	u.ok("run", "-d", "--name", "first", "--network", "lan", "busybox", "sleep", "1000")
	u.ok("run", "-d", "--name", "other", "--network", "lan", "busybox", "sleep", "1000")
	finds := func(name string) func() bool {
		return func() bool { return u.result("exec", "other", "nslookup", "-type=a", name).Code == 0 }
	}
	testutil.Eventually(t, "first is found", finds("first"))
	u.ok("rename", "first", "second")
	testutil.Eventually(t, "second is found", finds("second"))
	testutil.Eventually(t, "first is not", func() bool { return !finds("first")() })
	u.ok("rm", "-f", "second", "other")
	u.ok("network", "rm", "lan")
}
