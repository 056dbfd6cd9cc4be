// SPDX-License-Identifier: Apache-2.0

package composecmd_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"coracle/internal/testutil"
	"coracle/internal/testutil/commandline"
)

// at is a store and a directory with a Compose file, where the test is.
func at(t *testing.T, file string) *commandline.House {
	t.Helper()
	h := commandline.New(t)
	dir := filepath.Join(t.TempDir(), "shop")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "compose.yaml"), []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	return h
}

const file = `
services:
  web: {image: "web:${TAG:-1}", build: ., ports: ["8080:80"], depends_on: [db], env_file: [{path: web.env, required: false}]}
  db: {image: db, volumes: ["data:/data"]}
  tool: {build: ./tool, profiles: [tools, debug]}
networks: {default: {}, unused: {}}
volumes: {data: {}, other: {}}
`

func TestConfig(t *testing.T) {
	h := at(t, file)
	for flags, want := range map[string]string{
		"--services": "db\nweb", "--images": "db\nweb:1", "--volumes": "data", "--profiles": "debug\ntools", "--networks": "default",
		"--all-resources config --volumes": "data\nother", "--profile tools config --services": "db\ntool\nweb", "--services db": "db", "-q": "",
		"--profile tools config --images": "db\nshop-tool\nweb:1",
	} {
		args := append([]string{"compose"}, strings.Fields(flags)...)
		if !strings.Contains(flags, "config") {
			args = append([]string{"compose", "config"}, strings.Fields(flags)...)
		}
		if got := h.OK(args...); got != want {
			t.Errorf("%s: %q, want %q", flags, got, want)
		}
	}
	var p struct {
		Name     string
		Services map[string]struct {
			Image string
			Ports []struct{ Published string }
		}
	}
	t.Setenv("TAG", "2")
	if err := json.Unmarshal([]byte(h.OK("compose", "config", "--format", "json")), &p); err != nil || p.Name != "shop" || p.Services["web"].Image != "web:2" || p.Services["web"].Ports[0].Published != "8080" {
		t.Errorf("%+v %v", p, err)
	}
	testutil.Contains(t, h.OK("compose", "config", "--no-interpolate"), "web:${TAG:-1}")
	testutil.Contains(t, h.OK("compose", "config", "--environment"), "TAG=2")
	testutil.Contains(t, h.OK("compose", "config", "--variables"), "TAG", "false", "1")
	testutil.Contains(t, h.OK("compose", "-p", "other", "config"), "name: other", "other_default")
	one, two := h.OK("compose", "config", "--hash", "web"), h.OK("compose", "config", "--hash", "*")
	if !strings.Contains(two, one) || len(strings.Fields(one)[1]) != 64 || len(strings.Split(two, "\n")) != 2 {
		t.Errorf("hashes: %s; %s", one, two)
	}
	h.OK("compose", "config", "-o", "out.yaml")
	if text, err := os.ReadFile("out.yaml"); err != nil || !strings.Contains(string(text), "name: shop") {
		t.Errorf("output: %v %s", err, text)
	}
	h.Fails(1, "no such service: nobody", "compose", "config", "nobody")
	h.Fails(1, `unsupported format "xml"`, "compose", "config", "--format", "xml")
}

// TestNothing: what verbs say of a project of which there is nothing.
func TestNothing(t *testing.T) {
	h := at(t, file)
	for _, c := range []struct{ args, out, err string }{
		{"ps", "NAME      IMAGE     COMMAND   SERVICE   CREATED   STATUS    PORTS", ""},
		{"ps -q", "", ""}, {"ps --format json", "", ""}, {"ls", "NAME      STATUS    CONFIG FILES", ""}, {"ls --format json", "[]", ""}, {"ls -q", "", ""},
		{"logs", "", ""}, {"stop", "", ""}, {"kill", "", "No container to kill"}, {"rm -f", "", "No stopped containers"},
		{"down", "", "No resource found to remove for project"}, {"build db", "", "No services to build"},
		{"version --short", "5.6.0", ""}, {"version -f json", `{"version":"v5.6.0"}`, ""}, {"version", "Docker Compose version v5.6.0 (coracle 1.2.3)", ""},
	} {
		r := h.Do(append([]string{"compose"}, strings.Fields(c.args)...)...)
		if r.Code != 0 || r.Text() != c.out || !strings.Contains(r.Err, c.err) || c.err == "" && r.Err != "" {
			t.Errorf("%s: %d %q %q", c.args, r.Code, r.Out, r.Err)
		}
	}
}

// TestMistakes: of the command line, in docker compose's words.
func TestMistakes(t *testing.T) {
	h := at(t, file)
	for args, want := range map[string]string{
		"up --force-recreate --no-recreate":       "--force-recreate and --no-recreate are incompatible",
		"up --always-recreate-deps --no-recreate": "--always-recreate-deps and --no-recreate are incompatible",
		"up --build --no-build":                   "--build and --no-build are incompatible",
		"up --pull sometimes":                     `invalid --pull option "sometimes"`,
		"up -d --scale web":                       `invalid --scale option "web". Should be SERVICE=NUM`,
		"up -d --scale nobody=1":                  "no such service: nobody",
		"up -d nobody":                            "no such service: nobody",
		"ps --filter x=y":                         "unknown filter x",
		"ps nobody":                               "no such service: nobody",
		"down --rmi some":                         `invalid value for --rmi: "some"`,
		"logs --since yesterday":                  `invalid value for "since"`,
		"ls --filter x=y":                         "invalid filter 'x=y'",
		"ls --format xml":                         `unsupported format value "xml"`,
		"exec web true":                           `service "web" is not running`,
		"kill -s NONSENSE":                        "invalid signal: NONSENSE",
		"--progress loud ps":                      `unsupported --progress value "loud"`,
		"-f gone.yaml ps":                         "gone.yaml: no such file or directory",
		"--env-file gone.env ps":                  "couldn't find env file: ",
		"-p Bad_NAME! ps":                         "invalid project name",
		"run --no-deps -p nonsense:x:y:z web":     "nvalid",
	} {
		r := h.Do(append([]string{"compose"}, strings.Fields(args)...)...)
		if r.Code != 1 || !strings.Contains(r.Err, want) || strings.Contains(want, "no such service") && strings.Contains(r.Err, "rror") {
			t.Errorf("%s: %d %s", args, r.Code, r.All())
		}
	}
	h.Fails(1, "unknown flag: --nonsense", "compose", "up", "--nonsense")
	h.Fails(1, "requires at least 2 arguments", "compose", "exec", "web")
	h.Fails(1, "unknown command: coracle compose nonsense", "compose", "nonsense")
	if r := h.Do("compose", "up", "--help"); r.Code != 0 || !strings.Contains(r.Out, "--abort-on-container-exit") {
		t.Errorf("help: %+v", r)
	}
}

// TestFlagsOfTheGroup stand before the verb, and those of a verb after it: -f is a
// file here and follow there.
func TestFlagsOfTheGroup(t *testing.T) {
	h := at(t, file)
	if err := os.WriteFile("more.yaml", []byte("services: {web: {image: \"more\"}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	testutil.Contains(t, h.OK("compose", "-f", "compose.yaml", "--file=more.yaml", "config", "--images"), "more")
	h.OK("compose", "-f", "compose.yaml", "logs", "-f")
	h.Stdin = "name: piped\nservices: {a: {image: x}}\n"
	testutil.Contains(t, h.OK("compose", "--project-directory", "..", "-f", "more.yaml", "config"), "image: more")
	if got := h.OK("compose", "--project-name=n", "-f", "more.yaml", "config", "--format=json"); !strings.Contains(got, `"name": "n"`) {
		t.Error(got)
	}
}
