// SPDX-License-Identifier: Apache-2.0

package load

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"
)

// write makes files in a directory, which it returns without links.
func write(t *testing.T, files map[string]string) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func project(t *testing.T, o Options) *types.Project {
	t.Helper()
	p, err := Project(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestMistakes: what is wrong in a file is told in the words that compose-go has with
// its own schema library, which testdata/wrong/words.txt was recorded with.
func TestMistakes(t *testing.T) {
	dir, err := filepath.Abs("testdata/wrong")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "words.txt"))
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("TAG", "")
	cases := strings.Split(string(text), "== ")[1:]
	if len(cases) < 30 {
		t.Fatalf("only %d cases", len(cases))
	}
	for _, c := range cases {
		name, want, _ := strings.Cut(strings.TrimSpace(c), "\n")
		want = strings.ReplaceAll(want, "$DIR", dir)
		t.Run(name, func(t *testing.T) {
			_, err := Project(t.Context(), Options{Files: []string{filepath.Join(dir, name+".yaml")}, Name: "p"})
			got := "<nil>"
			if err != nil {
				got = err.Error()
			}
			if strings.TrimSpace(got) != strings.TrimSpace(want) {
				t.Errorf("got:  %s\nwant: %s", got, want)
			}
		})
	}
}

// TestPrecedence: the environment is stronger than --env-file, which replaces .env.
func TestPrecedence(t *testing.T) {
	dir := write(t, map[string]string{
		"compose.yaml": "services: {a: {image: \"${FROM}-${ALSO:-none}-$$\"}}\n", ".env": "FROM=dotenv\nALSO=dotenv\n", "other.env": "FROM=other\n",
	})
	t.Chdir(dir)
	for _, c := range []struct {
		env   string
		files []string
		want  string
	}{{"", nil, "dotenv-dotenv-$"}, {"shell", nil, "shell-dotenv-$"}, {"", []string{"other.env"}, "other-none-$"}} {
		if c.env != "" {
			t.Setenv("FROM", c.env)
		} else {
			os.Unsetenv("FROM")
		}
		if p := project(t, Options{EnvFiles: c.files}); p.Services["a"].Image != c.want {
			t.Errorf("%+v: %s", c, p.Services["a"].Image)
		}
	}
	if _, err := Project(t.Context(), Options{EnvFiles: []string{"gone.env"}}); err == nil || !strings.Contains(err.Error(), "couldn't find env file: "+dir) {
		t.Errorf("a file of variables that is not there: %v", err)
	}
}

// TestFound: files are looked for here and above, with an override beside them.
func TestFound(t *testing.T) {
	dir := write(t, map[string]string{
		"My App/compose.yaml":          "services: {a: {image: one}}\n",
		"My App/compose.override.yaml": "services: {a: {command: x}, b: {image: two}}\n",
		"My App/deep/er/file":          "",
	})
	t.Chdir(filepath.Join(dir, "My App", "deep", "er"))
	p := project(t, Options{})
	if p.Name != "myapp" || !slices.Equal(p.ServiceNames(), []string{"a", "b"}) || p.Services["a"].Command[0] != "x" {
		t.Errorf("%s: %v", p.Name, p.Services)
	}
	if want := filepath.Join(dir, "My App"); p.WorkingDir != want || p.Services["a"].CustomLabels["com.docker.compose.project.working_dir"] != want {
		t.Errorf("in %s; labels %v", p.WorkingDir, p.Services["a"].CustomLabels)
	}
	t.Setenv("COMPOSE_PROJECT_NAME", "other")
	if p := project(t, Options{}); p.Name != "other" {
		t.Errorf("COMPOSE_PROJECT_NAME: %s", p.Name)
	}
	if name, err := Name(t.Context(), Options{Name: "Bad Name"}); err == nil {
		t.Errorf("%q is a name", name)
	}
	t.Chdir(dir)
	os.Unsetenv("COMPOSE_PROJECT_NAME")
	if _, err := Project(t.Context(), Options{}); err == nil || err.Error() != "no configuration file provided: not found" {
		t.Errorf("no file: %v", err)
	}
}

// TestSelect: a service that is named is enabled, with what it depends on; of the
// others no file is read.
func TestSelect(t *testing.T) {
	dir := write(t, map[string]string{"compose.yaml": `
services:
  web: {image: x, depends_on: [db], env_file: [web.env], volumes: ["data:/w"]}
  db: {image: x, env_file: [{path: gone.env, required: false}]}
  debug: {image: x, profiles: [debug], env_file: [gone.env]}
  other: {image: x, env_file: [gone.env]}
volumes: {data: {}, unused: {}}
`, "web.env": "A=${B:-c}\nRAW='q'\n"})
	t.Chdir(dir)
	all := project(t, Options{})
	p, err := Select(all, []string{"web"}, false)
	if err != nil {
		t.Fatal(err)
	}
	if got := p.ServiceNames(); !slices.Equal(got, []string{"db", "web"}) || !slices.Equal(p.VolumeNames(), []string{"data"}) {
		t.Errorf("%v %v", got, p.VolumeNames())
	}
	if env := p.Services["web"].Environment; env["A"] == nil || *env["A"] != "c" || *env["RAW"] != "q" {
		t.Errorf("environment: %v", env)
	}
	if p, err := Select(all, []string{"web"}, true); err != nil || !slices.Equal(p.ServiceNames(), []string{"web"}) {
		t.Errorf("alone: %v", err)
	}
	if _, err := Select(all, []string{"debug"}, false); err == nil || !strings.Contains(err.Error(), "gone.env") {
		t.Errorf("a file that has to be there: %v", err)
	}
	if _, err := Select(all, []string{"nobody"}, false); err == nil || err.Error() != "no such service: nobody" {
		t.Errorf("a service that is not there: %v", err)
	}
	t.Setenv("COMPOSE_PROFILES", "debug")
	if p := project(t, Options{}); !slices.Contains(slices.Collect(maps.Keys(p.Services)), "debug") {
		t.Error("COMPOSE_PROFILES enables nothing")
	}
}

// TestWarnings: what the library warns of is told.
func TestWarnings(t *testing.T) {
	dir := write(t, map[string]string{"compose.yaml": "version: '3'\nservices: {a: {image: \"x$UNSET_HERE\"}}\n"})
	t.Chdir(dir)
	var said []string
	project(t, Options{Warn: func(m string) { said = append(said, m) }})
	text := strings.Join(said, "\n")
	for _, want := range []string{`The "UNSET_HERE" variable is not set. Defaulting to a blank string.`, "the attribute `version` is obsolete"} {
		if !strings.Contains(text, want) {
			t.Errorf("not said: %s\n%s", want, text)
		}
	}
}

// TestMerged: the ways in which files come together.
func TestMerged(t *testing.T) {
	dir := write(t, map[string]string{
		"compose.yaml": `
include: [part.yaml]
services:
  a: {extends: {file: base.yaml, service: base}, ports: ["1:1"], command: [x]}
`,
		"part.yaml":  "services: {part: {image: p}}\n",
		"base.yaml":  "services: {base: {image: b, environment: {A: base, B: base}}}\n",
		"extra.yaml": "services:\n  a:\n    ports: !override [\"2:2\"]\n    command: !reset null\n    environment: {B: extra}\n",
	})
	p := project(t, Options{Files: []string{filepath.Join(dir, "compose.yaml"), filepath.Join(dir, "extra.yaml")}})
	a := p.Services["a"]
	if a.Image != "b" || *a.Environment["A"] != "base" || *a.Environment["B"] != "extra" || len(a.Ports) != 1 || a.Ports[0].Published != "2" || a.Command != nil {
		t.Errorf("%+v", a)
	}
	if p.Services["part"].Image != "p" {
		t.Error("what is included is not there")
	}
}

// BenchmarkProject is what every verb pays for reading a file; the first time in a
// process the schema is made.
func BenchmarkProject(b *testing.B) {
	file := filepath.Join(b.TempDir(), "compose.yaml")
	if err := os.WriteFile(file, []byte("services: {a: {image: x, ports: [\"80:80\"]}, b: {image: x}}\n"), 0o600); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := Project(b.Context(), Options{Files: []string{file}, Name: "p"}); err != nil {
			b.Fatal(err)
		}
	}
}
