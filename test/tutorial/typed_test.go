// SPDX-License-Identifier: Apache-2.0

package tutorial

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"coracle/internal/testutil"
)

// typed is a command of a document, and what it says there.
type typed struct {
	section, command string
	says             []string // lines; "..." stands for others, before, between or after
	interrupted      bool     // by Ctrl-C, when it has said that
}

// commands are what a document has in its blocks called console, in their order.
func commands(text string) []typed {
	var all []typed
	section, inside := "", false
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, " \n")
		switch command, isCommand := strings.CutPrefix(line, "$ "); {
		case strings.HasPrefix(line, "```"):
			inside = line == "```console"
		case !inside && strings.HasPrefix(line, "##"):
			section = strings.TrimLeft(line, "# ")
		case !inside:
		case isCommand:
			all = append(all, typed{section: section, command: command})
		case len(all) > 0 && line == "^C":
			all[len(all)-1].interrupted = true
		case len(all) > 0:
			all[len(all)-1].says = append(all[len(all)-1].says, line)
		}
	}
	return all
}

// others are the words that are others each time.
var others = []struct {
	words *regexp.Regexp
	as    string
}{
	{regexp.MustCompile(`\b[0-9a-f]{64}\b|\b[0-9a-f]{12}\b`), "ID"},
	{regexp.MustCompile(`(Less than a second|About an? (minute|hour)|\d+ (second|minute|hour)s?)`), "A WHILE"},
	{regexp.MustCompile(`\b\d+(\.\d+)?[kMG]?B\b`), "SIZE"},
	{regexp.MustCompile(`size: \d+`), "size: SIZE"},
	{regexp.MustCompile(`"last_minute":\d+`), `"last_minute":N`},
	{regexp.MustCompile(`(?m)^#\d+ `), "#N "}, // what takes the step's number depends on what is there
	{regexp.MustCompile(` +`), " "},
}

// plain is an output, line by line, without what is another each time.
func plain(text string) []string {
	for _, o := range others {
		text = o.words.ReplaceAllString(text, o.as)
	}
	var lines []string
	for line := range strings.Lines(text) {
		lines = append(lines, strings.TrimSpace(line))
	}
	for len(lines) > 0 && lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	return lines
}

// missing is what a command has not said, or has said too much.
func (c typed) missing(output string) string {
	got, want := plain(output), plain(strings.Join(c.says, "\n"))
	if !slices.Contains(want, "...") {
		if !slices.Equal(got, want) {
			return fmt.Sprintf("want exactly\n%s", strings.Join(want, "\n"))
		}
		return ""
	}
	for _, line := range want {
		if line != "..." && !slices.Contains(got, line) {
			return fmt.Sprintf("no line %q", line)
		}
	}
	return ""
}

// shell is where commands are typed: a directory, and what stands for what a reader has.
type shell struct {
	*user
	dir  string
	mine *strings.Replacer
}

// TestTutorialIsTyped types docs/tutorial.md.
func TestTutorialIsTyped(t *testing.T) {
	u := newUser(t)
	text, err := os.ReadFile(u.fixture("docs/tutorial.md"))
	if err != nil {
		t.Fatal(err)
	}
	for image, fixture := range map[string]string{"busybox": "busybox.tar", "python:3-slim": "python.tar", "redis:7": "redis.tar"} {
		u.image(fixture, image)
	}
	t.Cleanup(func() { u.result("compose", "-p", "visits", "down", "-v", "-t", "0") })
	bin := filepath.Join(u.home, "bin")
	if err := os.MkdirAll(bin, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(u.bin, filepath.Join(bin, "coracle")); err != nil {
		t.Fatal(err)
	}
	u.env = append(u.env, "PATH="+bin+":"+os.Getenv("PATH"))

	port := testutil.FreePorts(t, 3)
	pairs := []string{"4000-4009", fmt.Sprintf("%d-%d", port, port+2), "/home/you/", u.home + "/"}
	for i := range 3 {
		pairs = append(pairs, fmt.Sprint(4000+i), fmt.Sprint(port+i))
	}
	_, err = exec.LookPath("docker-registry")
	registry := err == nil
	if registry {
		pairs = append(pairs, "registry.example.com", startRegistry(t, u))
	}
	s := &shell{user: u, dir: u.home, mine: strings.NewReplacer(pairs...)}
	if err := os.CopyFS(filepath.Join(u.home, "examples"), os.DirFS(u.fixture("examples"))); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(u.home, "examples/compose/compose.yaml")
	if err := rewrite(file, s.mine); err != nil {
		t.Fatal(err)
	}

	all := commands(string(text))
	if len(all) < 30 {
		t.Fatalf("only %d commands are typed", len(all))
	}
	for _, c := range all {
		if c.section == "Share it" && !registry {
			continue
		}
		s.enter(c)
	}
}

// rewrite replaces words of a file.
func rewrite(file string, by *strings.Replacer) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	return os.WriteFile(file, []byte(by.Replace(string(text))), 0o644)
}

// enter types a command, and looks at what it says.
func (s *shell) enter(c typed) {
	s.t.Helper()
	if dir, ok := strings.CutPrefix(c.command, "cd "); ok {
		s.dir = filepath.Join(s.dir, dir)
		return
	}
	for i := range c.says {
		c.says[i] = s.mine.Replace(c.says[i])
	}
	said := &testutil.Said{}
	cmd := exec.Command("sh", "-c", "exec "+s.mine.Replace(c.command))
	if strings.ContainsAny(c.command, "|;&") || strings.HasPrefix(c.command, "kill ") {
		cmd.Args[2] = s.mine.Replace(c.command)
	}
	cmd.Env, cmd.Dir, cmd.Stdout, cmd.Stderr = s.env, s.dir, said, said
	if c.interrupted {
		s.interrupt(c, cmd, said)
		return
	}
	if r := s.finish(cmd); r.Code != 0 {
		s.t.Fatalf("%s: $ %s: exit code %d\n%s%s", c.section, c.command, r.Code, said, r.Err)
	}
	if wrong := c.missing(said.String()); wrong != "" {
		s.t.Errorf("%s: $ %s: %s\nit said:\n%s", c.section, c.command, wrong, said)
	}
}

// interrupt presses Ctrl-C when a command has said what it should.
func (s *shell) interrupt(c typed, cmd *exec.Cmd, said *testutil.Said) {
	s.t.Helper()
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill() }()
	testutil.Eventually(s.t, c.command+" says what it should", func() bool { return c.missing(said.String()) == "" })
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		s.t.Fatal(err)
	}
	hung := time.AfterFunc(testutil.Longest, func() { _ = cmd.Process.Kill() })
	_ = cmd.Wait()
	hung.Stop()
	if code := cmd.ProcessState.ExitCode(); code != 0 && code != 130 {
		s.t.Errorf("%s: $ %s: exit code %d after Ctrl-C\n%s", c.section, c.command, code, said)
	}
}
