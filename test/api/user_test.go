// SPDX-License-Identifier: Apache-2.0

package api

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"coracle/internal/testutil"
)

// user is somebody with a home and a store, and nothing else.
type user struct {
	t    *testing.T
	home string
	bin  string
	env  []string

	server int // the process of serve
}

func newUser(t *testing.T) *user {
	t.Helper()
	testutil.Needs(t, errors.Join(testutil.Unprivileged(), set("CORACLE_BIN")))
	home, err := os.MkdirTemp("", "coracle-api-")
	if err != nil {
		t.Fatal(err)
	}
	u := &user{t: t, home: home, bin: os.Getenv("CORACLE_BIN")}
	u.env = append(os.Environ(), "HOME="+home, "CORACLE_ROOT="+filepath.Join(home, "root"), "DOCKER_CONFIG="+filepath.Join(home, ".docker"),
		"XDG_CONFIG_HOME="+filepath.Join(home, ".config"), "TMPDIR="+home, "DOCKER_HOST=", "CORACLE_API=")
	t.Cleanup(u.leave)
	return u
}

func set(variable string) error {
	if os.Getenv(variable) == "" {
		return errors.New(variable + " is not set: run hack/test.sh")
	}
	return nil
}

// leave removes all that there is, and checks that no process has stayed behind.
func (u *user) leave() {
	ids := strings.Fields(u.result("ps", "-aq").Out)
	if len(ids) > 0 {
		u.result(append([]string{"rm", "-f", "-v"}, ids...)...)
	}
	if r := u.result("system", "prune", "-af", "--volumes"); r.Code != 0 {
		u.t.Errorf("clean up: %s", r.Err)
	}
	u.result("volume", "prune", "-af")
	if err := os.RemoveAll(u.home); err != nil {
		u.t.Logf("remove home: %v", err)
	}
}

func (u *user) finish(cmd *exec.Cmd) testutil.Result {
	cmd.Env, cmd.Dir = u.env, u.home
	r := testutil.Finish(cmd)
	if r.Panicked() {
		u.t.Errorf("%v: %s", cmd.Args, r.Err)
	}
	return r
}

func (u *user) result(args ...string) testutil.Result {
	u.t.Helper()
	return u.finish(exec.Command(u.bin, args...))
}

func (u *user) ok(args ...string) string {
	u.t.Helper()
	r := u.result(args...)
	if r.Code != 0 {
		u.t.Fatalf("%v: %d\n%s%s", args, r.Code, r.Out, r.Err)
	}
	return r.Text()
}

// busybox is the image of that name.
func (u *user) busybox() {
	u.t.Helper()
	files, err := testutil.Busybox()
	if err != nil {
		u.t.Skip(err)
	}
	data, err := testutil.Tar(files)
	if err != nil {
		u.t.Fatal(err)
	}
	file := filepath.Join(u.home, "busybox.tar")
	if err := os.WriteFile(file, data, 0o600); err != nil {
		u.t.Fatal(err)
	}
	u.ok("import", "-c", `CMD ["sh"]`, file, "busybox")
}

// served is an image that serves a page, called served:1.
func (u *user) served() {
	u.t.Helper()
	u.write(testutil.File{Name: "served/Dockerfile", Text: "FROM busybox\nRUN mkdir /w && echo served > /w/index.html\nEXPOSE 80\nCMD [\"httpd\", \"-f\", \"-h\", \"/w\"]\n"})
	u.ok("build", "-q", "-t", "served:1", filepath.Join(u.home, "served"))
}

// write writes files below the home.
func (u *user) write(files ...testutil.File) {
	u.t.Helper()
	if err := testutil.WriteDir(u.home, files); err != nil {
		u.t.Fatal(err)
	}
}

// with runs a command beside a socket.
func (u *user) with(name string, args ...string) testutil.Result {
	u.t.Helper()
	return u.finish(exec.Command(u.bin, append([]string{"api", "--", name}, args...)...))
}

// works is with, of a command that succeeds.
func (u *user) works(name string, args ...string) string {
	u.t.Helper()
	begun := time.Now()
	r := u.with(name, args...)
	if r.Code != 0 {
		u.t.Fatalf("%s %v: %d after %v\n%s%s", filepath.Base(name), args, r.Code, time.Since(begun), r.Out, r.Err)
	}
	return r.Out
}

// clients is where hack/clients.sh has put them.
func clients() string {
	if dir := os.Getenv("CORACLE_CLIENTS"); dir != "" {
		return dir
	}
	return filepath.Join(os.Getenv("CORACLE_FIXTURES"), "clients")
}

// client is a program that hack/clients.sh has made, or is installed.
func client(t *testing.T, name string) string {
	t.Helper()
	file := filepath.Join(clients(), name)
	if _, err := os.Stat(file); err != nil {
		t.Skipf("there is no client %s: hack/clients.sh makes it, and says what it lacks", name)
	}
	return file
}

// installed is a program that hack/clients.sh does not make, for it is large: one that
// somebody has put beside the others, or into the PATH.
func installed(t *testing.T, name string) string {
	t.Helper()
	if file := filepath.Join(clients(), name); exec.Command("test", "-x", file).Run() == nil {
		return file
	}
	file, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not installed", name)
	}
	return file
}
