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
	"os/user"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"coracle/internal/testutil"
)

// program is coracle, unless unfit says why it cannot be tested here.
var (
	program string
	unfit   error
)

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
func prepare(home string) (err error) {
	if unfit = testutil.Unprivileged(); unfit != nil {
		return nil
	}
	if program, err = testutil.Program(home); err != nil {
		return err
	}
	for key, dir := range map[string]string{"CORACLE_ROOT": "root", "XDG_RUNTIME_DIR": "run", "HOME": "home", "TMPDIR": "tmp"} {
		if err := errors.Join(os.Mkdir(filepath.Join(home, dir), 0o700), os.Setenv(key, filepath.Join(home, dir))); err != nil {
			return err
		}
	}
	if !manyIDs() {
		unfit = errors.New("needs subordinate ids: files have many owners")
	}
	return nil
}

// leave removes the store, whose files belong to other ids than ours.
func leave(home string) error {
	if program != "" {
		coracle("rmi", "-f", "built")
		for _, what := range []string{"image", "builder"} {
			if r := coracle(what, "prune", "-a", "-f"); r.Code != 0 {
				return fmt.Errorf("%s prune: %s", what, r.All())
			}
		}
	}
	return os.RemoveAll(home)
}

func coracle(args ...string) testutil.Result { return testutil.Finish(exec.Command(program, args...)) }

// notYet names cases that are known to be wrong, and why.
var notYet = map[string]string{}

func TestAsBuildKit(t *testing.T) {
	testutil.Needs(t, unfit)
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

// manyIDs reports whether this user can have files of other owners (subuid(5)).
func manyIDs() bool {
	me, err := user.Current()
	if err != nil {
		return false
	}
	list, _ := os.ReadFile("/etc/subuid")
	return regexp.MustCompile(`(?m)^(` + regexp.QuoteMeta(me.Username) + `|` + me.Uid + `):`).Match(list)
}

// compare builds a case and tells what is not as it should be.
func compare(t *testing.T, c testCase) string {
	t.Helper()
	r := runBuild(t, c, func(dir string, more []string) *exec.Cmd {
		args := append([]string{"build", "--no-cache", "--progress=plain", "-t", "built"}, more...)
		return exec.Command(program, append(args, dir)...)
	})
	if want, ok := c.wanted("error"); ok {
		got := plainError(r.All())
		switch {
		case r.Code == 0:
			return fmt.Sprintf("builds, but should fail with: %s", want)
		case r.Code < 0 || r.Panicked():
			return "hangs or dies: " + r.All()
		case !strings.Contains(got, strings.TrimSpace(want)):
			return fmt.Sprintf("wrong error: %s\nwant: %s", got, want)
		}
		return ""
	}
	if r.Code != 0 {
		return fmt.Sprintf("build: %d\n%s", r.Code, r.All())
	}
	saved := coracle("save", "built")
	if saved.Code != 0 {
		t.Fatalf("save: %s", saved.Err)
	}
	config, layers, err := readSaved([]byte(saved.Out))
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
func runBuild(t *testing.T, c testCase, command func(dir string, more []string) *exec.Cmd) testutil.Result {
	t.Helper()
	server := serve(t, c)
	for i, s := range c.sections {
		if s.name == "Dockerfile" {
			c.sections[i].text = strings.ReplaceAll(s.text, "{{server}}", server)
		}
	}
	cmd := command(makeContext(t, c), c.lines("options"))
	cmd.Env = append(os.Environ(), c.lines("environment")...)
	r := testutil.Finish(cmd)
	r.Out, r.Err = c.withoutServer(r.Out), c.withoutServer(r.Err)
	return r
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
