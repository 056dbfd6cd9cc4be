// SPDX-License-Identifier: Apache-2.0

package compose

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"coracle/internal/testutil"
)

// project is a directory with a Compose file, of a user with a store of their own.
type project struct {
	t   *testing.T
	dir string
	env []string
	bin string
}

// newProject makes a project called shop of a file, in a store that has busybox.
func newProject(t *testing.T, file string) *project {
	t.Helper()
	bin := os.Getenv("CORACLE_BIN")
	if bin == "" {
		t.Skip("CORACLE_BIN is not set: run hack/test.sh")
	}
	testutil.Needs(t, testutil.Unprivileged())
	fixture := filepath.Join(os.Getenv("CORACLE_FIXTURES"), "busybox.tar")
	if _, err := os.Stat(fixture); err != nil {
		t.Skip("busybox.tar could not be made on this machine")
	}
	home, err := os.MkdirTemp("", "coracle-compose-")
	if err != nil {
		t.Fatal(err)
	}
	p := &project{t: t, dir: filepath.Join(home, "shop"), bin: bin}
	p.env = append(os.Environ(), "HOME="+home, "CORACLE_ROOT="+filepath.Join(home, "root"), "DOCKER_CONFIG="+filepath.Join(home, ".docker"),
		"XDG_CONFIG_HOME="+filepath.Join(home, ".config"), "TMPDIR="+home)
	if err := os.Mkdir(p.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.leave(home) })
	p.do("import", fixture, "busybox").ok()
	p.file("compose.yaml", file)
	return p
}

// leave removes what there is, and checks that nothing stays.
func (p *project) leave(home string) {
	p.do("compose", "kill")
	if r := p.do("compose", "down", "-v", "--remove-orphans", "-t", "0"); r.Code != 0 {
		p.t.Errorf("down: %s", r.All())
	}
	if ids := strings.Fields(p.do("ps", "-aq").Out); len(ids) > 0 {
		p.do(append([]string{"rm", "-f", "-v"}, ids...)...)
	}
	p.do("system", "prune", "-af", "--volumes")
	if err := os.RemoveAll(home); err != nil {
		p.t.Logf("remove home: %v", err)
	}
}

// file writes a file beside the Compose file.
func (p *project) file(name, text string) {
	p.t.Helper()
	if err := os.WriteFile(filepath.Join(p.dir, name), []byte(text), 0o644); err != nil {
		p.t.Fatal(err)
	}
}

// change writes the Compose file with something else in it.
func (p *project) change(old, new string) {
	p.t.Helper()
	text, err := os.ReadFile(filepath.Join(p.dir, "compose.yaml"))
	if err != nil || !strings.Contains(string(text), old) {
		p.t.Fatalf("no %q to change: %v", old, err)
	}
	p.file("compose.yaml", strings.Replace(string(text), old, new, 1))
}

func (p *project) command(args ...string) *exec.Cmd {
	cmd := exec.Command(p.bin, args...)
	cmd.Env, cmd.Dir = p.env, p.dir
	return cmd
}

// answer is what a command said.
type answer struct {
	testutil.Result
	p    *project
	args []string
}

func (p *project) do(args ...string) answer {
	p.t.Helper()
	r := testutil.Finish(p.command(args...))
	if strings.HasSuffix(r.Err, "it hangs") {
		p.t.Fatalf("%v: %s", args, r.All())
	}
	return answer{r, p, args}
}

// compose runs a verb that has to succeed.
func (p *project) compose(args ...string) answer {
	p.t.Helper()
	return p.do(append([]string{"compose"}, args...)...).ok()
}

func (a answer) ok() answer {
	a.p.t.Helper()
	if a.Code != 0 {
		a.p.t.Fatalf("coracle %s: exit code %d\n%s", strings.Join(a.args, " "), a.Code, a.All())
	}
	return a
}

// says checks what was said, on standard output or standard error.
func (a answer) says(words ...string) answer {
	a.p.t.Helper()
	testutil.Contains(a.p.t, a.All(), words...)
	return a
}

// silent checks what was not said.
func (a answer) silent(words ...string) answer {
	a.p.t.Helper()
	for _, w := range words {
		if strings.Contains(a.All(), w) {
			a.p.t.Errorf("coracle %s: says %q:\n%s", strings.Join(a.args, " "), w, a.All())
		}
	}
	return a
}

// fails runs a verb that has to fail with a code, and say words.
func (p *project) fails(code int, words string, args ...string) answer {
	p.t.Helper()
	a := p.do(append([]string{"compose"}, args...)...)
	if a.Code != code {
		p.t.Errorf("coracle compose %s: exit code %d, want %d\n%s", strings.Join(args, " "), a.Code, code, a.All())
	}
	return a.says(words)
}

// row is a container as ps tells of it.
type row struct {
	ID, Name, Service, Project, State, Status, Health, Image, Command, Ports string
	ExitCode                                                                 int
	Publishers                                                               []struct {
		URL, Protocol             string
		TargetPort, PublishedPort int
	}
}

// ps are the containers, by name.
func (p *project) ps() map[string]row {
	p.t.Helper()
	all := map[string]row{}
	for line := range strings.Lines(p.compose("ps", "-a", "--format", "json", "--no-trunc").Out) {
		var r row
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			p.t.Fatalf("%v: %s", err, line)
		}
		all[r.Name] = r
	}
	return all
}
