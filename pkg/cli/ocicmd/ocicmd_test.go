// SPDX-License-Identifier: Apache-2.0

package ocicmd_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"coracle/internal/testutil"
	"coracle/internal/testutil/commandline"
)

// runtime is an engine's view: verbs of a runtime with a state directory of its own.
type runtime struct {
	*commandline.House
	t    *testing.T
	root string
}

func newRuntime(t *testing.T) runtime {
	t.Helper()
	return runtime{commandline.New(t), t, filepath.Join(t.TempDir(), "state")}
}

func (r runtime) do(args ...string) testutil.Result {
	r.t.Helper()
	return r.Do(append([]string{"oci", "--root", r.root}, args...)...)
}

// record puts a container that has ended among the others.
func (r runtime) record(id string) {
	r.t.Helper()
	dir := filepath.Join(r.root, id)
	state := map[string]any{"id": id, "ociVersion": "1.3.0", "bundle": "/bundles/" + id, "rootfs": "/bundles/" + id + "/rootfs",
		"created": time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), "annotations": map[string]string{"k": "v"}, "started": true}
	data, err := json.Marshal(state)
	if err == nil {
		err = os.MkdirAll(dir, 0o700)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "state.json"), data, 0o600)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "config.json"), []byte(`{"ociVersion":"1.3.0"}`), 0o600)
	}
	if err != nil {
		r.t.Fatal(err)
	}
}

func TestList(t *testing.T) {
	r := newRuntime(t)
	if got := r.do("list"); got.Code != 0 || strings.Join(strings.Fields(got.Out), " ") != "ID PID STATUS BUNDLE CREATED" {
		t.Errorf("nothing there: %+v", got)
	}
	if got := r.do("list", "-f", "json"); got.Code != 0 || got.Text() != "[]" {
		t.Errorf("nothing there, as JSON: %+v", got)
	}
	r.record("b")
	r.record("a")
	if err := os.MkdirAll(filepath.Join(r.root, "being-made"), 0o700); err != nil {
		t.Fatal(err)
	}
	got := r.do("list")
	lines := strings.Split(got.Text(), "\n")
	if len(lines) != 3 || strings.Join(strings.Fields(lines[1]), " ") != "a 0 stopped /bundles/a 2026-01-02T03:04:05Z" {
		t.Errorf("%q", lines)
	}
	if got := r.do("list", "-q"); got.Out != "a\nb\n" {
		t.Errorf("only ids: %q", got.Out)
	}
	var list []struct {
		ID, Status, Bundle, Rootfs, OCIVersion string
		Pid                                    int
		Created                                time.Time
		Annotations                            map[string]string
	}
	if err := json.Unmarshal([]byte(r.do("list", "--format=json").Out), &list); err != nil || len(list) != 2 {
		t.Fatalf("%+v, %v", list, err)
	}
	if a := list[0]; a.ID != "a" || a.Status != "stopped" || a.Rootfs != "/bundles/a/rootfs" || a.Created.Year() != 2026 || a.Annotations["k"] != "v" || a.Pid != 0 {
		t.Errorf("%+v", a)
	}
	if got := r.do("list", "--format", "yaml"); got.Code != 1 || !strings.Contains(got.Err, `list: format "yaml" is not known: table or json`) {
		t.Errorf("%+v", got)
	}
}

// TestStopped: what can be done with a container that has ended, and what not.
func TestStopped(t *testing.T) {
	r := newRuntime(t)
	r.record("box")
	var st struct {
		ID, Status, OCIVersion, Bundle string
		Pid                            int
	}
	if err := json.Unmarshal([]byte(r.do("state", "box").Out), &st); err != nil || st.ID != "box" || st.Status != "stopped" || st.Pid != 0 || st.OCIVersion != "1.3.0" {
		t.Errorf("%+v, %v", st, err)
	}
	for _, args := range [][]string{{"start", "box"}, {"kill", "box"}, {"kill", "box", "9"}, {"exec", "box", "ls"}} {
		if got := r.do(args...); got.Code == 0 || !strings.Contains(got.Err, "box") {
			t.Errorf("%q: %+v", args, got)
		}
	}
	if got := r.do("delete", "box"); got.Code != 0 {
		t.Errorf("%+v", got)
	}
	if _, err := os.Stat(filepath.Join(r.root, "box")); !os.IsNotExist(err) {
		t.Errorf("its state is still there: %v", err)
	}
}

// TestMistakes are told in one line, and end with 1, those of the flags with 125.
func TestMistakes(t *testing.T) {
	r := newRuntime(t)
	missing := `container "nosuch" does not exist`
	for _, c := range []struct{ args, want string }{
		{"state nosuch", missing}, {"start nosuch", missing}, {"delete nosuch", missing}, {"kill nosuch", missing}, {"exec nosuch ls", missing},
		{"state", "state: one container id is needed"}, {"state a b", "state: one container id is needed"}, {"start", "start: one container id is needed"},
		{"delete", "delete: one container id is needed"}, {"create", "create: one container id is needed"}, {"run", "run: one container id is needed"},
		{"kill", "kill: a container id and a signal are needed"}, {"kill a b c", "kill: a container id and a signal are needed"},
		{"kill nosuch WHAT", "WHAT"}, {"kill nosuch 0x", "0x"},
		{"exec", "exec: a container id is needed"},
		{"state ../x", `invalid container id "../x"`}, {"state ..", `invalid container id ".."`}, {"delete a/b", `invalid container id "a/b"`},
		{"create --preserve-fds 3 x", "--preserve-fds 3: not supported"},
		{"create --bundle /nowhere x", "/nowhere"},
	} {
		got := r.do(strings.Fields(c.args)...)
		if got.Code != 1 || !strings.Contains(got.Err, c.want) || strings.Count(got.Err, "\n") != 1 {
			t.Errorf("%s: %+v, want %q", c.args, got, c.want)
		}
	}
	if entries, err := os.ReadDir(r.root); err != nil || len(entries) > 0 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
	if got := r.do("delete", "--force", "nosuch"); got.Code != 0 {
		t.Errorf("delete --force of what is not there: %+v", got)
	}
	if got := r.do("state", "--nosuch", "x"); got.Code != 125 {
		t.Errorf("%+v", got)
	}
}

// TestLog: an engine reads errors in the file that it has named, each in a line.
func TestLog(t *testing.T) {
	r := newRuntime(t)
	log := filepath.Join(t.TempDir(), "log")
	if got := r.do("--log", log, "--log-format", "json", "state", "nosuch"); got.Code != 1 {
		t.Errorf("%+v", got)
	}
	r.do("--log", log, "--log-format", "json", "list") // which is well, and says nothing
	r.do("--log", log, "kill", "nosuch")
	data, err := os.ReadFile(log)
	lines := strings.Split(strings.TrimSpace(string(data)), "\n")
	if err != nil || len(lines) != 2 {
		t.Fatalf("%q, %v", data, err)
	}
	var word struct{ Level, Msg, Time string }
	if err := json.Unmarshal([]byte(lines[0]), &word); err != nil || word.Level != "error" || word.Msg != `container "nosuch" does not exist` {
		t.Errorf("%s: %+v, %v", lines[0], word, err)
	}
	if when, err := time.Parse(time.RFC3339Nano, word.Time); err != nil || time.Since(when) > time.Hour {
		t.Errorf("at %s, %v", word.Time, err)
	}
	testutil.Contains(t, lines[1], "time=\"", `level=error msg="container \"nosuch\" does not exist"`)
	// A log that cannot be written is no reason not to say it to the caller.
	if got := r.do("--log", "/nowhere/log", "state", "nosuch"); got.Code != 1 || !strings.Contains(got.Err, "does not exist") {
		t.Errorf("%+v", got)
	}
}

// TestSpec writes a config.json that says what the runtime runs, and not over one
// that is there.
func TestSpec(t *testing.T) {
	r := newRuntime(t)
	dir := t.TempDir()
	if got := r.do("spec", "-b", dir); got.Code != 0 || got.All() != "" {
		t.Fatalf("%+v", got)
	}
	var spec struct {
		OCIVersion string
		Process    struct {
			Args []string
			Cwd  string
		}
		Root  struct{ Path string }
		Linux struct{ Namespaces []struct{ Type string } }
	}
	data, err := os.ReadFile(filepath.Join(dir, "config.json"))
	if err == nil {
		err = json.Unmarshal(data, &spec)
	}
	if err != nil || len(spec.Process.Args) == 0 || spec.Process.Cwd != "/" || spec.Root.Path != "rootfs" || len(spec.Linux.Namespaces) == 0 {
		t.Errorf("%+v, %v", spec, err)
	}
	if got := r.do("spec", "-b", dir); got.Code != 1 || !strings.Contains(got.Err, "config.json") {
		t.Errorf("a second time: %+v", got)
	}
	if again, _ := os.ReadFile(filepath.Join(dir, "config.json")); string(again) != string(data) {
		t.Error("it was written over")
	}
}

func TestFeatures(t *testing.T) {
	var f struct {
		OCIVersionMin, OCIVersionMax string
		Hooks                        []string
		Linux                        struct {
			Namespaces, Capabilities []string
			Seccomp                  struct{ Enabled bool }
		}
	}
	if err := json.Unmarshal([]byte(newRuntime(t).do("features").Out), &f); err != nil || f.OCIVersionMin != "1.0.0" || len(f.Hooks) != 6 || len(f.Linux.Namespaces) != 7 || !f.Linux.Seccomp.Enabled {
		t.Errorf("%+v, %v", f, err)
	}
}

// TestRoot: a runtime's --root is its own; without one it is the user's.
func TestRoot(t *testing.T) {
	h := commandline.New(t)
	run := filepath.Join(t.TempDir(), "run")
	if err := os.Mkdir(run, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("XDG_RUNTIME_DIR", run)
	h.OK("oci", "list")
	found := false
	_ = filepath.WalkDir(run, func(p string, _ os.DirEntry, _ error) error { found = found || strings.Contains(p, "oci"); return nil })
	if !found {
		t.Error("the state is not in the runtime directory")
	}
	if _, err := os.Stat(h.Root); err == nil {
		t.Error("the engine's store was made")
	}
}
