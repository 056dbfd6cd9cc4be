// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"coracle/internal/testutil"
)

// A boot is what one start of the machine is for; its tests run in order.
type boot struct {
	name  string
	tests []test
}

type test struct {
	name string
	run  func(*testing.T)
}

// boots are in the order in which hack/vm makes them; what a boot leaves behind is
// there for the next.
func boots() []boot {
	return []boot{
		{"services", []test{
			{"Doctor", testDoctor},
			{"Limits", testLimits},
			{"NotDelegated", testNotDelegated},
			{"Scope", testScope},
			{"Journal", testJournal},
			{"Unit", testUnit},
			{"Health", testHealth},
			{"ExitStatus", testExitStatus},
			{"Supervisor", testSupervisorKilled},
			{"Socket", testSocket},
			{"SystemUnit", testSystemUnit},
			{"Quadlet", testQuadlet},
			{"QuadletKinds", testQuadletKinds},
			{"Compose", testCompose},
			{"AppArmor", testAppArmor},
			{"BeforeReboot", testBeforeReboot},
		}},
		{"back", []test{
			{"AfterReboot", testAfterReboot},
			{"PowerCut", testPowerCut},
		}},
		{"cut", []test{{"AfterPowerCut", testAfterPowerCut}}},
		{"legacy", []test{{"Legacy", testLegacy}}},
	}
}

// Where the kit is, and what the machine has of its own.
const (
	program = "/usr/local/bin/coracle"
	full    = "full" // has subordinate ids
	solo    = "solo" // has none
)

// teller is the name of this program in a container whose own word its service
// waits for.
const teller = "/teller"

func TestMain(m *testing.M) {
	if os.Args[0] == teller {
		tell()
		return
	}
	if os.Getenv("CORACLE_MACHINE") == "" {
		fmt.Println("nothing is tested here: hack/test-vm.sh makes the machine for it")
		return
	}
	os.Exit(m.Run())
}

func TestMachine(t *testing.T) {
	for _, b := range boots() {
		if b.name != os.Getenv("CORACLE_MACHINE") {
			continue
		}
		for _, x := range b.tests {
			t.Run(x.name, x.run)
		}
		return
	}
	t.Fatal("no such boot: ", os.Getenv("CORACLE_MACHINE"))
}

// Emulated machines are slow, and share their processors.
const (
	patience = 3 * time.Minute
	longest  = 6 * time.Minute
)

// eventually asks until f says yes.
func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !f(); time.Sleep(300 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

func finish(name string, args ...string) testutil.Result {
	ctx, cancel := context.WithTimeout(context.Background(), longest)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = "/"
	cmd.WaitDelay = 5 * time.Second
	var out, said strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &said
	err := cmd.Run()
	r := testutil.Result{Out: out.String(), Err: said.String(), Code: cmd.ProcessState.ExitCode()}
	if r.Code == -1 {
		r.Err += fmt.Sprint("\n", err)
	}
	return r
}

// root is a script of the administrator's.
func root(t *testing.T, script string) string {
	t.Helper()
	r := finish("sh", "-c", script)
	if r.Code != 0 {
		t.Fatalf("root: %s: %d %s", script, r.Code, r.All())
	}
	return r.Text()
}

// person is a user of the machine.
type person struct {
	t    *testing.T
	name string
}

// login is a script in a session of the user's, as pam_systemd makes it.
func (p person) login(script string) testutil.Result {
	p.t.Helper()
	r := finish("su", "-", p.name, "-c", script)
	if r.Panicked() {
		p.t.Errorf("%s: %s", script, r.Err)
	}
	return r
}

// bare is a script without a session, as cron's or that of a service with User=.
func (p person) bare(script string) testutil.Result {
	p.t.Helper()
	return finish("setpriv", "--reuid", p.name, "--regid", p.name, "--init-groups", "env", "-i",
		"HOME=/home/"+p.name, "USER="+p.name, "PATH=/usr/local/bin:/usr/bin:/bin", "sh", "-c", script)
}

// ok is the output of a script that must go well in a session.
func (p person) ok(script string) string {
	p.t.Helper()
	r := p.login(script)
	if r.Code != 0 {
		p.t.Fatalf("%s: %d %s", script, r.Code, r.All())
	}
	return r.Text()
}

// write makes a file of the user's below the home directory.
func (p person) write(name, text string) {
	p.t.Helper()
	path := filepath.Join("/home", p.name, name)
	for _, err := range []error{os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)} {
		if err != nil {
			p.t.Fatal(err)
		}
	}
	first, _, _ := strings.Cut(name, "/")
	root(p.t, "chown -R "+p.name+": /home/"+p.name+"/"+first)
}

// someone is a user with the image busybox, and lingering as it is said.
func someone(t *testing.T, name string, lingers bool) person {
	t.Helper()
	p := person{t, name}
	root(t, map[bool]string{true: "loginctl enable-linger ", false: "loginctl disable-linger "}[lingers]+name)
	if p.login("coracle image inspect busybox").Code != 0 {
		p.ok("coracle import " + kit("fixtures/busybox.tar") + " busybox")
	}
	return p
}

// kit is the path of a file that was brought along.
func kit(name string) string { return filepath.Join(os.Getenv("CORACLE_KIT"), name) }

// section is the part of a page of the docs below a heading.
func section(t *testing.T, page, heading string) string {
	t.Helper()
	data, err := os.ReadFile(kit("docs/" + page))
	if err != nil {
		t.Fatal(err)
	}
	_, after, found := strings.Cut(string(data), "\n## "+heading+"\n")
	if !found {
		t.Fatalf("%s has no %q", page, heading)
	}
	part, _, _ := strings.Cut(after, "\n## ")
	return part
}

// block is the n-th block of a section in a language.
func block(t *testing.T, section, language string, n int) string {
	t.Helper()
	parts := strings.Split(section, "```"+language+"\n")
	if len(parts) <= n+1 {
		t.Fatalf("no block %d of %s in\n%s", n, language, section)
	}
	text, _, _ := strings.Cut(parts[n+1], "```")
	return text
}

// typed are the commands of a block.
func typed(block string) string {
	var script []string
	for line := range strings.Lines(block) {
		if command, yes := strings.CutPrefix(line, "$ "); yes {
			script = append(script, command)
		}
	}
	return "set -e\n" + strings.Join(script, "")
}
