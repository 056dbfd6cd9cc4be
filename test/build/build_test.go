// SPDX-License-Identifier: Apache-2.0

package build

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// program is coracle, or empty when it cannot be tested here.
var program, skip string

func TestMain(m *testing.M) {
	home, err := os.MkdirTemp("", "coracle-build-")
	code := 1
	if err == nil {
		err = prepare(home)
	}
	if err == nil {
		code = m.Run()
		err = leave(home)
	}
	if err != nil {
		fmt.Println(err)
		code = 1
	}
	os.Exit(code)
}

// prepare finds the program and gives it a store of its own below home.
func prepare(home string) error {
	if os.Getuid() == 0 {
		skip = "coracle is for users: hack/test.sh runs this test as one"
		return nil
	}
	for key, dir := range map[string]string{"CORACLE_ROOT": "root", "XDG_RUNTIME_DIR": "run", "HOME": "home", "TMPDIR": "tmp"} {
		if err := errors.Join(os.Mkdir(filepath.Join(home, dir), 0o700), os.Setenv(key, filepath.Join(home, dir))); err != nil {
			return err
		}
	}
	if program = os.Getenv("CORACLE_BIN"); program == "" {
		program = filepath.Join(home, "coracle")
		if out, err := exec.Command("go", "build", "-o", program, "coracle").CombinedOutput(); err != nil {
			return fmt.Errorf("go build: %w\n%s", err, out)
		}
	}
	return nil
}

// leave removes the store, whose files belong to other ids than ours.
func leave(home string) error {
	if program != "" {
		_ = exec.Command(program, "rmi", "-f", "built").Run()
		if out, err := exec.Command(program, "image", "prune", "-a", "-f").CombinedOutput(); err != nil {
			return fmt.Errorf("prune: %w\n%s", err, out)
		}
		if out, err := exec.Command(program, "builder", "prune", "-a", "-f").CombinedOutput(); err != nil {
			return fmt.Errorf("prune: %w\n%s", err, out)
		}
	}
	return os.RemoveAll(home)
}

// notYet names cases that are known to be wrong, and why.
var notYet = map[string]string{}

func TestAsBuildKit(t *testing.T) {
	if skip != "" {
		t.Skip(skip)
	}
	if !manyIDs(t) {
		t.Skip("needs subordinate ids: files have many owners")
	}
	for _, c := range readCases(t) {
		t.Run(c.name, func(t *testing.T) {
			wrong := compare(t, c)
			why, known := notYet[c.name]
			switch {
			case known && wrong == "":
				t.Errorf("is right, but listed as wrong: %s", why)
			case known:
				t.Logf("wrong, as is known (%s):\n%s", why, wrong)
			case wrong != "":
				t.Error(wrong)
			}
		})
	}
}

// manyIDs reports whether this user can have files of other owners.
func manyIDs(t *testing.T) bool {
	t.Helper()
	out, err := exec.Command(program, "info", "--format", "{{json .SecurityOptions}}").CombinedOutput()
	if err != nil {
		t.Fatalf("info: %v\n%s", err, out)
	}
	me, err := os.ReadFile("/etc/subuid")
	name := os.Getenv("USER")
	if id, err := exec.Command("id", "-un").Output(); err == nil {
		name = strings.TrimSpace(string(id))
	}
	return err == nil && regexp.MustCompile(`(?m)^`+regexp.QuoteMeta(name)+`:`).Match(me)
}

// compare builds a case and tells what is not as it should be.
func compare(t *testing.T, c testCase) string {
	t.Helper()
	out, err := runBuild(t, c, func(dir string, more []string) *exec.Cmd {
		args := append([]string{"build", "--no-cache", "--progress=plain", "-t", "built"}, more...)
		return exec.Command(program, append(args, dir)...)
	})
	if want, ok := c.wanted("error"); ok {
		switch {
		case err == nil:
			return fmt.Sprintf("builds, but should fail with: %s", want)
		case !strings.Contains(plainError(out), strings.TrimSpace(want)):
			return fmt.Sprintf("wrong error: %s\nwant: %s", plainError(out), want)
		}
		return ""
	}
	if err != nil {
		return fmt.Sprintf("build: %v\n%s", err, out)
	}
	saved, err := exec.Command(program, "save", "built").Output()
	if err != nil {
		t.Fatalf("save: %v", err)
	}
	config, layers, err := readSaved(saved)
	if err != nil {
		t.Fatalf("read image: %v", err)
	}
	files := tree{}
	for _, l := range layers {
		if err := files.apply(bytes.NewReader(l), true); err != nil {
			t.Fatalf("read layer: %v", err)
		}
	}
	wrong := ""
	if want, _ := c.wanted("tree"); files.String() != want {
		wrong += "files differ:\n" + diff(want, files.String())
	}
	got, err := settled(config)
	if err != nil {
		t.Fatal(err)
	}
	got = c.withoutServer(got)
	if want, _ := c.wanted("config"); got != want {
		wrong += "configuration differs:\n" + diff(want, got)
	}
	return wrong
}

// runBuild builds a case with what command gives for the directory of the
// context and the case's options.
func runBuild(t *testing.T, c testCase, command func(dir string, more []string) *exec.Cmd) (string, error) {
	t.Helper()
	server := serve(t, c)
	for i, s := range c.sections {
		if s.name == "Dockerfile" {
			c.sections[i].text = strings.ReplaceAll(s.text, "{{server}}", server)
		}
	}
	cmd := command(makeContext(t, c), c.lines("options"))
	cmd.Env = append(os.Environ(), c.lines("environment")...)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return c.withoutServer(string(out)), err
}

// serve has the files of the section "server".
func serve(t *testing.T, c testCase) string {
	t.Helper()
	text, ok := c.get("server")
	if !ok {
		return ""
	}
	list := parseEntries(t, text)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, e := range list {
			if e.path != strings.TrimPrefix(r.URL.Path, "/") {
				continue
			}
			if when := e.number("mtime", 10, 0); when != 0 {
				w.Header().Set("Last-Modified", time.Unix(when, 0).UTC().Format(http.TimeFormat))
			}
			_, _ = w.Write(e.data())
			return
		}
		http.NotFound(w, r)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

var serverAddress = regexp.MustCompile(`http://127\.0\.0\.1:\d+`)

func (c testCase) withoutServer(text string) string {
	return serverAddress.ReplaceAllString(text, "{{server}}")
}

var (
	solveError = regexp.MustCompile(`(?m)^(?:ERROR|error): .*?failed to solve: (.*)$`)
	refName    = regexp.MustCompile(`checksum of ref [0-9a-z]+::[0-9a-z]+`)
	storePath  = regexp.MustCompile(`/[^ "]*/buildkit\d+/`)
)

// plainError is what a build failed with, without names that are others each
// time.
func plainError(out string) string {
	m := solveError.FindAllStringSubmatch(out, -1)
	if len(m) == 0 {
		return strings.TrimSpace(out)
	}
	text := refName.ReplaceAllString(m[len(m)-1][1], "checksum of ref")
	return storePath.ReplaceAllString(text, "/")
}

// diff is the lines that only one of two texts has.
func diff(want, got string) string {
	var b bytes.Buffer
	only := func(sign, a, b string) (list []string) {
		for _, l := range strings.Split(strings.TrimSuffix(a, "\n"), "\n") {
			if !strings.Contains("\n"+b, "\n"+l+"\n") {
				list = append(list, sign+" "+l)
			}
		}
		return list
	}
	for _, l := range append(only("-", want, got), only("+", got, want)...) {
		fmt.Fprintln(&b, l)
	}
	if b.Len() == 0 {
		return fmt.Sprintf("want:\n%s\ngot:\n%s", want, got)
	}
	return b.String()
}
