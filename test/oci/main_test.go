// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// world is what all tests share.
var world struct {
	home, bin, rootfs, skip string
}

func TestMain(m *testing.M) {
	err := open()
	code := 1
	if err == nil {
		code = m.Run()
	}
	if world.home != "" {
		if rerr := os.RemoveAll(world.home); err == nil {
			err = rerr
		}
	}
	if err != nil {
		fmt.Println(err)
		code = 1
	}
	os.Exit(code)
}

func open() error {
	if os.Getuid() == 0 {
		world.skip = "coracle is for users: hack/test.sh runs this test as one"
		return nil
	}
	busybox, err := exec.LookPath("busybox")
	if err != nil {
		world.skip = "busybox is not installed: no root file system"
		return nil
	}
	// Whoever is left behind by the program is ours to reap, as an engine's
	// monitor does it.
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return err
	}
	if world.home, err = os.MkdirTemp("", "coracle-oci-"); err != nil {
		return err
	}
	world.bin = os.Getenv("CORACLE_BIN")
	if world.bin == "" {
		world.bin = filepath.Join(world.home, "coracle")
		if out, err := exec.Command("go", "build", "-o", world.bin, "coracle").CombinedOutput(); err != nil {
			return fmt.Errorf("go build: %w\n%s", err, out)
		}
	}
	return makeRootfs(busybox)
}

func makeRootfs(busybox string) error {
	world.rootfs = filepath.Join(world.home, "rootfs")
	for _, d := range []string{"bin", "etc", "tmp", "root", "proc", "sys", "dev", "filled/sub"} {
		if err := os.MkdirAll(filepath.Join(world.rootfs, d), 0o755); err != nil {
			return err
		}
	}
	program, err := os.ReadFile(busybox)
	if err != nil {
		return err
	}
	for name, data := range map[string][]byte{
		"bin/busybox": program, "etc/passwd": []byte("root:x:0:0:root:/root:/bin/sh\n"), "filled/sub/file": []byte("kept"), "masked": []byte("secret"),
	} {
		if err := os.WriteFile(filepath.Join(world.rootfs, name), data, 0o755); err != nil {
			return err
		}
	}
	applets, err := exec.Command(busybox, "--list").Output()
	if err != nil {
		return err
	}
	for _, a := range strings.Fields(string(applets)) {
		if a != "busybox" {
			if err := os.Symlink("busybox", filepath.Join(world.rootfs, "bin", a)); err != nil {
				return err
			}
		}
	}
	if err := os.WriteFile(filepath.Join(world.rootfs, "bin/plain"), []byte("x"), 0o644); err != nil {
		return err
	}
	return os.Symlink("sub/file", filepath.Join(world.rootfs, "filled/link"))
}

// bundle is one bundle and a state directory of its own.
type bundle struct {
	t          *testing.T
	dir, state string
	spec       *specs.Spec
	attr       *syscall.SysProcAttr
}

// newBundle makes a bundle that runs script in a shell.
func newBundle(t *testing.T, script string) *bundle {
	t.Helper()
	if world.skip != "" {
		t.Skip(world.skip)
	}
	dir := t.TempDir()
	b := &bundle{t: t, dir: filepath.Join(dir, "bundle"), state: filepath.Join(dir, "state")}
	if err := os.Mkdir(b.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(world.rootfs, filepath.Join(b.dir, "rootfs")); err != nil {
		t.Fatal(err)
	}
	if r := b.oci("spec"); r.code != 0 {
		t.Fatal(r.err)
	}
	data, err := os.ReadFile(filepath.Join(b.dir, "config.json"))
	if err == nil {
		err = json.Unmarshal(data, &b.spec)
	}
	if err != nil {
		t.Fatal(err)
	}
	b.spec.Process.Terminal = false
	b.spec.Process.Args = []string{"sh", "-c", script}
	t.Cleanup(func() {
		for _, id := range strings.Fields(b.oci("list", "-q").out) {
			if r := b.oci("delete", "--force", id); r.code != 0 {
				t.Errorf("clean up: %s", r.err)
			}
		}
	})
	return b
}

// write saves the config.json.
func (b *bundle) write() {
	b.t.Helper()
	data, err := json.Marshal(b.spec)
	if err == nil {
		err = os.WriteFile(filepath.Join(b.dir, "config.json"), data, 0o644)
	}
	if err != nil {
		b.t.Fatal(err)
	}
}

type result struct {
	out, err string
	code     int
}

// longest is how long any one command may take before it counts as hung.
const longest = time.Minute

func (b *bundle) command(args ...string) *exec.Cmd {
	cmd := exec.Command(world.bin, append([]string{"oci", "--root", b.state}, args...)...)
	cmd.Dir, cmd.Env, cmd.SysProcAttr = b.dir, []string{}, b.attr
	return cmd
}

func (b *bundle) oci(args ...string) result {
	cmd := b.command(args...)
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	cmd.WaitDelay = time.Second // what create leaves behind holds the pipes
	if err := cmd.Start(); err != nil {
		return result{err: err.Error(), code: -1}
	}
	timer := time.AfterFunc(longest, func() { _ = cmd.Process.Kill() })
	_ = cmd.Wait()
	if !timer.Stop() {
		return result{out.String(), errOut.String() + "\nit hangs", -1}
	}
	return result{out.String(), errOut.String(), cmd.ProcessState.ExitCode()}
}

// must is oci for what has to succeed.
func (b *bundle) must(args ...string) string {
	b.t.Helper()
	r := b.oci(args...)
	if r.code != 0 {
		b.t.Fatalf("oci %v: %d: %s", args, r.code, r.err)
	}
	return r.out
}

// refused is oci for what has to fail with one line that holds want.
func (b *bundle) refused(want string, args ...string) {
	b.t.Helper()
	r := b.oci(args...)
	if r.code == 0 || !strings.Contains(r.err, want) {
		b.t.Errorf("oci %v: %d, %q, want an error with %q", args, r.code, r.err, want)
	}
	if lines := strings.Count(strings.Split(r.err, "hint: ")[0], "\n"); lines != 1 {
		b.t.Errorf("oci %v: an error of %d lines: %q", args, lines, r.err)
	}
}

// create is oci create with the container's output in a file; engines pass
// files or pipes of their own.
func (b *bundle) create(id string, args ...string) *os.File {
	b.t.Helper()
	b.write()
	out, err := os.Create(filepath.Join(b.dir, id+".out"))
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { out.Close() })
	cmd := b.command(append(append([]string{"create", "--pid-file", filepath.Join(b.dir, id+".pid")}, args...), id)...)
	var errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Run(); err != nil {
		text, _ := os.ReadFile(out.Name())
		b.t.Fatalf("create: %v: %s%s", err, errOut.String(), text)
	}
	return out
}

// pid is what the pid file says.
func (b *bundle) pid(id string) int {
	b.t.Helper()
	data, err := os.ReadFile(filepath.Join(b.dir, id+".pid"))
	if err != nil {
		b.t.Fatal(err)
	}
	pid, err := strconv.Atoi(string(data))
	if err != nil {
		b.t.Fatal(err)
	}
	return pid
}

// reap waits for a container's first process, which is our child by now.
func (b *bundle) reap(id string) unix.WaitStatus {
	b.t.Helper()
	var ws unix.WaitStatus
	if _, err := unix.Wait4(b.pid(id), &ws, 0, nil); err != nil {
		b.t.Fatalf("wait for container %s: %v", id, err)
	}
	return ws
}

func (b *bundle) status(id string) specs.State {
	b.t.Helper()
	var st specs.State
	if err := json.Unmarshal([]byte(b.must("state", id)), &st); err != nil {
		b.t.Fatal(err)
	}
	return st
}

// nothingLeft checks that no container and no file of one is there.
func (b *bundle) nothingLeft() {
	b.t.Helper()
	if entries, err := os.ReadDir(b.state); err != nil || len(entries) != 0 {
		b.t.Errorf("the state directory holds %v, %v", entries, err)
	}
}

// text waits until the file holds want.
func (b *bundle) text(f *os.File, want string) string {
	b.t.Helper()
	var data []byte
	for end := time.Now().Add(longest); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if data, _ = os.ReadFile(f.Name()); strings.Contains(string(data), want) {
			return string(data)
		}
	}
	b.t.Fatalf("the output is %q, want %q", data, want)
	return ""
}
