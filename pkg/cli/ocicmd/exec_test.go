// SPDX-License-Identifier: Apache-2.0

package ocicmd

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"github.com/urfave/cli/v2"
)

// parsed is the context of an exec with these arguments.
func parsed(t *testing.T, args ...string) (c *cli.Context) {
	t.Helper()
	app := &cli.App{Name: "x", Flags: execFlags(), Action: func(got *cli.Context) error { c = got; return nil }}
	if err := app.Run(append([]string{"x"}, args...)); err != nil {
		t.Fatal(err)
	}
	return c
}

// first is the process that a container began with.
func first() *specs.Process {
	umask := uint32(0o22)
	return &specs.Process{
		Terminal: true, ConsoleSize: &specs.Box{Height: 1, Width: 2}, Args: []string{"init"}, Cwd: "/srv", Env: []string{"PATH=/bin", "A=1"},
		User:         specs.User{UID: 5, GID: 6, AdditionalGids: []uint32{7}, Umask: &umask},
		Capabilities: &specs.LinuxCapabilities{Bounding: []string{"CAP_KILL"}, Effective: []string{"CAP_KILL"}, Permitted: []string{"CAP_KILL"}},
	}
}

// TestChanged: another process is as the container's own but for what the flags say,
// and the container's own stays as it is.
func TestChanged(t *testing.T) {
	for _, c := range []struct {
		name, args string
		change     func(*specs.Process)
	}{
		{"only a command", "box ls -l", func(*specs.Process) {}},
		{"a terminal of its own", "-t box ls -l", func(p *specs.Process) { p.Terminal = true }},
		{"variables", "-e A=2 -e B=3 box ls -l", func(p *specs.Process) { p.Env = []string{"PATH=/bin", "A=2", "B=3"} }},
		{"a directory", "--cwd /tmp box ls -l", func(p *specs.Process) { p.Cwd = "/tmp" }},
		{"a user has none of the container's groups", "-u 9:8 box ls -l", func(p *specs.Process) {
			p.User = specs.User{UID: 9, GID: 8, Umask: p.User.Umask}
		}},
		{"a user without a group is in root's", "-u 9 box ls -l", func(p *specs.Process) { p.User = specs.User{UID: 9, Umask: p.User.Umask} }},
		{"more groups", "-g 11 -g 12 box ls -l", func(p *specs.Process) { p.User.AdditionalGids = []uint32{7, 11, 12} }},
		{"groups of another user", "-u 9 -g 11 box ls -l", func(p *specs.Process) {
			p.User = specs.User{UID: 9, Umask: p.User.Umask, AdditionalGids: []uint32{11}}
		}},
		{"no new privileges", "--no-new-privs box ls -l", func(p *specs.Process) { p.NoNewPrivileges = true }},
		{"a capability", "-c CAP_CHOWN box ls -l", func(p *specs.Process) {
			both := []string{"CAP_KILL", "CAP_CHOWN"}
			p.Capabilities = &specs.LinuxCapabilities{Bounding: both, Effective: both, Permitted: both}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			own := first()
			got, err := changed(parsed(t, strings.Fields(c.args)...), own)
			if err != nil {
				t.Fatal(err)
			}
			want := first()
			want.Args, want.Terminal, want.ConsoleSize = []string{"ls", "-l"}, false, nil
			if c.change(want); !reflect.DeepEqual(got, want) {
				t.Errorf("%+v\nwant %+v", got, want)
			}
			if !reflect.DeepEqual(own, first()) {
				t.Errorf("the container's own is now %+v", own)
			}
		})
	}
}

// TestChangedTwice: what one process adds is not another's: their lists may share
// memory with the container's.
func TestChangedTwice(t *testing.T) {
	own := first()
	own.User.AdditionalGids = append(make([]uint32, 0, 8), 7)
	own.Capabilities.Bounding = append(make([]string, 0, 8), "CAP_KILL")
	one, err := changed(parsed(t, "-g", "11", "-c", "CAP_CHOWN", "box", "ls"), own)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := changed(parsed(t, "-g", "12", "-c", "CAP_FOWNER", "box", "ls"), own); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(one.User.AdditionalGids, []uint32{7, 11}) || !slices.Equal(one.Capabilities.Bounding, []string{"CAP_KILL", "CAP_CHOWN"}) {
		t.Errorf("the first has %v and %v", one.User.AdditionalGids, one.Capabilities.Bounding)
	}
}

func TestChangedIsRefused(t *testing.T) {
	for args, want := range map[string]string{
		"box":                "exec: a command or --process is needed",
		"-u root box ls":     `exec: user "root": "root" is not a number`,
		"-u 1:staff box ls":  `exec: user "1:staff": "staff" is not a number`,
		"-u 4294967296 b ls": `exec: user "4294967296": "4294967296" is not a number`,
		"-g -1 box ls":       `exec: additional groups: "-1" is not a number`,
	} {
		if got, err := changed(parsed(t, strings.Fields(args)...), first()); err == nil || err.Error() != want {
			t.Errorf("%s: %v, %v, want %q", args, got, err, want)
		}
	}
	p := first()
	p.Capabilities = nil
	if got, err := changed(parsed(t, "-c", "CAP_CHOWN", "box", "ls"), p); err != nil || got.Capabilities != nil {
		t.Errorf("where there are no capabilities: %+v, %v", got, err)
	}
}
