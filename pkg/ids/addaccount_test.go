// SPDX-License-Identifier: Apache-2.0

package ids_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"coracle/pkg/ids"
)

func TestAddAccount(t *testing.T) {
	const line, groupLine = "me:*:1000:1001:me:/src:/bin/sh\n", "me:x:1001:\n"
	for _, c := range []struct{ passwd, group, wantPasswd, wantGroup string }{
		{"root:x:0:0::/:/bin/sh\n", "root:x:0:\n", "root:x:0:0::/:/bin/sh\n" + line, "root:x:0:\n" + groupLine},
		{"root:x:0:0::/:/bin/sh", "", "root:x:0:0::/:/bin/sh\n" + line, groupLine},
		{"node:x:1000:1000::/home/node:/bin/sh\n", "node:x:1001:\n", "node:x:1000:1000::/home/node:/bin/sh\n", "node:x:1001:\n"},
	} {
		root := t.TempDir()
		passwd, group := filepath.Join(root, "etc/passwd"), filepath.Join(root, "etc/group")
		err := errors.Join(os.Mkdir(filepath.Dir(passwd), 0o755), os.WriteFile(passwd, []byte(c.passwd), 0o644), os.WriteFile(group, []byte(c.group), 0o644))
		if err != nil {
			t.Fatal(err)
		}
		for range 2 { // at the second start it is there
			if err := ids.AddAccount(root, ids.Keep{UID: 1000, GID: 1001}, "me", "/src"); err != nil {
				t.Fatal(err)
			}
			got, _ := os.ReadFile(passwd)
			gotGroup, _ := os.ReadFile(group)
			if string(got) != c.wantPasswd || string(gotGroup) != c.wantGroup {
				t.Errorf("%+v: %q, %q", c, got, gotGroup)
			}
		}
	}
}

// TestAddAccountToNothing: an image may have anything there.
func TestAddAccountToNothing(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "outside")
	if err := os.WriteFile(outside, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for what, make := range map[string]func(etc string) error{
		"no /etc": func(string) error { return nil },
		"a pipe":  func(etc string) error { return errors.Join(os.Mkdir(etc, 0o755), unix.Mkfifo(etc+"/passwd", 0o644)) },
		"a way out": func(etc string) error {
			return errors.Join(os.Mkdir(etc, 0o755), os.Symlink("../../../../../../.."+outside, etc+"/passwd"))
		},
		"a directory": func(etc string) error { return os.MkdirAll(etc+"/passwd", 0o755) },
	} {
		root := t.TempDir()
		if err := make(filepath.Join(root, "etc")); err != nil {
			t.Fatal(err)
		}
		if err := ids.AddAccount(root, ids.Keep{UID: 1000, GID: 1000}, "me", "/"); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	if data, _ := os.ReadFile(outside); len(data) > 0 {
		t.Errorf("written outside: %q", data)
	}
}
