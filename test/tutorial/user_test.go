// SPDX-License-Identifier: Apache-2.0

package tutorial

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"coracle/internal/testutil"
)

// user is somebody with an account of their own: a home and a store.
type user struct {
	t    *testing.T
	home string
	env  []string
	bin  string
}

// newUser makes a user, and when the test ends sees to it that coracle can
// remove everything it has made.
func newUser(t *testing.T) *user {
	t.Helper()
	bin := os.Getenv("CORACLE_BIN")
	if bin == "" {
		t.Skip("CORACLE_BIN is not set: run hack/test.sh")
	}
	if os.Getuid() == 0 {
		t.Skip("coracle is for users: hack/test.sh runs this test as one")
	}
	home, err := os.MkdirTemp("", "coracle-user-")
	if err != nil {
		t.Fatal(err)
	}
	u := &user{t: t, home: home, bin: bin}
	u.env = append(os.Environ(), "HOME="+home, "CORACLE_ROOT="+filepath.Join(home, "root"), "DOCKER_CONFIG="+filepath.Join(home, ".docker"),
		"XDG_CONFIG_HOME="+filepath.Join(home, ".config"), "TMPDIR="+home)
	t.Cleanup(u.leave)
	return u
}

// leave removes all that there is, and checks that nothing stays.
func (u *user) leave() {
	for _, list := range [][]string{{"rm", "-f", "-v"}, {"image", "rm", "-f"}} {
		ids := strings.Fields(u.result(map[string][]string{"rm": {"ps", "-aq"}, "image": {"image", "ls", "-aq"}}[list[0]]...).Out)
		if len(ids) > 0 {
			if r := u.result(append(list, ids...)...); r.Code != 0 {
				u.t.Errorf("clean up: %v: %s", list, r.Err)
			}
		}
	}
	u.result("builder", "prune", "-af")
	u.result("volume", "prune", "-af")
	root := filepath.Join(u.home, "root")
	u.tmpEmpties(root)
	if left, _ := os.ReadDir(filepath.Join(root, "containers")); len(left) > 0 {
		u.t.Errorf("left behind in containers: %v", left)
	}
	// What was copied out of a container may be closed to its owner.
	_ = filepath.WalkDir(u.home, func(path string, d os.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			_ = os.Chmod(path, 0o700)
		}
		return nil
	})
	if err := os.RemoveAll(u.home); err != nil {
		u.t.Logf("remove home: %v", err)
	}
}

func (u *user) command(args ...string) *exec.Cmd {
	cmd := exec.Command(u.bin, args...)
	cmd.Env, cmd.Dir = u.env, u.home
	return cmd
}

func (u *user) result(args ...string) testutil.Result {
	u.t.Helper()
	return u.finish(u.command(args...))
}

func (u *user) finish(cmd *exec.Cmd) testutil.Result {
	u.t.Helper()
	r := testutil.Finish(cmd)
	if strings.HasSuffix(r.Err, "it hangs") || cmd.Process == nil {
		u.t.Fatalf("%v: %s", cmd.Args, r.All())
	}
	return r
}

// ok runs a command that must succeed, and returns what it printed, trimmed.
func (u *user) ok(args ...string) string {
	u.t.Helper()
	r := u.result(args...)
	if r.Code != 0 {
		u.t.Fatalf("coracle %s: exit code %d\n%s%s", strings.Join(args, " "), r.Code, r.Out, r.Err)
	}
	return r.Text()
}

// fails runs a command that must fail with code and say each of the words.
func (u *user) fails(code int, words []string, args ...string) {
	u.t.Helper()
	r := u.result(args...)
	if r.Code != code {
		u.t.Errorf("coracle %s: exit code %d, want %d\n%s%s", strings.Join(args, " "), r.Code, code, r.Out, r.Err)
	}
	for _, w := range words {
		if !strings.Contains(r.Err, w) {
			u.t.Errorf("coracle %s: does not say %q:\n%s", strings.Join(args, " "), w, r.Err)
		}
	}
}

// image imports a root file system of the fixtures.
func (u *user) image(fixture, name string) {
	u.t.Helper()
	u.ok("import", u.fixture(fixture), name)
}

func (u *user) fixture(name string) string {
	u.t.Helper()
	file := filepath.Join(os.Getenv("CORACLE_FIXTURES"), name)
	if _, err := os.Stat(file); err != nil {
		u.t.Skipf("%s could not be made on this machine", name)
	}
	return file
}

// write makes a file below home and returns its path.
func (u *user) write(name, content string) string {
	u.t.Helper()
	path := filepath.Join(u.home, name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(content), 0o644)); err != nil {
		u.t.Fatal(err)
	}
	return path
}

// get fetches a URL as soon as somebody answers.
func get(t *testing.T, url string) string {
	t.Helper()
	var body string
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true, DialContext: dialAsBrowser}}
	testutil.Eventually(t, "an answer from "+url, func() bool {
		resp, err := client.Get(url)
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		body = string(b)
		return err == nil
	})
	return body
}

// dialAsBrowser knows localhost as browsers and curl do, by itself: a bare system
// has no /etc/hosts.
func dialAsBrowser(ctx context.Context, network, addr string) (net.Conn, error) {
	var d net.Dialer
	port, local := strings.CutPrefix(addr, "localhost:")
	if !local {
		return d.DialContext(ctx, network, addr)
	}
	conn, err := d.DialContext(ctx, network, "[::1]:"+port)
	if err != nil {
		return d.DialContext(ctx, network, "127.0.0.1:"+port)
	}
	return conn, nil
}

// tmpEmpties waits until nothing is left below tmp/ of a root: the files of a
// container with --rm are deleted when its end is known already.
func (u *user) tmpEmpties(root string) {
	u.t.Helper()
	testutil.Eventually(u.t, "tmp is empty", func() bool {
		left, _ := os.ReadDir(filepath.Join(root, "tmp"))
		return len(left) == 0
	})
}
