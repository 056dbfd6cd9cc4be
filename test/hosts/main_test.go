// SPDX-License-Identifier: Apache-2.0

package hosts

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"coracle/internal/testutil"
	"coracle/internal/testutil/userns"
)

// world is what all tests share.
var world struct {
	dir, bin, busybox string
	lacking           error // why nothing can be tested here
}

func TestMain(m *testing.M) {
	err := open()
	code := 1
	if err == nil {
		code = m.Run()
		err = os.RemoveAll(world.dir)
	}
	if err != nil {
		fmt.Println(err)
		code = 1
	}
	os.Exit(code)
}

func open() (err error) {
	if world.lacking = testutil.Unprivileged(); world.lacking != nil {
		return nil
	}
	if world.dir, err = os.MkdirTemp("", "hosts"); err != nil {
		return err
	}
	if world.bin, err = testutil.Program(world.dir); err != nil {
		return err
	}
	files, err := testutil.Busybox()
	if errors.Is(err, testutil.ErrNoBusybox) {
		world.lacking = err
		return nil
	}
	if err != nil {
		return err
	}
	world.busybox = filepath.Join(world.dir, "busybox.tar")
	tar, err := testutil.Tar(files)
	return errors.Join(err, os.WriteFile(world.busybox, tar, 0o644))
}

// host is a host of one test, with a home of its own.
type host struct {
	t    *testing.T
	home string
	env  []string
}

func newHost(t *testing.T) *host {
	t.Helper()
	testutil.Needs(t, world.lacking)
	dir, err := os.MkdirTemp(world.dir, "host")
	if err != nil {
		t.Fatal(err)
	}
	h := &host{t: t, home: filepath.Join(dir, "home")}
	if err := os.Mkdir(h.home, 0o700); err != nil {
		t.Fatal(err)
	}
	// With a single id every file is the test's own, to be removed by it.
	h.env = []string{"HOME=" + h.home, "PATH=" + os.Getenv("PATH"), "C=" + world.bin, "TAR=" + world.busybox, "TMPDIR=" + dir, "CORACLE_SINGLE_ID=1"}
	t.Cleanup(func() {
		// What `run --rm` has left to be deleted goes meanwhile.
		testutil.Eventually(t, "the host's files are gone", func() bool {
			return exec.Command("sh", "-c", `chmod -R u+rwX "$0"; rm -rf "$0"`, dir).Run() == nil
		})
	})
	return h
}

// write makes a file below home.
func (h *host) write(name, content string) {
	h.t.Helper()
	path := filepath.Join(h.home, name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(content), 0o644)); err != nil {
		h.t.Fatal(err)
	}
}

// run is a script that calls the program as $C.
func (h *host) run(script string) testutil.Result {
	h.t.Helper()
	return h.finish(exec.Command("sh", "-c", script))
}

// spoilt is the script on a host that spoil has spoilt before: both run as root
// of namespaces of their own, and a spoil that fails fails the test.
func (h *host) spoilt(spoil, script string) testutil.Result {
	h.t.Helper()
	const failed = 77
	r := h.finish(userns.Command(0, "sh", "-c", fmt.Sprintf("(set -e; %s) || exit %d\n%s", spoil, failed, script)))
	if r.Code == failed {
		h.t.Fatalf("spoil host: %s", r.All())
	}
	return r
}

func (h *host) finish(cmd *exec.Cmd) testutil.Result {
	h.t.Helper()
	cmd.Env, cmd.Dir = h.env, h.home
	r := testutil.Finish(cmd)
	if r.Panicked() {
		h.t.Errorf("panic: %s", r.Err)
	}
	return r
}
