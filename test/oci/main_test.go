// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"archive/tar"
	"encoding/json"
	"errors"
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

	"coracle/internal/testutil"
)

// world is what all tests share.
var world struct {
	home, bin, rootfs string
	lacking           error // why nothing can be tested here
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
	if world.lacking = testutil.Unprivileged(); world.lacking != nil {
		return nil
	}
	busybox, err := testutil.Busybox()
	if errors.Is(err, testutil.ErrNoBusybox) {
		world.lacking = err
		return nil
	}
	if err != nil {
		return err
	}
	// Whoever is left behind by the program is ours to reap, as an engine's
	// monitor does it.
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return err
	}
	if world.home, err = os.MkdirTemp("", "coracle-oci-"); err != nil {
		return err
	}
	if world.bin, err = testutil.Program(world.home); err != nil {
		return err
	}
	return makeRootfs(busybox)
}

func makeRootfs(busybox []testutil.File) error {
	world.rootfs = filepath.Join(world.home, "rootfs")
	return testutil.WriteDir(world.rootfs, append(busybox,
		testutil.File{Name: "filled/sub/file", Text: "kept", Mode: 0o755},
		testutil.File{Name: "filled/link", Kind: tar.TypeSymlink, Link: "sub/file"},
		testutil.File{Name: "masked", Text: "secret", Mode: 0o755},
		testutil.File{Name: "bin/plain", Text: "x"}))
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
	testutil.Needs(t, world.lacking)
	dir := t.TempDir()
	b := &bundle{t: t, dir: filepath.Join(dir, "bundle"), state: filepath.Join(dir, "state")}
	if err := os.Mkdir(b.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(world.rootfs, filepath.Join(b.dir, "rootfs")); err != nil {
		t.Fatal(err)
	}
	if r := b.oci("spec"); r.Code != 0 {
		t.Fatal(r.Err)
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
		for _, id := range strings.Fields(b.oci("list", "-q").Out) {
			if r := b.oci("delete", "--force", id); r.Code != 0 {
				t.Errorf("clean up: %s", r.Err)
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

func (b *bundle) command(args ...string) *exec.Cmd {
	cmd := exec.Command(world.bin, append([]string{"oci", "--root", b.state}, args...)...)
	cmd.Dir, cmd.Env, cmd.SysProcAttr = b.dir, []string{}, b.attr
	return cmd
}

func (b *bundle) oci(args ...string) testutil.Result {
	cmd := b.command(args...)
	cmd.WaitDelay = time.Second // what create leaves behind holds the pipes
	return testutil.Finish(cmd)
}

// must is oci for what has to succeed.
func (b *bundle) must(args ...string) string {
	b.t.Helper()
	r := b.oci(args...)
	if r.Code != 0 {
		b.t.Fatalf("oci %v: %d: %s", args, r.Code, r.Err)
	}
	return r.Out
}

// refused is oci for what has to fail with one line that holds want.
func (b *bundle) refused(want string, args ...string) {
	b.t.Helper()
	r := b.oci(args...)
	if r.Code == 0 || !strings.Contains(r.Err, want) {
		b.t.Errorf("oci %v: %d, %q, want an error with %q", args, r.Code, r.Err, want)
	}
	if lines := strings.Count(strings.Split(r.Err, "hint: ")[0], "\n"); lines != 1 {
		b.t.Errorf("oci %v: an error of %d lines: %q", args, lines, r.Err)
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
	cmd.Stdout, cmd.Stderr = out, out
	if r := testutil.Finish(cmd); r.Code != 0 {
		text, _ := os.ReadFile(out.Name())
		b.t.Fatalf("create: exit code %d: %s%s", r.Code, r.Err, text)
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
	testutil.Eventually(b.t, "the output has "+want, func() bool {
		data, _ = os.ReadFile(f.Name())
		return strings.Contains(string(data), want)
	})
	return string(data)
}
