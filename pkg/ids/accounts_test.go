// SPDX-License-Identifier: Apache-2.0

package ids_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"coracle/pkg/hint"
	"coracle/pkg/ids"
)

const passwd = `root:x:0:0:root:/root:/bin/sh
# a comment:x:7:7::/:/
broken:line
short:x:60
noshell:x:61:62
noid:x
daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin
user:x:1000:1000:A User:/home/user:/bin/sh
1234:x:77:77:a name of digits:/home/digits:
nohome:x:50:51:::
huge:x:4294967296:1::/:
minus:x:-5:1::/:
`

const group = `root:x:0:
wheel:x:10:root,user
user:x:1000:
extra:x:2000:user,daemon
bad:x:99999999999:user
few:x:3001
fewer:x
`

// rootfs has the two files with the content.
func rootfs(t *testing.T, passwd, group string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "etc"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"passwd": passwd, "group": group} {
		if err := os.WriteFile(filepath.Join(dir, "etc", name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestResolveUser(t *testing.T) {
	dir := rootfs(t, passwd, group)
	const outOfRange = "uids and gids must be in range 0-2147483647"
	for _, c := range []struct {
		user string
		add  string
		want string // uid:gid [other groups] home, or the end of the error
	}{
		{"", "", "0:0 [10] /root"},
		{"root", "", "0:0 [10] /root"},
		{"0", "", "0:0 [10] /root"},
		{"user", "", "1000:1000 [10 2000] /home/user"},
		{"1000", "", "1000:1000 [10 2000] /home/user"},
		{"user:", "", "1000:1000 [10 2000] /home/user"},
		{"user:extra", "", "1000:2000 [] /home/user"},
		{"user:10", "", "1000:10 [] /home/user"},
		{"1000:0", "", "1000:0 [] /home/user"},
		{":10", "", "0:10 [] /root"},
		{"daemon", "", "1:1 [2000] /usr/sbin"},
		{"nohome", "", "50:51 [] /"},
		{"4711", "", "4711:0 [] /"}, {"1234", "", "1234:0 [] /"},
		{"4711:4712", "", "4711:4712 [] /"},
		{"short", "", "60:0 [] /"}, {"noshell", "", "61:62 [] /"}, {"61", "", "61:62 [] /"}, {"user:few", "", "1000:3001 [] /home/user"},
		{"noid", "", "no matching entries in passwd file"}, {"user:fewer", "", "no matching entries in group file"},
		{"01000", "", "1000:1000 [10 2000] /home/user"},
		{"2147483647", "", "2147483647:0 [] /"},
		{"user", "3000", "1000:1000 [10 2000 3000] /home/user"},
		{"user:extra", "wheel 5", "1000:2000 [10 5] /home/user"},
		{"4711", "extra", "4711:0 [2000] /"},
		{"nobody", "", "unable to find user nobody: no matching entries in passwd file"},
		{"user:none", "", "unable to find group none: no matching entries in group file"},
		{"user", "none", "unable to find group none: no matching entries in group file"},
		{"User", "", "unable to find user User: no matching entries in passwd file"},
		{"user ", "", "unable to find user user : no matching entries in passwd file"},
		{"-1", "", outOfRange}, {"+1", "", outOfRange}, {"2147483648", "", outOfRange}, {"4294967295", "", outOfRange},
		{"4294967296", "", outOfRange}, {"4294967297", "", outOfRange}, {"18446744073709551616", "", outOfRange},
		{"0:-1", "", outOfRange}, {"0:4294967296", "", outOfRange}, {"0", "4294967296", outOfRange},
		{"huge", "", "no matching entries in passwd file"}, {"minus", "", "no matching entries in passwd file"},
		{"# a comment", "", "no matching entries in passwd file"}, {"broken", "", "no matching entries in passwd file"},
		{"1\x00", "", "no matching entries in passwd file"}, {"１", "", "no matching entries in passwd file"},
	} {
		u, home, err := ids.ResolveUser(dir, c.user, strings.Fields(c.add))
		if err != nil {
			if !strings.HasSuffix(err.Error(), c.want) {
				t.Errorf("%q + %q: %v, want %s", c.user, c.add, err, c.want)
			}
			continue
		}
		// The primary group is among the others, or a file could be read by
		// leaving it (CVE-2022-36109).
		if len(u.AdditionalGIDs) == 0 || u.AdditionalGIDs[0] != u.GID {
			t.Errorf("%q: groups %v", c.user, u.AdditionalGIDs)
			continue
		}
		if got := fmt.Sprintf("%d:%d %v %s", u.UID, u.GID, u.AdditionalGIDs[1:], home); got != c.want {
			t.Errorf("%q + %q: %s, want %s", c.user, c.add, got, c.want)
		}
	}
}

func TestResolveUserWithoutFiles(t *testing.T) {
	for user, want := range map[string]string{"": "0:0 /root", "0": "0:0 /", "5:6": "5:6 /", "root": "error", "5:wheel": "error"} {
		u, home, err := ids.ResolveUser(t.TempDir(), user, nil)
		if got := fmt.Sprintf("%d:%d %s", u.UID, u.GID, home); got != want && (err == nil || want != "error") {
			t.Errorf("%q: %s, %v, want %s", user, got, err, want)
		}
	}
}

// What an image calls its files of accounts can be anything (CVE-2024-9676).
func TestR14_AccountsOfAnyKind(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "passwd")
	if err := os.WriteFile(outside, []byte("alien:x:5:5::/:\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, make := range map[string]func(path string) error{
		"fifo":            func(path string) error { return unix.Mkfifo(path, 0o644) },
		"directory":       func(path string) error { return os.Mkdir(path, 0o755) },
		"link outside":    func(path string) error { return os.Symlink(outside, path) },
		"link up":         func(path string) error { return os.Symlink("../../../../../../../.."+outside, path) },
		"link to zero":    func(path string) error { return os.Symlink("/dev/zero", path) },
		"link to itself":  func(path string) error { return os.Symlink("passwd", path) },
		"link to process": func(path string) error { return os.Symlink("/proc/self/root"+outside, path) },
		"huge": func(path string) error {
			f, err := os.Create(path)
			if err != nil {
				return err
			}
			defer f.Close()
			return f.Truncate(1 << 30)
		},
		"one long line": func(path string) error { return os.WriteFile(path, []byte(strings.Repeat("x", 9<<20)), 0o644) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := rootfs(t, "", group)
			path := filepath.Join(dir, "etc", "passwd")
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			if err := make(path); err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			if u, _, err := ids.ResolveUser(dir, "alien", nil); err == nil {
				t.Errorf("alien was found: %+v", u)
			}
			if took := time.Since(began); took > 10*time.Second {
				t.Errorf("it took %v", took)
			}
		})
	}
}

func FuzzResolveUser(f *testing.F) {
	f.Add("user:extra", passwd, group)
	f.Add("4294967296", "a:b:c:d:e:f:g", "::::")
	dir := f.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "etc"), 0o755); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, user, passwd, group string) {
		for name, text := range map[string]string{"passwd": passwd, "group": group} {
			if err := os.WriteFile(filepath.Join(dir, "etc", name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		u, home, err := ids.ResolveUser(dir, user, nil)
		if err != nil {
			return
		}
		if home == "" || u.UID > 1<<31-1 || u.GID > 1<<31-1 {
			t.Errorf("%+v %q", u, home)
		}
		// A number is that number, or an error.
		var n uint32
		if name, _, _ := strings.Cut(user, ":"); name != "" && strings.Trim(name, "0123456789") == "" {
			if _, err := fmt.Sscanf(name, "%d", &n); err != nil || u.UID != n {
				t.Errorf("%q is %d", user, u.UID)
			}
		}
	})
}

func TestCheckUser(t *testing.T) {
	one := ids.Maps{UID: []ids.Map{{ContainerID: 0, Size: 1}}, GID: []ids.Map{{ContainerID: 0, Size: 1}}}
	many := ids.Maps{UID: []ids.Map{{ContainerID: 0, Size: 1}, {ContainerID: 1, Size: 65536}}, GID: []ids.Map{{ContainerID: 0, Size: 1000}}}
	for _, c := range []struct {
		m    ids.Maps
		u    ids.User
		fits bool
	}{
		{ids.Maps{}, ids.User{UID: 5}, true}, {one, ids.User{}, true}, {one, ids.User{UID: 1}, false}, {one, ids.User{GID: 1}, false},
		{many, ids.User{UID: 65536, GID: 999}, true}, {many, ids.User{UID: 65537}, false}, {many, ids.User{GID: 1000}, false},
		{many, ids.User{UID: 1<<32 - 1}, false},
	} {
		err := c.m.Check(c.u)
		if (err == nil) != c.fits {
			t.Errorf("%+v in %+v: %v", c.u, c.m, err)
		}
		if err != nil && !strings.Contains(hint.Of(err), "--user 0") {
			t.Errorf("no hint: %v", err)
		}
	}
}
