// SPDX-License-Identifier: Apache-2.0

package tutorial

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

func TestLogsOptions(t *testing.T) {
	u := newUser(t)
	u.image("busybox.tar", "busybox")
	none := []string{"--network", "none"}
	run := func(name string, args ...string) string {
		return u.ok(append(append([]string{"run", "-d", "--name", name}, none...), args...)...)
	}
	// Never started: nothing, and no waiting.
	u.ok("create", "--name", "new", "--network", "none", "busybox", "true")
	if got := u.ok("logs", "-f", "new"); got != "" {
		t.Errorf("log of a new container: %q", got)
	}

	run("talks", "--label", "who=me", "--log-opt", "labels=who", "busybox", "sh", "-c", "echo one; sleep 0.5; echo err >&2; sleep 1; echo two; echo three")
	if got := u.ok("logs", "-f", "talks"); got != "one\ntwo\nthree" {
		t.Errorf("logs -f to the end: %q", got)
	}
	for want, args := range map[string][]string{
		"three":             {"-n", "1"},
		"":                  {"--tail", "0"},
		"one\ntwo\nthree":   {"--tail", "all"},
		"two\nthree":        {"--tail", "3"},
		"who=me three":      {"--details", "-n", "1"},
		"one\ntwo\nthree\n": {"--since", "1h"}, // a trailing newline tells it from --tail all
	} {
		if got := u.ok(append(append([]string{"logs"}, args...), "talks")...); got != strings.TrimSpace(want) {
			t.Errorf("logs %v: %q, want %q", args, got, want)
		}
	}
	stamps := strings.Fields(u.ok("logs", "-t", "-n", "3", "talks")) // time two, time three; err goes to stderr
	if len(stamps) != 4 || stamps[1] != "two" {
		t.Fatalf("logs -t: %q", stamps)
	}
	if got := u.ok("logs", "--since", stamps[0], "talks"); got != "two\nthree" {
		t.Errorf("logs --since %s: %q", stamps[0], got)
	}
	first := strings.Fields(u.ok("logs", "-t", "talks"))[0]
	if got := u.ok("logs", "--until", first, "talks"); got != "one" {
		t.Errorf("logs --until %s: %q", first, got)
	}
	if r := u.result("logs", "talks"); r.Err != "err\n" {
		t.Errorf("stderr of logs: %q", r.Err)
	}
	u.fails(1, []string{`invalid value for "since": failed to parse value as time or duration: "never"`}, "logs", "--since", "never", "talks")

	// A log goes on over starts.
	u.ok("start", "-a", "talks")
	if got := u.ok("logs", "talks"); got != "one\ntwo\nthree\none\ntwo\nthree" {
		t.Errorf("after another start: %q", got)
	}

	run("mute", "--log-driver", "none", "busybox", "echo", "x")
	u.fails(1, []string{"configured logging driver does not support reading"}, "logs", "mute")
	u.fails(125, []string{"logger: no log driver named 'gelf' is registered"}, "run", "--log-driver", "gelf", "busybox", "true")
}

func TestLogsAreRotated(t *testing.T) {
	u := newUser(t)
	u.image("busybox.tar", "busybox")
	id := u.ok("run", "-d", "--name", "much", "--network", "none", "--log-driver", "json-file", "--log-opt", "max-size=50k", "--log-opt", "max-file=3",
		"busybox", "sh", "-c", "i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done")
	// Who follows sees only whole lines, in order, and the last one.
	next := 0
	for line := range strings.Lines(u.ok("logs", "-f", "much") + "\n") {
		var n int
		if _, err := fmt.Sscanf(line, "line %d\n", &n); err != nil || n < next {
			t.Fatalf("read %q after line %d", line, next-1)
		}
		next = n + 1
	}
	if next != 20000 {
		t.Errorf("the last line read is %d", next-1)
	}
	files, _ := filepath.Glob(u.containerFile(id, "container.log*"))
	if len(files) != 3 {
		t.Errorf("files: %v, want 3", files)
	}
	u.ok("rm", "much")
}

// TestRefusedFlags checks that what cannot be given is refused with the reason,
// and that what has no effect says so.
func TestRefusedFlags(t *testing.T) {
	u := newUser(t)
	u.image("busybox.tar", "busybox")
	for _, tt := range []struct {
		args  string
		words []string
	}{
		{"--gpus all", []string{"could not select device driver", "hint: "}},
		{"--link a:b", []string{"No such container: a"}},
		{"--storage-opt size=1G", []string{"--storage-opt is supported only for overlay over xfs with 'pquota' mount option"}},
		{"--volume-driver nfs", []string{`error looking up volume plugin nfs: plugin "nfs" not found`}},
		{"--isolation hyperv", []string{"invalid isolation 'hyperv' on linux"}},
		{"--runtime kata", []string{"unknown or invalid runtime name: kata"}},
		{"--device-read-bps /dev/nosuch:1mb", []string{"stat /dev/nosuch: no such file or directory"}},
		{"--device-write-iops /dev/null:5", []string{"/dev/null is not a block device"}},
		{"--device vendor.com/gpu=all", []string{"unresolvable CDI devices vendor.com/gpu=all"}},
		{"--device /dev/nosuch", []string{`error gathering device information while adding custom device "/dev/nosuch": no such file or directory`}},
		{"--pid container:x", []string{"No such container: x"}},
		{"--restart always --rm", []string{"conflicting options: cannot specify both --restart and --rm"}},
		{"--uts host --hostname x", []string{"conflicting options: hostname and the UTS mode"}},
		{"-v /tmp:/x --tmpfs /x", []string{"Duplicate mount point: /x"}},
		{"--annotation x", []string{`invalid annotation "x"`}},
	} {
		u.fails(125, tt.words, append(append([]string{"run", "--rm"}, strings.Fields(tt.args)...), "busybox", "true")...)
	}
	u.fails(125, []string{"--device-cgroup-rule is not supported: only root"}, "run", "--rm", "--device-cgroup-rule", "c 1:1 rwm", "busybox", "true")
	for args, words := range map[string]string{
		"--runtime runc": "--runtime runc has no effect", "--link-local-ip 169.254.7.7": "--link-local-ip has no effect",
		"--device /dev/null:/dev/nil:r": "the permissions have no effect",
		"--network host -p 80:80":       "Published ports are discarded when using host network mode", "--log-opt mode=non-blocking": "have no effect",
	} {
		r := u.result(append(append([]string{"run", "--rm"}, strings.Fields(args)...), "busybox", "true")...)
		if r.Code != 0 || strings.Count(r.Err, "WARNING: ") != 1 || !strings.Contains(r.Err, words) {
			t.Errorf("run %s: %d %q, want one warning of %q", args, r.Code, r.Err, words)
		}
	}
	for args, want := range map[string]string{
		"--device /dev/zero:/dev/nought busybox head -c 3 /dev/nought":                            "\x00\x00\x00",
		"--umask 027 busybox sh -c umask":                                                         "0027",
		"--ipc none busybox sh -c [ -e /dev/shm ] || echo none":                                   "none",
		"--tmpfs /t:exec,size=1m busybox grep -c noexec.*/t /proc/mounts":                         "0",
		"--mount type=image,src=busybox,dst=/img,image-subpath=etc busybox head -c 5 /img/passwd": "root:",
		"--security-opt systempaths=unconfined busybox sh -c grep -c /proc/kcore /proc/mounts":    "0",
	} {
		head, script, sh := strings.Cut(args, "sh -c ")
		line := strings.Fields(head)
		if sh {
			line = append(line, "sh", "-c", script)
		}
		if r := u.result(append([]string{"run", "--rm", "--network", "none"}, line...)...); strings.TrimSpace(r.Out) != want {
			t.Errorf("run %s: %q %s, want %q", args, r.Out, r.Err, want)
		}
	}
}
