// SPDX-License-Identifier: Apache-2.0

package api

import (
	"errors"
	"net"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"coracle/internal/testutil"
)

// engine serves a socket until the test ends.
func (u *user) engine() (host string) {
	u.t.Helper()
	socket := filepath.Join(u.home, "docker.sock")
	cmd := exec.Command(u.bin, "api", "--listen", "unix://"+socket)
	cmd.Env = u.env
	var said strings.Builder
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		u.t.Fatal(err)
	}
	u.t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil || strings.Contains(said.String(), "panic") {
			u.t.Errorf("the engine ended with %v: %s", err, said.String())
		}
	})
	testutil.Eventually(u.t, "the socket is there", func() bool {
		c, err := net.Dial("unix", socket) // which is refused for a moment to who finds the name
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	return "unix://" + socket
}

// commandLine is Docker's, and speaks to an engine.
type commandLine struct {
	t    *testing.T
	path string
	env  []string
}

// debian is the command line of Debian's package, which is no link to the program
// that is tested.
func (u *user) debian(host string) *commandLine {
	u.t.Helper()
	path := "/usr/bin/docker"
	out, err := exec.Command(path, "-v").Output()
	if err != nil || !strings.HasPrefix(string(out), "Docker version") || strings.Contains(string(out), "dev") {
		testutil.Needs(u.t, errors.New("no docker command line in "+path))
	}
	return &commandLine{u.t, path, append(slices.Clone(u.env), "DOCKER_HOST="+host)}
}

func (c *commandLine) cmd(args ...string) *exec.Cmd {
	cmd := exec.CommandContext(c.t.Context(), c.path, args...)
	cmd.Env = c.env
	return cmd
}

func (c *commandLine) do(args ...string) testutil.Result { return testutil.Finish(c.cmd(args...)) }

// ok is what a command that succeeds prints.
func (c *commandLine) ok(args ...string) string {
	c.t.Helper()
	r := c.do(args...)
	if r.Code != 0 {
		c.t.Fatalf("docker %q: %d\n%s", args, r.Code, r.All())
	}
	return r.Text()
}

// fails checks how a command fails.
func (c *commandLine) fails(code int, words string, args ...string) {
	c.t.Helper()
	r := c.do(args...)
	if r.Code != code || !strings.Contains(r.Err, words) {
		c.t.Errorf("docker %q: %d %s, want %d and %q", args, r.Code, r.All(), code, words)
	}
}

// typed is what a command prints that is given input.
func (c *commandLine) typed(input string, args ...string) string {
	c.t.Helper()
	cmd := c.cmd(args...)
	cmd.Stdin = strings.NewReader(input)
	r := testutil.Finish(cmd)
	if r.Code != 0 {
		c.t.Fatalf("docker %q: %d\n%s", args, r.Code, r.All())
	}
	return r.Out
}
