// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"strconv"
	"strings"
	"testing"

	"coracle/internal/testutil"
)

// limited are the options of limits, and the files in which a container finds them.
const (
	limited = "-m 64m --memory-swap 64m --cpus 0.5 --pids-limit 50"
	shown   = "cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/cpu.max /sys/fs/cgroup/pids.max"
	limits  = "67108864\n50000 100000\n50"
)

// In a session the limits are those of a scope of the user's manager.
func testLimits(t *testing.T) {
	for _, name := range []string{full, solo} {
		p := someone(t, name, false)
		r := p.login("coracle run --rm " + limited + " busybox sh -c '" + shown + "; cat /proc/self/cgroup'")
		if r.Code != 0 || r.Text() != limits+"\n0::/" || r.Err != "" {
			t.Errorf("%s: %d %q, want %q", name, r.Code, r.All(), limits)
		}
	}
	p := someone(t, full, true)
	p.ok("coracle run -d --name lim " + limited + " busybox sh -c 'while :; do echo x >>/n; sleep 0.1; done'")
	defer p.login("coracle rm -f lim")
	group := "/sys/fs/cgroup" + strings.TrimPrefix(root(t, "cat /proc/"+p.ok("coracle inspect -f '{{.State.Pid}}' lim")+"/cgroup"), "0::")
	testutil.Contains(t, group, "/user.slice/", "/user@", "coracle-")
	read := func(file string) string { return root(t, "cat "+group+"/"+file) }

	p.ok("coracle update -m 32m --memory-swap 32m --cpus 0.25 --pids-limit 40 lim")
	if got := read("memory.max") + " " + read("cpu.max") + " " + read("pids.max"); got != "33554432 25000 100000 40" {
		t.Errorf("after update: %s", got)
	}
	p.ok("coracle pause lim")
	if got := read("cgroup.events"); !strings.Contains(got, "frozen 1") {
		t.Errorf("paused: %s", got)
	}
	before := p.ok("coracle ps --format '{{.Status}}'; wc -l </proc/$(coracle inspect -f '{{.State.Pid}}' lim)/root/n")
	again := p.ok("wc -l </proc/$(coracle inspect -f '{{.State.Pid}}' lim)/root/n")
	if !strings.Contains(before, "(Paused)") || !strings.HasSuffix(before, again) {
		t.Errorf("paused: %s, then %s lines", before, again)
	}
	p.ok("coracle unpause lim")
	if got := read("cgroup.events"); !strings.Contains(got, "frozen 0") {
		t.Errorf("goes on: %s", got)
	}
	testutil.Contains(t, p.ok("coracle stats --no-stream --format '{{.Name}} {{.MemUsage}} {{.PIDs}}'"), "lim ", "/ 32MiB")

	// More than the limit ends it, and it is known why.
	p.login("coracle run --name oom -m 16m --memory-swap 16m busybox sh -c 'dd if=/dev/zero of=/dev/null bs=100M count=1'")
	if got := p.ok("coracle inspect -f '{{.State.OOMKilled}} {{.State.ExitCode}}' oom; coracle rm oom"); !strings.HasPrefix(got, "true 137") {
		t.Errorf("out of memory: %s", got)
	}
	// So do processes.
	r := p.login("coracle run --rm --pids-limit 10 busybox sh -c 'for i in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 100 & done'")
	testutil.Contains(t, r.Err, "can't fork")
}

// Without a session or a manager there is no cgroup, and coracle says what that
// means. With lingering there is a manager, which is found.
func testNotDelegated(t *testing.T) {
	p := someone(t, solo, false)
	eventually(t, "the manager of the last session has ended", func() bool {
		return finish("sh", "-c", "test -e /run/user/$(id -u solo)").Code != 0
	})
	r := p.bare("coracle run --rm " + limited + " busybox echo works")
	if r.Code != 0 || r.Text() != "works" {
		t.Errorf("%d %s", r.Code, r.All())
	}
	testutil.Contains(t, r.Err, "memory", "cpu")
	p.bare("coracle run --name big -m 24m busybox sh -c 'exec dd if=/dev/zero of=/dev/null bs=200M count=1000'")
	if got := p.bare("coracle inspect -f '{{.State.OOMKilled}}' big; coracle rm -f big").Text(); !strings.HasPrefix(got, "true") {
		t.Errorf("watched memory: %s", got)
	}
	r = p.bare("coracle run -d --name stays busybox sleep 1000 && coracle pause stays")
	testutil.Contains(t, r.Err, "cgroup")
	p.bare("coracle rm -f stays")

	p = someone(t, full, true)
	r = p.bare("coracle run --rm " + limited + " busybox sh -c '" + shown + "'")
	if r.Text() != limits || r.Err != "" {
		t.Errorf("with lingering: %d %s", r.Code, r.All())
	}
}

// A scope that is delegated to who calls it is where containers go (systemd 254).
func testScope(t *testing.T) {
	version, _ := strconv.Atoi(root(t, "systemctl --version | sed -n 's/^systemd \\([0-9]*\\).*/\\1/p'"))
	if version < 254 {
		t.Skipf("systemd %d delegates no scope of a user's", version)
	}
	p := someone(t, full, true)
	r := p.login("systemd-run --quiet --user --scope -p Delegate=yes coracle run --rm " + limited + " busybox sh -c '" + shown + "'")
	if r.Text() != limits {
		t.Errorf("%d %s", r.Code, r.All())
	}
}

// Output is in the journal, by the container's name.
func testJournal(t *testing.T) {
	p := someone(t, full, true)
	p.ok("coracle run --rm --name said --log-driver journald busybox echo something for the journal")
	eventually(t, "the line is in the journal", func() bool {
		return strings.Contains(finish("journalctl", "--no-pager", "-o", "cat", "CONTAINER_NAME=said").Out, "something for the journal")
	})
}
