// SPDX-License-Identifier: Apache-2.0

package api

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"coracle/internal/testutil"
)

// daily is a day's work with Docker's command line.
func daily(t *testing.T, c *commandLine) {
	t.Run("run", func(t *testing.T) {
		if got := c.ok("run", "--rm", "busybox", "echo", "hello"); got != "hello" {
			t.Errorf("%q", got)
		}
		r := c.do("run", "--rm", "busybox", "sh", "-c", "echo out; echo err >&2; exit 7")
		if r.Code != 7 || r.Out != "out\n" || !strings.Contains(r.Err, "err\n") {
			t.Errorf("%+v", r)
		}
		large := strings.Repeat("0123456789abcdef", 100_000)
		if got := c.typed(large, "run", "--rm", "-i", "busybox", "cat"); got != large {
			t.Errorf("%d bytes came back of %d", len(got), len(large))
		}
		c.fails(127, "executable file not found", "run", "--rm", "busybox", "nosuch")
		c.fails(1, "No such container: nosuch", "start", "nosuch")
		for i := range 5 { // what is short-lived is not missed
			if got := c.ok("run", "--rm", "busybox", "echo", strconv.Itoa(i)); got != strconv.Itoa(i) {
				t.Errorf("round %d: %q", i, got)
			}
		}
	})
	t.Run("life", func(t *testing.T) {
		id := c.ok("run", "-d", "--name", "web", "-l", "k=v", "busybox", "sh", "-c", "trap 'exit 3' TERM; i=0; while :; do echo line $i; i=$((i+1)); sleep 0.1; done")
		defer c.do("rm", "-f", "web")
		if got := c.ok("ps", "-q", "--no-trunc", "--filter", "label=k=v"); got != id {
			t.Errorf("ps: %q", got)
		}
		testutil.Contains(t, c.ok("ps"), "web", "busybox", "Up ")
		if got := c.ok("inspect", "-f", "{{.State.Status}} {{.Name}}", "web"); got != "running /web" {
			t.Errorf("inspect: %q", got)
		}
		follow := c.cmd("logs", "-f", "web")
		out, err := follow.StdoutPipe()
		if err == nil {
			err = follow.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		for in, i := bufio.NewScanner(out), 0; i < 3 && in.Scan(); i++ {
			if want := fmt.Sprint("line ", i); in.Text() != want {
				t.Errorf("logs: %q, want %q", in.Text(), want)
			}
		}
		_ = follow.Process.Kill()
		_ = follow.Wait()
		testutil.Contains(t, c.ok("top", "web", "-o", "pid,cmd"), "PID", "while")
		testutil.Contains(t, c.ok("stats", "--no-stream", "--format", "{{.Name}}", "web"), "web")
		c.ok("rename", "web", "shop")
		c.ok("rename", "shop", "web")
		waiting := c.cmd("wait", "web")
		code, err := waiting.StdoutPipe()
		if err == nil {
			err = waiting.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		c.ok("stop", "web")
		if line, _ := bufio.NewReader(code).ReadString('\n'); line != "3\n" {
			t.Errorf("wait: %q", line)
		}
		_ = waiting.Wait()
		c.ok("start", "web")
		c.fails(1, "stop the container before removing or force remove", "rm", "web")
		c.ok("restart", "-t", "0", "web")
		c.ok("kill", "web")
		c.ok("rm", "web")
		c.fails(1, "No such container: web", "rm", "web")
	})
	t.Run("exec", func(t *testing.T) {
		c.ok("run", "-d", "--name", "box", "busybox", "sleep", "300")
		defer c.do("rm", "-f", "box")
		if got := c.ok("exec", "-u", "1000", "-w", "/tmp", "-e", "A=b", "box", "sh", "-c", "id -u; pwd; echo $A"); got != "1000\n/tmp\nb" {
			t.Errorf("%q", got)
		}
		if got := strings.TrimSpace(c.typed("three words here", "exec", "-i", "box", "wc", "-w")); got != "3" {
			t.Errorf("%q", got)
		}
		if r := c.do("exec", "box", "sh", "-c", "exit 4"); r.Code != 4 {
			t.Errorf("%+v", r)
		}
		if r := c.do("exec", "box", "nosuch"); r.Code != 127 || !strings.Contains(r.All(), "executable file not found") {
			t.Errorf("%+v", r)
		}
		c.ok("exec", "-d", "box", "touch", "/tmp/made")
		testutil.Eventually(t, "a process that nobody is attached to has run", func() bool { return c.do("exec", "box", "test", "-e", "/tmp/made").Code == 0 })
		if got := c.ok("exec", "-t", "box", "sh", "-c", "test -t 1 && echo terminal"); got != "terminal" {
			t.Errorf("%q", got)
		}
	})
	t.Run("files", func(t *testing.T) {
		c.ok("run", "-d", "--name", "files", "busybox", "sleep", "300")
		defer c.do("rm", "-f", "files")
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "f"), []byte("content"), 0o640); err != nil {
			t.Fatal(err)
		}
		c.ok("cp", filepath.Join(dir, "f"), "files:/tmp/g")
		c.ok("cp", "files:/tmp/g", filepath.Join(dir, "back"))
		if got, err := os.ReadFile(filepath.Join(dir, "back")); err != nil || string(got) != "content" {
			t.Errorf("%q %v", got, err)
		}
		c.ok("exec", "files", "mkdir", "/tmp/d")
		c.ok("cp", filepath.Join(dir, "f"), "files:/tmp/d/f")
		for _, there := range []string{".", "new"} { // what is in a directory has no name of the directory's
			c.ok("cp", "files:/tmp/d/.", filepath.Join(dir, there))
			if got, err := os.ReadFile(filepath.Join(dir, there, "f")); err != nil || string(got) != "content" {
				t.Errorf("%s: %q %v", there, got, err)
			}
		}
		c.fails(1, "No such container:path: files:/nosuch", "cp", "files:/nosuch", dir)
		testutil.Contains(t, c.ok("diff", "files"), "A /tmp/g")
		c.ok("stop", "-t", "0", "files")
		c.ok("cp", filepath.Join(dir, "f"), "files:/tmp/stopped")
		if r := c.do("export", "files"); r.Code != 0 || !strings.Contains(r.Out, "tmp/stopped") {
			t.Errorf("export: %d, %d bytes: %s", r.Code, len(r.Out), r.Err)
		}
		testutil.Contains(t, c.ok("commit", "files", "committed"), "sha256:")
		if got := c.ok("run", "--rm", "committed", "cat", "/tmp/stopped"); got != "content" {
			t.Errorf("%q", got)
		}
	})
}

func TestDockerDaily(t *testing.T) {
	u := newUser(t)
	u.busybox()
	daily(t, u.debian(u.engine()))
}

// TestOverSSH is the same with a process for each connection: ssh(1) calls one on the
// other host, and has nothing in common with the one before.
func TestOverSSH(t *testing.T) {
	u := newUser(t)
	u.busybox()
	dir := t.TempDir()
	// The last arguments are the command; there is no environment of the caller's.
	ssh := "#!/bin/sh\nwhile [ \"$1\" != -- ]; do shift; done\nshift 2\nunset DOCKER_HOST\nPATH=" + dir + ":$PATH exec \"$@\"\n"
	if err := os.WriteFile(filepath.Join(dir, "ssh"), []byte(ssh), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(u.bin, filepath.Join(dir, "docker")); err != nil {
		t.Fatal(err)
	}
	u.env = append(u.env, "PATH="+dir+":"+os.Getenv("PATH"))
	daily(t, u.debian("ssh://elsewhere"))
}

func TestEventsArrive(t *testing.T) {
	u := newUser(t)
	u.busybox()
	c := u.debian(u.engine())
	watch := c.cmd("events", "--filter", "type=container", "--format", "{{.Action}} {{.Actor.Attributes.name}}")
	out, err := watch.StdoutPipe()
	if err == nil {
		err = watch.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = watch.Process.Kill()
		_ = watch.Wait()
	}()
	in := bufio.NewScanner(out)
	probe := make(chan struct{})
	var lines []string
	go func() {
		defer close(probe)
		for in.Scan() {
			if in.Text() == "destroy seen" {
				return
			}
		}
	}()
	testutil.Eventually(t, "the watcher watches", func() bool {
		c.ok("create", "--name", "seen", "busybox")
		c.ok("rm", "seen")
		select {
		case <-probe:
			return true
		default:
			return false
		}
	})
	c.ok("run", "--rm", "--name", "told", "busybox", "true")
	for in.Scan() {
		if action, ok := strings.CutSuffix(in.Text(), " told"); ok {
			if lines = append(lines, action); action == "destroy" {
				break
			}
		}
	}
	if got := strings.Join(lines, " "); got != "create attach start die destroy" {
		t.Errorf("%s", got)
	}
}

// TestManyAtOnce: parallel clients all get what they asked for.
func TestManyAtOnce(t *testing.T) {
	u := newUser(t)
	u.busybox()
	c := u.debian(u.engine())
	var all sync.WaitGroup
	for i := range 12 {
		all.Go(func() {
			if r := c.do("run", "--rm", "busybox", "echo", strconv.Itoa(i)); r.Code != 0 || r.Text() != strconv.Itoa(i) {
				t.Errorf("%d: %+v", i, r)
			}
		})
	}
	all.Wait()
	if left := c.ok("ps", "-aq"); left != "" {
		t.Errorf("left: %s", left)
	}
}
