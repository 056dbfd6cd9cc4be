// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"

	"coracle/internal/testutil/projects"
	"coracle/pkg/compose/load"
)

// read reads a project of a file with this text, and some beside it.
func read(t *testing.T, text string) *types.Project {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "compose.yaml")
	for name, text := range map[string]string{file: text, filepath.Join(dir, "labels.env"): "l=m\n", filepath.Join(dir, "variables.env"): "FROM=file\n"} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return loadFile(t, file)
}

func loadFile(t *testing.T, file string) *types.Project {
	t.Helper()
	p, err := load.Project(t.Context(), load.Options{Files: []string{file}, Name: "shop"})
	if err == nil {
		p, err = load.Select(p, nil, false)
	}
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// readFile reads what there is, as the command line does.
func readFile(path string, limit int64) ([]byte, fs.FileMode, error) {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() || info.Size() > limit {
		if info == nil {
			return nil, 0, err
		}
		return nil, info.Mode() | fs.ModeIrregular, err
	}
	data, err := os.ReadFile(path)
	return data, 0o644, err
}

// recorded are the projects of which testdata has what is written: those whose text is
// the most.
func recorded() []string {
	return []string{
		"airflow", "configs-long", "healthchecks", "limits", "minio", "secrets-long", "security", "swarm-leftovers", "umask-and-oom", "volumes-long", "wireguard", "wordpress",
	}
}

// TestProjects writes projects as people have them, the same at each time, and lets
// Kubernetes' own rules look at them.
func TestProjects(t *testing.T) {
	t.Setenv("HOME", "/home/user")
	dir := filepath.Join(t.TempDir(), "shop")
	projects.Unpack(t, dir)
	var all texts
	for _, name := range projects.Names() {
		t.Run(name, func(t *testing.T) {
			got := write(t, loadFile(t, filepath.Join(dir, name+".yaml")))
			if again := write(t, loadFile(t, filepath.Join(dir, name+".yaml"))); got != again {
				t.Errorf("once:\n%s\nand then:\n%s", got, again)
			}
			all.add(t, got)
			if slices.Contains(recorded(), name) {
				compare(t, filepath.Join("testdata", name+".yaml"), strings.ReplaceAll(got, dir, "$DIR"))
			}
		})
	}
	all.check(t)
}

func compare(t *testing.T, golden, got string) {
	t.Helper()
	if *writeDocs {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

func write(t *testing.T, p *types.Project) string {
	t.Helper()
	r, err := Project(p, Options{ReadFile: readFile})
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := r.Write(&b, "Project "+p.Name); err != nil {
		t.Fatal(err)
	}
	for _, n := range r.Notes {
		if strings.Count(b.String(), "# "+n.String()+"\n") != 1 {
			t.Errorf("%s is not there once:\n%s", n, b.String())
		}
	}
	return b.String()
}

// texts are what tests have written, to be looked at together: one run for all.
type texts struct {
	dir   string
	files []string
}

func (w *texts) add(t *testing.T, text string) {
	t.Helper()
	if w.dir == "" {
		dir, err := os.MkdirTemp("", "kube-")
		if err != nil {
			t.Fatal(err)
		}
		w.dir = dir
	}
	file := filepath.Join(w.dir, strconv.Itoa(len(w.files))+".yaml")
	if err := os.WriteFile(file, []byte("# "+t.Name()+"\n"+text), 0o600); err != nil {
		t.Fatal(err)
	}
	w.files = append(w.files, file)
}

func (w *texts) check(t *testing.T) {
	t.Helper()
	defer os.RemoveAll(w.dir)
	valid(t, w.files...)
}

// valid asks Kubernetes' schema and rules, where the program is that has them.
func valid(t *testing.T, files ...string) {
	t.Helper()
	dir := os.Getenv("CORACLE_CLIENTS")
	if dir == "" {
		dir = filepath.Join(os.Getenv("CORACLE_FIXTURES"), "clients")
	}
	program := filepath.Join(dir, "kubernetes")
	if _, err := os.Stat(program); err != nil {
		t.Skip("nothing is compared with Kubernetes' schema: hack/clients.sh makes the program that has it")
	}
	if out, err := exec.CommandContext(t.Context(), program, files...).CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}
