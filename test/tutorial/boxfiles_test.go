// SPDX-License-Identifier: Apache-2.0

package tutorial

import (
	"os/exec"
	"strings"
	"testing"
)

// TestFilesOfTheBox looks at the files in /etc that the engine writes.
func TestFilesOfTheBox(t *testing.T) {
	u := newUser(t)
	u.image("busybox.tar", "busybox")
	for _, options := range [][]string{{"--hostname", "web.example.com"}, {"--hostname", "web", "--domainname", "example.com"}} {
		run := func(args ...string) string {
			return u.ok(append(append([]string{"run", "--rm"}, options...), append([]string{"busybox"}, args...)...)...)
		}
		if got := strings.Fields(run("grep", "web", "/etc/hosts")); len(got) < 3 || got[1] != "web.example.com" || got[2] != "web" {
			t.Errorf("%v: /etc/hosts says %v", options, got)
		}
	}
	const write = `for f in resolv.conf hosts hostname; do (echo x >>/etc/$f) 2>/dev/null && echo $f; done; true`
	if got := u.ok("run", "--rm", "--read-only", "busybox", "sh", "-c", write); got != "" {
		t.Errorf("written in spite of --read-only: %s", got)
	}
	if got := strings.Fields(u.ok("run", "--rm", "busybox", "sh", "-c", write)); len(got) != 3 {
		t.Errorf("only %v can be written", got)
	}
	if got := u.ok("run", "--rm", "--dns-opt", "ndots:3", "--dns-option", "timeout:1", "busybox", "cat", "/etc/resolv.conf"); !strings.Contains(got, "options ndots:3 timeout:1") {
		t.Errorf("resolv.conf says %s", got)
	}
	for _, mask := range []string{"077", "000"} {
		// Whoever calls the program has a umask of their own.
		cmd := u.command("run", "--rm", "busybox", "stat", "-c", "%a", "/etc/resolv.conf", "/etc/hosts", "/etc/hostname")
		cmd.Args = append([]string{"sh", "-c", "umask " + mask + `; exec "$0" "$@"`, cmd.Path}, cmd.Args[1:]...)
		var err error
		if cmd.Path, err = exec.LookPath("sh"); err != nil {
			t.Skip(err)
		}
		if r := u.finish(cmd); r.Code != 0 || strings.Join(strings.Fields(r.Out), " ") != "644 644 644" {
			t.Errorf("umask %s: exit code %d: %s%s", mask, r.Code, r.Out, r.Err)
		}
	}
}

// TestPruneNetworksOfTheStopped prunes a network that only a container which has
// ended names, and keeps one that is in use.
func TestPruneNetworksOfTheStopped(t *testing.T) {
	u := newUser(t)
	u.image("busybox.tar", "busybox")
	for _, n := range []string{"idle", "busy"} {
		u.ok("network", "create", n)
	}
	u.ok("run", "--name", "ended", "--network", "idle", "busybox", "true")
	u.ok("run", "-d", "--name", "runs", "--network", "busy", "busybox", "sleep", "1000")
	if got := u.ok("network", "ls", "-q", "--no-trunc", "--filter", "dangling=true"); got != u.ok("network", "inspect", "-f", "{{.Id}}", "idle") {
		t.Errorf("dangling: %s", got)
	}
	if got := u.ok("network", "prune", "-f"); !strings.Contains(got, "idle") || strings.Contains(got, "busy") {
		t.Errorf("pruned: %s", got)
	}
	u.fails(1, []string{"network idle not found"}, "start", "ended")
	u.ok("rm", "-f", "ended", "runs")
	u.ok("network", "rm", "busy")
}
