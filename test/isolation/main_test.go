// SPDX-License-Identifier: Apache-2.0

package isolation

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
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
	home, bin, skip string
	env             []string
}

func (w *place) open() (int, error) {
	if os.Getuid() == 0 {
		w.skip = "coracle is for users: hack/test.sh runs this test as one"
		return 0, nil
	}
	busybox, err := exec.LookPath("busybox")
	if err != nil {
		w.skip = "busybox is not installed: no root file system"
		return 0, nil
	}
	if w.home, err = os.MkdirTemp("", "coracle-isolation-"); err != nil {
		return 1, err
	}
	w.env = append(os.Environ(), "HOME="+w.home, "CORACLE_ROOT="+filepath.Join(w.home, "root"), "TMPDIR="+w.home, "XDG_CONFIG_HOME="+w.home)
	// The program is the user's own, as a downloaded one is: who gets out of a
	// container could write it (R1).
	w.bin = filepath.Join(w.home, "coracle")
	if built := os.Getenv("CORACLE_BIN"); built != "" {
		data, err := os.ReadFile(built)
		if err == nil {
			err = os.WriteFile(w.bin, data, 0o755)
		}
		if err != nil {
			return 1, err
		}
	} else if out, err := exec.Command("go", "build", "-o", w.bin, "coracle").CombinedOutput(); err != nil {
		return 1, fmt.Errorf("go build: %w\n%s", err, out)
	}
	program, err := os.ReadFile(busybox)
	if err != nil {
		return 1, err
	}
	applets, err := exec.Command(busybox, "--list").Output()
	if err != nil {
		return 1, err
	}
	base = boxFiles(program, strings.Fields(string(applets)))
	var text bytes.Buffer
	writeTar(&text, base)
	if r := w.run(&text, "import", "-", "box"); r.code != 0 {
		return 1, fmt.Errorf("import box: %s%s", r.out, r.err)
	}
	return 0, nil
}

func (w *place) close() error {
	if w.home == "" {
		return nil
	}
	var errs []error
	for _, round := range [][2][]string{{{"ps", "-aq"}, {"rm", "-f", "-v"}}, {{"image", "ls", "-aq"}, {"image", "rm", "-f"}}} {
		if ids := strings.Fields(w.run(nil, round[0]...).out); len(ids) > 0 {
			if r := w.run(nil, append(round[1], ids...)...); r.code != 0 {
				errs = append(errs, fmt.Errorf("clean up: %v: %s", round[1], r.err))
			}
		}
	}
	w.run(nil, "volume", "prune", "-af")
	w.run(nil, "builder", "prune", "-af")
	return errors.Join(append(errs, os.RemoveAll(w.home))...)
}

type result struct {
	out, err string
	code     int
}

// longest is how long any one command may take before it counts as hung.
const longest = time.Minute

func (w *place) command(args ...string) *exec.Cmd {
	cmd := exec.Command(w.bin, args...)
	cmd.Env, cmd.Dir = w.env, w.home
	return cmd
}

func (w *place) run(stdin *bytes.Buffer, args ...string) result {
	cmd := w.command(args...)
	if stdin != nil {
		cmd.Stdin = stdin
	}
	return finish(cmd)
}

func finish(cmd *exec.Cmd) result {
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
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

// need skips a test where no container can run.
func need(t *testing.T) {
	t.Helper()
	if world.skip != "" {
		t.Skip(world.skip)
	}
}

// try runs a command of coracle.
func try(t *testing.T, args ...string) result {
	t.Helper()
	need(t)
	r := world.run(nil, args...)
	if strings.Contains(r.err, "panic:") || strings.Contains(r.err, "goroutine ") {
		t.Fatalf("coracle %s: a panic\n%s", strings.Join(args, " "), r.err)
	}
	if r.code == -1 {
		t.Fatalf("coracle %s: %s", strings.Join(args, " "), r.err)
	}
	return r
}

// ok runs a command that must succeed, and returns what it printed, trimmed.
func ok(t *testing.T, args ...string) string {
	t.Helper()
	r := try(t, args...)
	if r.code != 0 {
		t.Fatalf("coracle %s: exit code %d\n%s%s", strings.Join(args, " "), r.code, r.out, r.err)
	}
	return strings.TrimSpace(r.out)
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

// file is an entry of an image.
type file struct {
	name string
	kind byte // tar.Type…; 0 is a regular file
	text string
	link string
	mode int64
	size int64 // of a sparse file without text
}

// base are the files of the image "box".
var base []file

func boxFiles(busybox []byte, applets []string) []file {
	files := []file{{name: "bin/busybox", text: string(busybox), mode: 0o755}}
	for _, d := range []string{"etc", "tmp", "root", "home", "proc", "sys", "dev", "var"} {
		files = append(files, file{name: d, kind: tar.TypeDir, mode: 0o755})
	}
	for _, a := range applets {
		if a != "busybox" && !strings.Contains(a, "/") {
			files = append(files, file{name: "bin/" + a, kind: tar.TypeSymlink, link: "busybox"})
		}
	}
	return append(files,
		file{name: "etc/passwd", text: "root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000:U:/home:/bin/sh\n"},
		file{name: "etc/group", text: "root:x:0:\nwheel:x:10:root,user\nuser:x:1000:\nmore:x:2000:user\n"})
}

// with is the base without what the files replace, and the files.
func with(files ...file) []file {
	var list []file
	for _, b := range base {
		keep := true
		for _, f := range files {
			keep = keep && b.name != f.name
		}
		if keep {
			list = append(list, b)
		}
	}
	return append(list, files...)
}

func writeTar(to *bytes.Buffer, files []file) {
	w := tar.NewWriter(to)
	for _, f := range files {
		h := &tar.Header{Name: f.name, Typeflag: f.kind, Linkname: f.link, Mode: f.mode, Size: int64(len(f.text))}
		if f.kind == 0 {
			h.Typeflag = tar.TypeReg
		}
		if f.mode == 0 {
			h.Mode = 0o644
		}
		if f.size > 0 {
			h.Size = f.size
		}
		if err := w.WriteHeader(h); err != nil {
			panic(err)
		}
		if f.size > 0 {
			zero := make([]byte, 1<<20)
			for n := int64(0); n < f.size; n += int64(len(zero)) {
				_, _ = w.Write(zero)
			}
		}
		_, _ = w.Write([]byte(f.text))
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
}

var count atomic.Int64

// fresh is a name that no other test has.
func fresh(kind string) string { return fmt.Sprintf("%s-%d", kind, count.Add(1)) }

// image imports an image of the base and these files, and removes it again.
func image(t *testing.T, files ...file) string {
	t.Helper()
	need(t)
	name := fresh("image")
	var text bytes.Buffer
	writeTar(&text, with(files...))
	if r := world.run(&text, "import", "-", name); r.code != 0 {
		t.Fatalf("import: %s", r.err)
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
	if r := world.run(nil, "build", "-q", "-t", name, dir); r.code != 0 {
		t.Fatalf("build: %s%s", r.out, r.err)
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
