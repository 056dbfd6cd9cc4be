// SPDX-License-Identifier: Apache-2.0

package child

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestLookPath(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("x"), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	first, second := write("a/both", 0o755), write("b/both", 0o755)
	write("a/plain", 0o644)
	later := write("b/plain", 0o755)
	only := write("a/only-plain", 0o644)
	env := []string{"X=1", "PATH=" + dir + "/none:" + dir + "/a:" + dir + "/b", "PATH=/ignored"}
	for _, c := range []struct {
		name string
		env  []string
		want string // a path, or a part of the error
		err  error
	}{
		{"both", env, first, nil},
		{"plain", env, later, nil},
		{"only-plain", env, "permission denied", unix.EACCES},
		{"none", env, `exec: "none": executable file not found in $PATH`, unix.ENOENT},
		{"both", nil, `exec: "both": executable file not found in $PATH`, unix.ENOENT},
		{"both", []string{"PATH="}, "not found in $PATH", unix.ENOENT},
		{second, nil, second, nil},
		{only, env, "permission denied", unix.EACCES},
		{dir + "/none/x", env, "no such file or directory", unix.ENOENT},
		{dir, env, "is a directory: permission denied", unix.EACCES},
		{"", env, "", unix.EACCES},
	} {
		got, err := lookPath(c.name, c.env)
		switch {
		case c.err == nil && (err != nil || got != c.want):
			t.Errorf("%q: %q, %v, want %q", c.name, got, err, c.want)
		case c.err != nil && (!errors.Is(err, c.err) || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%q: %v, want %v and %q", c.name, err, c.err, c.want)
		}
	}
}

func TestDeviceIsLookedAt(t *testing.T) {
	f, err := openDevice("/dev/null", 1, 3)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	link := filepath.Join(t.TempDir(), "null")
	if err := os.Symlink("/dev/null", link); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/dev/zero", link, "/etc/passwd", "/dev", "/none"} {
		if _, err := openDevice(path, 1, 3); err == nil {
			t.Errorf("%s was taken for the null device", path)
		}
	}
}
