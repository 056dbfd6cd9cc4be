// SPDX-License-Identifier: Apache-2.0

package run

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"coracle/pkg/dockerfile/exec"
	"coracle/pkg/ns"
)

func TestStepMount(t *testing.T) {
	for _, c := range []struct {
		m    exec.StepMount
		kind string
		want string // options
	}{
		{exec.StepMount{Type: "tmpfs", Target: "/t"}, "tmpfs", "nosuid nodev"},
		{exec.StepMount{Type: "tmpfs", Target: "/t", Size: 4096, ReadOnly: true}, "tmpfs", "nosuid nodev ro size=4096"},
		{exec.StepMount{Type: "bind", Target: "/t", Source: "/s"}, "bind", "rbind rprivate"},
		{exec.StepMount{Type: "bind", Target: "/t", Source: "/s", ReadOnly: true}, "bind", "rbind rprivate ro"},
	} {
		got := stepMount(c.m)
		if got.Type != c.kind || got.Destination != "/t" || strings.Join(got.Options, " ") != c.want {
			t.Errorf("%+v: %+v, want %s", c.m, got, c.want)
		}
	}
}

func TestStartFailure(t *testing.T) {
	var exit *exec.ExitError
	err := startFailure(&ns.ExecError{Message: "x", Errno: syscall.ENOENT})
	if !errors.As(err, &exit) || exit.Code != 127 {
		t.Errorf("a program that is not there: %v", err)
	}
	plain := errors.New("no box")
	if err := startFailure(plain); err != plain {
		t.Errorf("what is not the command's: %v", err)
	}
}

// TestStubs: what was made to mount something on goes, and nothing else does.
func TestStubs(t *testing.T) {
	root := t.TempDir()
	in := func(name string) string { return filepath.Join(root, name) }
	err := errors.Join(os.MkdirAll(in("dev"), 0o755), os.Mkdir(in("real"), 0o755), os.Symlink("/real", in("link")))
	if err != nil {
		t.Fatal(err)
	}
	s, err := newStubs(root, []specs.Mount{{Destination: "/a/b/c"}, {Destination: "/link/x"}, {Destination: "/kept/full"}, {Destination: "/gone"}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	err = errors.Join(os.MkdirAll(in("proc"), 0o755), os.MkdirAll(in("a/b/c"), 0o755), os.MkdirAll(in("real/x"), 0o755),
		os.MkdirAll(in("etc"), 0o755), os.WriteFile(in("etc/hosts"), nil, 0o644), os.WriteFile(in("etc/hostname"), []byte("mine"), 0o644),
		os.MkdirAll(in("kept/full"), 0o755), os.WriteFile(in("kept/full/f"), nil, 0o644))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.remove(); err != nil {
		t.Fatal(err)
	}
	var left []string
	err = filepath.WalkDir(root, func(p string, _ os.DirEntry, err error) error {
		left = append(left, strings.TrimPrefix(p, root))
		return err
	})
	want := []string{"", "/dev", "/etc", "/etc/hostname", "/kept", "/kept/full", "/kept/full/f", "/link", "/real"}
	if err != nil || !slices.Equal(left, want) {
		t.Errorf("%q, %v, want %q", left, err, want)
	}
}

// TestStubsBecomeLinks: a command that puts a link in the place of a directory has
// nothing removed where it leads.
func TestStubsBecomeLinks(t *testing.T) {
	base := t.TempDir()
	root, outside := filepath.Join(base, "root"), filepath.Join(base, "outside")
	if err := errors.Join(os.Mkdir(root, 0o755), os.MkdirAll(filepath.Join(outside, "b"), 0o755)); err != nil {
		t.Fatal(err)
	}
	s, err := newStubs(root, []specs.Mount{{Destination: "/a/b"}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	if err := os.Symlink("../outside", filepath.Join(root, "a")); err != nil {
		t.Fatal(err)
	}
	_ = s.remove()
	if _, err := os.Stat(filepath.Join(outside, "b")); err != nil {
		t.Errorf("REMOVED OUTSIDE: %v", err)
	}
}
