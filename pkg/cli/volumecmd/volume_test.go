// SPDX-License-Identifier: Apache-2.0

package volumecmd

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/command"
	"coracle/pkg/cli/flags"
	"coracle/pkg/container"
	"coracle/pkg/state"
)

// user types commands of volumes, below one root.
type user struct {
	t    *testing.T
	root string
}

func newUser(t *testing.T) user { return user{t, filepath.Join(t.TempDir(), "root")} }

type result struct {
	out, err string
	code     int
	why      error
}

// run carries out one command, as the program does, with input on standard input.
func (u user) run(input string, args ...string) result {
	u.t.Helper()
	dir := u.t.TempDir()
	file := func(name, text string) *os.File {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			u.t.Fatal(err)
		}
		f, err := os.OpenFile(filepath.Join(dir, name), os.O_RDWR, 0)
		if err != nil {
			u.t.Fatal(err)
		}
		return f
	}
	in, out, errs := file("in", input), file("out", ""), file("err", "")
	defer in.Close()
	defer out.Close()
	defer errs.Close()
	e := &command.Env{Program: "docker", Root: u.root, Stdin: in, Stdout: &command.Output{File: out}, Stderr: errs, Config: dir}
	app := &cli.App{
		Name: "docker", Writer: io.Discard, ErrWriter: io.Discard, ExitErrHandler: func(*cli.Context, error) {},
		Commands: []*cli.Command{{Name: "volume", Subcommands: []*cli.Command{
			Create(e), List(e), Prune(e), Remove(e), Update(e),
		}}},
	}
	args, _, err := flags.Arrange(app, append([]string{"volume"}, args...))
	if err != nil {
		u.t.Fatal(err)
	}
	r := result{why: app.RunContext(u.t.Context(), append([]string{"docker"}, args...))}
	var exit *command.ExitError
	if r.why != nil {
		r.code = 1
	}
	if errors.As(r.why, &exit) {
		r.code = exit.Code
	}
	read := func(f *os.File) string {
		text, err := os.ReadFile(f.Name())
		if err != nil {
			u.t.Fatal(err)
		}
		return string(text)
	}
	r.out, r.err = read(out), read(errs)
	return r
}

func (u user) ok(args ...string) string {
	u.t.Helper()
	r := u.run("", args...)
	if r.why != nil || r.err != "" {
		u.t.Fatalf("%v: %v %s", args, r.why, r.err)
	}
	return strings.TrimSuffix(r.out, "\n")
}

// uses makes a container that has volumes.
func (u user) uses(name string, volumes ...string) {
	u.t.Helper()
	d, err := state.Open(u.root)
	if err != nil {
		u.t.Fatal(err)
	}
	r := &container.Record{Name: name}
	for _, v := range volumes {
		r.Mounts = append(r.Mounts, container.Mount{Type: container.MountVolume, Name: v, Target: "/" + v})
	}
	if err := container.NewStore(d).Create(u.t.Context(), r); err != nil {
		u.t.Fatal(err)
	}
}

// write gives a volume a file of some bytes.
func (u user) write(volume string, size int) {
	u.t.Helper()
	if err := os.WriteFile(filepath.Join(u.root, "volumes", volume, "data", "f"), make([]byte, size), 0o600); err != nil {
		u.t.Fatal(err)
	}
}

func TestCreate(t *testing.T) {
	u := newUser(t)
	if got := u.ok("create", "--label", "a=1", "--label", "b", "-o", "type=tmpfs", "-o", "device=tmpfs", "data"); got != "data" {
		t.Errorf("%q", got)
	}
	if got := u.ok("create"); !state.IsID(got) {
		t.Errorf("anonymous: %q", got)
	}
	e := &command.Env{Root: u.root}
	v, err := Inspect(e, "data")
	if err != nil || v.Name != "data" || v.Driver != "local" || v.Scope != "local" || v.Labels["a"] != "1" || v.Options["type"] != "tmpfs" ||
		v.Mountpoint != filepath.Join(u.root, "volumes", "data", "data") {
		t.Errorf("%+v %v", v, err)
	}
	if _, ok := v.Labels["b"]; !ok {
		t.Errorf("labels: %v", v.Labels)
	}
	if _, err := Inspect(e, "nosuch"); err == nil || err.Error() != "get nosuch: no such volume" {
		t.Error(err)
	}
	for _, tt := range []struct{ args, want string }{
		{"create -d nfs x1", `error looking up volume plugin nfs: plugin "nfs" not found`},
		{"create x", "create x: volume name is too short, names should be at least two alphanumeric characters"},
		{"create -o color=red x1", `create x1: invalid option: "color"`},
		{"create -o color x1", `create x1: invalid option: "color"`},
		{"create one two", "'docker volume create' requires at most 1 argument"},
	} {
		if r := u.run("", strings.Fields(tt.args)...); r.why == nil || !strings.Contains(r.why.Error()+r.err, tt.want) || r.out != "" {
			t.Errorf("%s: %v %s%s, want %s", tt.args, r.why, r.out, r.err, tt.want)
		}
	}
	if got := u.ok("ls", "-q", "-f", "name=x"); got != "" {
		t.Errorf("refused volumes are there: %q", got)
	}
}

func TestList(t *testing.T) {
	u := newUser(t)
	u.ok("create", "--label", "k=v", "data")
	u.ok("create", "used")
	u.uses("web", "used")
	if got := u.ok("ls"); got != "DRIVER    VOLUME NAME\nlocal     data\nlocal     used" {
		t.Errorf("%q", got)
	}
	for _, tt := range []struct{ args, want string }{
		{"-q", "data used"}, {"-q -f dangling=true", "data"}, {"-q -f dangling=0", "used"}, {"-q -f label=k", "data"}, {"-q -f label=k=x", ""},
		{"-q -f name=us", "used"}, {"-q -f driver=local", "data used"}, {"-q -f driver=nfs", ""}, {"--format {{.Name}}:{{.Driver}}", "data:local used:local"},
	} {
		if got := strings.Join(strings.Fields(u.ok(append([]string{"ls"}, strings.Fields(tt.args)...)...)), " "); got != tt.want {
			t.Errorf("ls %s: %q, want %q", tt.args, got, tt.want)
		}
	}
	if err := os.WriteFile(filepath.Join(u.root, "volumes", "data", "volume.json"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	r := u.run("", "ls")
	if r.why != nil || !strings.Contains(r.out, "damaged   data\n") || !strings.Contains(r.err, "read volume data: ") || !strings.Contains(r.err, "hint: ") {
		t.Errorf("damaged: %v %s%s", r.why, r.out, r.err)
	}
	if r := u.run("", "ls", "-f", "colour=x"); r.why == nil || !strings.Contains(r.why.Error(), "invalid filter 'colour'") {
		t.Error(r.why)
	}
}

func TestRemove(t *testing.T) {
	u := newUser(t)
	for _, name := range []string{"one", "two", "used"} {
		u.ok("create", name)
	}
	u.uses("web", "used")
	r := u.run("", "rm", "one", "used", "nosuch", "two")
	if r.code != 1 || r.out != "one\ntwo\n" || !strings.Contains(r.err, "remove used: volume is in use - [") || !strings.Contains(r.err, "get nosuch: no such volume") {
		t.Errorf("code %d: %s%s", r.code, r.out, r.err)
	}
	// As in Docker, --force is for what is not there, and not for what is used.
	if r := u.run("", "rm", "-f", "nosuch", "used"); r.code != 1 || r.out != "nosuch\n" {
		t.Errorf("code %d: %s%s", r.code, r.out, r.err)
	}
	if r := u.run("", "rm"); r.why == nil {
		t.Error("nothing was asked for, and that was right")
	}
	if got := u.ok("ls", "-q"); got != "used" {
		t.Errorf("left: %q", got)
	}
}

func TestPrune(t *testing.T) {
	u := newUser(t)
	anonymous, taken := u.ok("create"), u.ok("create")
	u.ok("create", "--label", "keep", "kept")
	u.ok("create", "named")
	u.uses("web", taken)
	for _, v := range []string{anonymous, taken, "kept", "named"} {
		u.write(v, 1500)
	}
	ask := "WARNING! This will remove anonymous local volumes not used by at least one container.\nAre you sure you want to continue? [y/N] "
	if r := u.run("n\n", "prune"); r.out != ask {
		t.Errorf("no: %q %v", r.out, r.why)
	}
	if r := u.run("y\n", "prune"); r.out != ask+"Deleted Volumes:\n"+anonymous+"\n\nTotal reclaimed space: 1.5kB\n" {
		t.Errorf("yes: %q %v", r.out, r.why)
	}
	if got := u.ok("prune", "-f"); got != "Total reclaimed space: 0B" {
		t.Errorf("again: %q", got)
	}
	if r := u.run("", "prune", "--all"); !strings.HasPrefix(r.out, "WARNING! This will remove all local volumes not used") {
		t.Errorf("all: %q", r.out)
	}
	if got := u.ok("prune", "-af", "--filter", "label!=keep"); got != "Deleted Volumes:\nnamed\n\nTotal reclaimed space: 1.5kB" {
		t.Errorf("without a label: %q", got)
	}
	if got := u.ok("prune", "-f", "--filter", "all=1"); got != "Deleted Volumes:\nkept\n\nTotal reclaimed space: 1.5kB" {
		t.Errorf("all as a filter: %q", got)
	}
	for args, want := range map[string]string{
		"prune -af --filter all=1": "conflicting options: cannot specify both --all and --filter all=1",
		"prune -f --filter x=1":    "invalid filter 'x'", "prune -f --filter until=1h": "invalid filter 'until'", "prune x": "accepts no argument",
	} {
		if r := u.run("", strings.Fields(args)...); r.why == nil || !strings.Contains(r.why.Error()+r.err, want) {
			t.Errorf("%s: %v %s, want %s", args, r.why, r.err, want)
		}
	}
	if got := u.ok("ls", "-q"); got != taken {
		t.Errorf("left: %q", got)
	}
	text, err := os.ReadFile(filepath.Join(u.root, "events.log"))
	for _, want := range []string{`"create"`, `"destroy"`, `"prune"`} {
		if err != nil || !strings.Contains(string(text), want) {
			t.Errorf("%s is not in the journal: %v", want, err)
		}
	}
}

func TestUpdate(t *testing.T) {
	u := newUser(t)
	r := u.run("", "update", "--availability", "drain", "data")
	if r.code != 125 || !strings.Contains(r.why.Error(), "'docker volume update' is not supported") {
		t.Errorf("%d %v", r.code, r.why)
	}
}
