// SPDX-License-Identifier: Apache-2.0

package isolation

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"coracle/internal/testutil"
)

// TestMain is also the program that looks around inside a container.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "probe" {
		os.Exit(probe(os.Args[2:]))
	}
	code, err := world.open()
	if err == nil && code == 0 {
		code = m.Run()
	}
	if cerr := world.close(); err == nil {
		err = cerr
	}
	if err != nil {
		fmt.Println(err)
		code = 1
	}
	os.Exit(code)
}

// world is what all tests share: a user's home with the program, the store and
// the image "box".
var world = &place{}

type place struct {
	home, bin string
	lacking   error // why nothing can be tested here
	env       []string
}

func (w *place) open() (code int, err error) {
	if w.lacking = testutil.Unprivileged(); w.lacking != nil {
		return 0, nil
	}
	if base, err = testutil.Busybox(); errors.Is(err, testutil.ErrNoBusybox) {
		w.lacking = err
		return 0, nil
	}
	if err != nil {
		return 1, err
	}
	if w.home, err = os.MkdirTemp("", "coracle-isolation-"); err != nil {
		return 1, err
	}
	w.env = append(os.Environ(), "HOME="+w.home, "CORACLE_ROOT="+filepath.Join(w.home, "root"), "TMPDIR="+w.home, "XDG_CONFIG_HOME="+w.home)
	// The program is the user's own, as a downloaded one is: who gets out of a
	// container could write it (R1).
	w.bin = filepath.Join(w.home, "coracle")
	built, err := testutil.Program(w.home)
	if err == nil && built != w.bin {
		err = copyProgram(built, w.bin)
	}
	if err != nil {
		return 1, err
	}
	text, err := testutil.Tar(base)
	if err != nil {
		return 1, err
	}
	if r := w.run(text, "import", "-", "box"); r.Code != 0 {
		return 1, fmt.Errorf("import box: %s%s", r.Out, r.Err)
	}
	return 0, nil
}

func copyProgram(from, to string) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, data, 0o755)
}

func (w *place) close() error {
	if w.home == "" {
		return nil
	}
	var errs []error
	for _, round := range [][2][]string{{{"ps", "-aq"}, {"rm", "-f", "-v"}}, {{"image", "ls", "-aq"}, {"image", "rm", "-f"}}} {
		if ids := strings.Fields(w.run(nil, round[0]...).Out); len(ids) > 0 {
			if r := w.run(nil, append(round[1], ids...)...); r.Code != 0 {
				errs = append(errs, fmt.Errorf("clean up: %v: %s", round[1], r.Err))
			}
		}
	}
	w.run(nil, "volume", "prune", "-af")
	w.run(nil, "builder", "prune", "-af")
	return errors.Join(append(errs, os.RemoveAll(w.home))...)
}

func (w *place) command(args ...string) *exec.Cmd {
	cmd := exec.Command(w.bin, args...)
	cmd.Env, cmd.Dir = w.env, w.home
	return cmd
}

func (w *place) run(stdin []byte, args ...string) testutil.Result {
	cmd := w.command(args...)
	if stdin != nil {
		cmd.Stdin = bytes.NewReader(stdin)
	}
	return testutil.Finish(cmd)
}

// need skips a test where no container can run; in CI it fails.
func need(t *testing.T) {
	t.Helper()
	testutil.Needs(t, world.lacking)
}

// try runs a command of coracle.
func try(t *testing.T, args ...string) testutil.Result {
	t.Helper()
	need(t)
	r := world.run(nil, args...)
	if r.Panicked() {
		t.Fatalf("coracle %s: a panic\n%s", strings.Join(args, " "), r.Err)
	}
	if r.Code == -1 {
		t.Fatalf("coracle %s: %s", strings.Join(args, " "), r.Err)
	}
	return r
}

// ok runs a command that must succeed, and returns what it printed, trimmed.
func ok(t *testing.T, args ...string) string {
	t.Helper()
	r := try(t, args...)
	if r.Code != 0 {
		t.Fatalf("coracle %s: exit code %d\n%s%s", strings.Join(args, " "), r.Code, r.Out, r.Err)
	}
	return r.Text()
}

// box runs a shell script in a new container.
func box(t *testing.T, script string, options ...string) string {
	t.Helper()
	return ok(t, append(append([]string{"run", "--rm"}, options...), "box", "sh", "-c", script)...)
}

// look runs the probe in a new container.
func look(t *testing.T, what string, options ...string) string {
	t.Helper()
	return ok(t, append(append(probing("run", "--rm"), options...), "box", "/probe", "probe", what)...)
}

// probing adds the options that put the probe at /probe.
func probing(args ...string) []string {
	self, err := os.Executable()
	if err != nil {
		panic(err)
	}
	return append(args, "-v", self+":/probe:ro")
}

// rounds is how often a race is run.
func rounds() int {
	if os.Getenv("CORACLE_NIGHTLY") == "1" {
		return 2000
	}
	return 100
}

// canary is a directory of the host that nothing may touch; the function
// checks that nothing has.
func canary(t *testing.T) (dir string, check func()) {
	t.Helper()
	dir = t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("secret", "the canary's secret\n")
	write("passwd", "canary:x:0:0::/:/bin/sh\n")
	before := listing(t, dir)
	return dir, func() {
		t.Helper()
		if after := listing(t, dir); after != before {
			t.Errorf("the canary was touched:\n%s\nbefore:\n%s", after, before)
		}
	}
}

func listing(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		data, _ := os.ReadFile(path)
		fmt.Fprintf(&b, "%s %v %v %q\n", path, info.Mode(), info.ModTime(), data)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// base are the files of the image "box".
var base []testutil.File

// with is the base without what the files replace, and the files.
func with(files ...testutil.File) []testutil.File {
	var list []testutil.File
	for _, b := range base {
		keep := true
		for _, f := range files {
			keep = keep && b.Name != f.Name
		}
		if keep {
			list = append(list, b)
		}
	}
	return append(list, files...)
}

var count atomic.Int64

// fresh is a name that no other test has.
func fresh(kind string) string { return fmt.Sprintf("%s-%d", kind, count.Add(1)) }

// image imports an image of the base and these files, and removes it again.
func image(t *testing.T, files ...testutil.File) string {
	t.Helper()
	need(t)
	name := fresh("image")
	text, err := testutil.Tar(with(files...))
	if err != nil {
		t.Fatal(err)
	}
	if r := world.run(text, "import", "-", name); r.Code != 0 {
		t.Fatalf("import: %s", r.Err)
	}
	t.Cleanup(func() { world.run(nil, "image", "rm", "-f", name) })
	return name
}

// build builds an image of a Dockerfile.
func build(t *testing.T, dockerfile string) string {
	t.Helper()
	need(t)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte(dockerfile), 0o644); err != nil {
		t.Fatal(err)
	}
	name := fresh("built")
	if r := world.run(nil, "build", "-q", "-t", name, dir); r.Code != 0 {
		t.Fatalf("build: %s%s", r.Out, r.Err)
	}
	t.Cleanup(func() { world.run(nil, "image", "rm", "-f", name) })
	return name
}

// service starts a container that runs until the test ends.
func service(t *testing.T, args ...string) string {
	t.Helper()
	id := ok(t, append([]string{"run", "-d"}, args...)...)
	t.Cleanup(func() { world.run(nil, "rm", "-f", "-v", id) })
	return id
}
